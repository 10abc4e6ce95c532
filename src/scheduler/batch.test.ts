import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import { reservationAnnotation } from '#api/tutti-scheduling/reservation.ts';
import { BatchPlacer, pendingOf, type Decision } from './batch.ts';
import { defaultSpreadFor } from './default-spread.ts';
import { decideGang } from './gangs/decide-gang.ts';
import { NodeTable } from './node-table.ts';
import { profileOf } from './profile.ts';
import { Signatures } from './signature.ts';
import { roomAskedFor } from './reservations/room.ts';
import { SpreadOwners } from './spread-owners.ts';
import { Random } from './testing/random.ts';
import {
  boundTo,
  podOf,
  randomDefaultSpread,
  randomLabels,
  randomNode,
  randomPodSpec,
} from './testing/random-cluster.ts';
import { beginStorage, changeStorage, randomVolumes, withVolumes } from './testing/random-storage.ts';
import type { ReferenceStorage, StorageSink } from './testing/reference-storage.ts';
import { ReferenceScheduler, type Outcome } from './testing/reference-scheduler.ts';
import type { VolumeBook } from './volumes/volume-book.ts';

/** More seeds for a longer look: `TUTTI_SEEDS=10000 node --test src/scheduler/batch.test.ts`. */
const seeds = Number(process.env['TUTTI_SEEDS'] ?? 300);

for (const packs of [false, true]) {
  test(`batches place exactly as one-by-one ${packs ? 'packing' : 'spreading'} does, on ${seeds} random clusters`, () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= seeds; seed++) compareWithReference(seed, packs, seen);
    const outcomes =
      'claim: place|claim: refuse|gang: make-room|gang: place|gang: refuse|place|preempt|refuse|reservation: ended|' +
      'reservation: held|reservation: refused|reservation: rescinded|reservation: rescinded with victims|' +
      'volumes: given|volumes: refused|volumes: to be made|wait';
    assert.equal([...seen].toSorted().join('|'), outcomes, 'clusters are full enough');
  });
}

function compareWithReference(seed: number, packs: boolean, seen: Set<string>): void {
  const random = new Random(seed);
  const signatures = new Signatures();
  const table = new NodeTable(signatures, { seed });
  const interPodAffinity = {
    hardPodAffinityWeight: random.pick([0, 1, 1, 30]),
    ignorePreferredTermsOfExistingPods: random.chance(5),
  };
  const scoring = packs ? ({ type: 'MostAllocated' } as const) : undefined;
  const defaultSpread = random.pick([[], 'system', 'system', randomDefaultSpread(random)] as const);
  const profile = profileOf({ interPodAffinity, defaultSpread, ...(scoring === undefined ? {} : { scoring }) });
  const placer = new BatchPlacer(table, [profile]);
  const reference = new ReferenceScheduler(seed, { packs, defaultSpread, ...interPodAffinity });
  const owners = new SpreadOwners();
  const sign = (each: Pod) =>
    signatures.of(each, {
      labelsRead: table.affine.labelsRead,
      defaultSpread: defaultSpreadFor(each, profile.defaultSpread, owners),
    });
  const addNode = (name: string) => {
    const node = randomNode(random, name);
    table.setNode(node);
    reference.nodes.set(name, node);
  };
  const nodeCount = 1 + random.below(12);
  for (let index = 0; index < nodeCount; index++) addNode(`node-${index}`);
  const workloads = Array.from({ length: 1 + random.below(5) }, (_, index) => ({
    spec: randomPodSpec(random),
    labels: randomLabels(random),
    namespace: random.pick(['default', 'default', 'other']),
    owner: random.chance(2) ? `set-${index}` : undefined,
    volumes: randomVolumes(random),
  }));
  const { storage } = reference;
  const { volumes: book } = table;
  const tell = (act: (sink: StorageSink) => void) => [book, storage].forEach(act);
  beginStorage(random, tell);
  const newPod = ({ spec, labels, namespace, owner, volumes }: (typeof workloads)[number], annotations = {}) => {
    const plain = podOf(spec, undefined, labels, namespace, owner);
    return withVolumes({ ...plain, metadata: { ...plain.metadata, annotations } }, volumes, tell);
  };
  for (const { owner, namespace, labels } of workloads) {
    if (owner === undefined || random.chance(4)) continue;
    const selector = { matchLabels: { app: labels['app'] ?? '' } };
    owners.putController('ReplicaSet', { metadata: { name: owner, namespace }, spec: { selector } });
    reference.controllers.set(owner, selector.matchLabels);
  }
  const addService = () => {
    const namespace = random.pick(['default', 'other']);
    const selector = random.pick<Record<string, string>>([
      { app: 'a' },
      { app: 'b' },
      { version: '1' },
      { app: 'c', version: '2' },
    ]);
    owners.putService({ metadata: { name: `service-${reference.services.length}`, namespace }, spec: { selector } });
    reference.services.push({ namespace, selector });
  };
  if (random.chance(2)) addService();
  const labelNamespace = (name: string) => {
    const labels: Record<string, string> = random.chance(3) ? {} : { team: random.pick(['red', 'blue']) };
    table.setNamespace(name, labels);
    reference.namespaces.set(name, labels);
  };
  for (const name of ['default', 'other']) labelNamespace(name);
  const placed: { pod: Pod; nodeName: string }[] = [];
  const waiting: Pod[] = [];
  const { nominations, budgets } = placer.preemptor;
  const budgetOf = (name: string) => {
    const matchLabels = { app: name };
    const allowed = random.below(4);
    for (const { pod } of placed) budgets.seenEnding({ uid: pod.metadata?.uid ?? '', namespace: 'default' });
    const status = { disruptionsAllowed: allowed, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
    budgets.put({ metadata: { name, namespace: 'default' }, spec: { selector: { matchLabels } }, status });
    reference.budgets.set(name, { matchLabels, allowed });
  };
  for (let step = 0; step < 60; step++) {
    if (random.chance(8)) addNode(`node-${random.below(nodeCount + 2)}`);
    if (random.chance(20)) {
      const name = `node-${random.below(nodeCount)}`;
      table.removeNode(name);
      reference.nodes.delete(name);
      nominations.nodeWent(name);
      for (const [uid, { nodeName }] of reference.nominated) if (nodeName === name) reference.nominated.delete(uid);
    }
    if (random.chance(40)) addService();
    if (random.chance(20)) labelNamespace(random.pick(['default', 'other']));
    if (random.chance(3)) changeStorage(random, storage, tell);
    if (random.chance(15)) budgetOf(random.pick(['a', 'b']));
    if (random.chance(5) && placed.length > 0) {
      const { pod } = placed.splice(random.below(placed.length), 1)[0] ?? assert.fail();
      budgets.seenEnding({ uid: pod.metadata?.uid ?? '', namespace: 'default' });
      table.removePod(pod.metadata?.uid ?? '');
      book.removePod(pod.metadata?.uid ?? '');
      reference.pods.delete(pod.metadata?.uid ?? '');
      storage.decided.delete(pod.metadata?.uid ?? '');
    }
    if (random.chance(4) && placed.length > 0) {
      const { pod, nodeName } = random.pick(placed);
      const startedAt = random.below(3) * 1000;
      const resident = reference.pods.get(pod.metadata?.uid ?? '') ?? assert.fail();
      resident.startedAt = startedAt;
      storage.decided.delete(pod.metadata?.uid ?? '');
      table.setPod({ ...boundTo(pod, nodeName), status: { startTime: new Date(startedAt).toISOString() } });
    }
    const ended = placer.reservations.tend().untenable.map(({ held }) => held.uid);
    for (const uid of ended) placer.reservations.release(uid);
    assert.deepEqual(ended.toSorted(), reference.tend(), `seed ${seed}, step ${step}, reservations`);
    if (ended.length > 0) seen.add('reservation: ended');
    if (random.chance(4)) {
      const granted = reserveSome(random, placer, table, reference, step);
      seen.add(granted ? 'reservation: held' : 'reservation: refused');
    }
    const reservations = [...reference.reservations.keys()];
    if (random.chance(8) && reservations.length > 0) {
      const uid = random.pick(reservations);
      placer.reservations.release(uid);
      reference.reservations.delete(uid);
    }
    if (random.chance(6) && reference.reservations.size > 0) {
      const uid = random.pick([...reference.reservations.keys()]);
      const pod = newPod(
        { ...random.pick(workloads), namespace: 'default', owner: undefined },
        { [reservationAnnotation]: uid },
      );
      const expected = reference.decideInto(pod, uid);
      const decision = placer.decide(pendingOf(pod, sign(pod)));
      assert.deepEqual(outcomeOf(decision), expected, `seed ${seed}, step ${step}, claim`);
      if (decision.do === 'place') placed.push({ pod, nodeName: decision.nodeName });
      seen.add(`claim: ${decision.do}`);
      continue;
    }
    if (random.chance(6)) {
      const size = 1 + random.below(5);
      const kinds = [random.pick(workloads), random.pick(workloads)];
      const mine = Array.from({ length: size }, () => random.pick(kinds));
      const again = waiting.splice(0, random.below(1 + Math.min(2, waiting.length)));
      const gang = [...mine.map((each) => newPod(each)), ...again];
      const needed = 1 + random.below(gang.length);
      const expected = reference.decideGang(gang, needed);
      const pendings = gang.map((each) => pendingOf(each, sign(each)));
      const decided = decideGang(placer, table, pendings, needed, sign);
      const decisions = decided.do === 'refuse' ? [] : decided.decisions.filter((each) => each.do !== 'refuse');
      const actual = decisions.map((each) => ({ pod: each.pending.pod, outcome: outcomeOf(each) }));
      assert.deepEqual({ do: decided.do, outcomes: actual }, expected, `seed ${seed}, step ${step}, gang`);
      seen.add(`gang: ${decided.do}`);
      for (const each of decisions)
        if (each.do === 'place') placed.push({ pod: each.pending.pod, nodeName: each.nodeName });
      waiting.push(...gang.filter((each) => !placed.some(({ pod }) => pod === each)));
      continue;
    }
    const workload = random.pick(workloads);
    const retried =
      waiting.length > 0 && random.chance(3) ? waiting.splice(random.below(waiting.length), 1)[0] : undefined;
    const pod = retried ?? newPod(workload);
    const expected = reference.decide(pod);
    const signature = sign(pod);
    const decision = placer.decide(pendingOf(pod, signature));
    const where = `seed ${seed}, step ${step}`;
    assert.deepEqual(outcomeOf(decision), expected, where);
    seen.add(decision.do);
    for (const { volume } of storage.decided.get(pod.metadata?.uid ?? '') ?? []) {
      seen.add(volume === undefined ? 'volumes: to be made' : 'volumes: given');
    }
    if (decision.do === 'refuse' && isForVolumes(decision.failure)) seen.add('volumes: refused');
    if (expected.do === 'place' && expected.rescinded !== undefined) seen.add('reservation: rescinded');
    if (expected.do === 'preempt' && expected.rescinded !== undefined) seen.add('reservation: rescinded with victims');
    if (decision.do === 'place') placed.push({ pod, nodeName: decision.nodeName });
    else waiting.push(pod);
    if (decision.do === 'refuse') checkFailure(decision.failure, reference.nodes.size, where);
    for (const each of placed) checkVolumes(each.pod, book, storage, where);
  }
}

/** Asks for room on some node, as much as pods ask for or all that is free. */
function reserveSome(
  random: Random,
  placer: BatchPlacer,
  table: NodeTable,
  reference: ReferenceScheduler,
  step: number,
): boolean {
  const nodeName = random.pick([...reference.nodes.keys(), 'node-0']);
  const [uid, priority, heldAt] = [`reservation-${step}`, random.pick([-10, 0, 5]), step];
  const resources = { cpu: random.pick(['500m', '1', '2']), memory: random.pick(['200Mi', '1Gi']), pods: '2' };
  const hostPorts = random.chance(3) ? [{ port: 80 }] : [];
  const asked = { nodeName, holder: 'test', hostPorts, ...(random.chance(2) ? { resources } : {}) };
  const { nominations } = placer.preemptor;
  nominations.regard(priority);
  const room = roomAskedFor(asked, table, table.rowOf(nodeName));
  const refused = placer.reservations.refusal({ nodeName, tolerations: [], room }) !== undefined;
  nominations.regardAgain();
  if (refused) return false;
  const { amounts } = room;
  const ports = room.hostPorts.map(({ port }) => port);
  const named = { uid, namespace: 'default', name: uid, holder: 'test', nodeName, priority, tolerations: [] };
  placer.reservations.hold({ ...named, room, heldAt, expiresAt: Infinity });
  reference.reservations.set(uid, { nodeName, priority, heldAt, amounts, ports });
  return true;
}

/** Every pod has been given the same volumes. */
function checkVolumes(pod: Pod, book: VolumeBook, storage: ReferenceStorage, where: string): void {
  const { uid = '' } = pod.metadata ?? {};
  const { bindings = [], provisions = [] } = book.planOf(uid) ?? {};
  const given = [...bindings, ...provisions.map((claim) => ({ claim, volume: undefined }))];
  const expected = (storage.decided.get(uid) ?? []).map(({ claim, volume }) => ({ claim, volume }));
  const byClaim = (a: { claim: string }, b: { claim: string }) => (a.claim < b.claim ? -1 : 1);
  assert.deepEqual(given.toSorted(byClaim), expected.toSorted(byClaim), `${where}, volumes`);
}

function isForVolumes({ reasons }: { readonly reasons: ReadonlyMap<string, number> }): boolean {
  return [...reasons.keys()].some((reason) => /[vV]olume|disk|free storage/.test(reason));
}

function outcomeOf(decision: Decision): Outcome {
  if (decision.do !== 'place' && decision.do !== 'preempt') return { do: decision.do };
  const gone = decision.rescinded.map(({ uid }) => uid).toSorted();
  const rescinded = gone.length === 0 ? {} : { rescinded: gone };
  if (decision.do === 'place') return { do: 'place', node: decision.nodeName, ...rescinded };
  const victims = decision.victims.map(({ uid }) => uid);
  return { do: 'preempt', node: decision.nodeName, victims, ...rescinded };
}

function checkFailure(
  failure: { nodes: number; reasons: ReadonlyMap<string, number> },
  nodes: number,
  where: string,
): void {
  assert.equal(failure.nodes, nodes, where);
  const counted = [...failure.reasons.values()].reduce((sum, count) => sum + count, 0);
  assert.ok(counted >= nodes, `${where}: every node that does not fit has a reason`);
}

const node = (name: string, more: Record<string, unknown> = {}) => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  spec: {},
  status: { allocatable: { cpu: '2', memory: '4Gi', pods: '10' } },
  ...more,
});

function placerOf(...nodes: Parameters<NodeTable['setNode']>[0][]) {
  const signatures = new Signatures();
  const table = new NodeTable(signatures);
  for (const each of nodes) table.setNode(each);
  const placer = new BatchPlacer(table, [profileOf()]);
  return { table, decide: (pod: Pod) => placer.decide(pendingOf(pod, signatures.of(pod))) };
}

const asking = (cpu: string, more: Partial<NonNullable<Pod['spec']>> = {}) =>
  podOf({ containers: [{ name: 'main', image: 'web', resources: { requests: { cpu } } }], ...more });

test('a refusal is told in the words and numbers of upstream', () => {
  const { decide } = placerOf(
    node('n1'),
    node('n2', { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } }),
    node('n3', { spec: { unschedulable: true } }),
  );
  const decision = decide(asking('3'));
  assert.equal(
    decision.do === 'refuse' && decision.failure.message,
    '0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
  );
});

test('a pod that is pinned to a node by name goes there or nowhere, and shares its signature with its fellows', () => {
  const { decide } = placerOf(node('n1'), node('n2'), node('n3'));
  const pinned = (name: string, cpu = '1') => {
    const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] };
    const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
    return decide(asking(cpu, { affinity: { nodeAffinity: required } }));
  };
  const [one, two, three, nowhere] = [pinned('n2'), pinned('n1'), pinned('n2'), pinned('n2')];
  assert.equal(one.do === 'place' && one.nodeName, 'n2');
  assert.equal(two.do === 'place' && two.nodeName, 'n1');
  assert.equal(one.pending.signature, two.pending.signature);
  assert.equal(three.do === 'place' && three.nodeName, 'n2');
  assert.equal(
    nowhere.do === 'refuse' && nowhere.failure.message,
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.",
  );
});

test('a pod that is pinned to a node is spread over that node alone, as far as its affinity counts', () => {
  const pinnedTo = (name: string, nodeAffinityPolicy: string) => {
    const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] };
    const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
    const spread = { topologyKey: 'kubernetes.io/hostname', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' };
    return asking('100m', {
      affinity: { nodeAffinity: required },
      topologySpreadConstraints: [{ ...spread, nodeAffinityPolicy, labelSelector: {} }],
    });
  };
  const { decide } = placerOf(node('n1'), node('n2'));
  assert.equal(decide(pinnedTo('n1', 'Honor')).do, 'place');
  assert.equal(decide(pinnedTo('n1', 'Honor')).do, 'place');
  assert.equal(decide(pinnedTo('n1', 'Ignore')).do, 'refuse');
  assert.equal(decide(pinnedTo('n2', 'Ignore')).do, 'place');
});

test('a pod that demands what no plugin decides waits, and the reason names the field', () => {
  const { decide } = placerOf(node('n1'));
  const decision = decide(asking('1', { resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }] }));
  assert.match(decision.do === 'refuse' ? decision.failure.message : '', /spec\.resourceClaims/);
});
