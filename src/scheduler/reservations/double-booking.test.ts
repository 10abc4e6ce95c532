import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Reservation, reservationAnnotation, type ReservationSpec } from '#api/tutti-scheduling/reservation.ts';
import { hasReason, unavailable } from '#machinery/status-error.ts';
import { amountOf } from '../requests.ts';
import type { BindingClient } from '../testing/binding-client.ts';
import { Random } from '../testing/random.ts';
import { runningScheduler } from '../testing/running-scheduler.ts';

/** More seeds for a longer look: `TUTTI_SEEDS=2000 node --test src/scheduler/reservations/double-booking.test.ts`. */
const seeds = Number(process.env['TUTTI_SEEDS'] ?? 64);
const stepsPerSeed = 60;
const resources = ['cpu', 'memory', 'pods'];
const namespace = 'default';

/*
 * Random pods, offers, acceptances, refusals, lapses, lost and shrinking nodes, failing writes and schedulers that are
 * started anew, in virtual time. After every single write everything is added up from the stored objects alone: no node
 * has promised more than it has, at any moment, as anybody sees it who reads the API.
 */
test(`pods and offers never get the same room, and nothing waits beside free room, ${seeds} random clusters`, async (context) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= seeds; seed++) {
    await context.test(`seed ${seed}`, (inner) => liveThrough(inner, new Random(seed), seen));
  }
  const phases = ['Consumed', 'Expired', 'Held', 'Refused', 'Rescinded', 'claim placed', 'claim waits', 'preempted'];
  assert.deepEqual([...seen].toSorted(), phases, 'clusters are full enough');
});

async function liveThrough(context: TestContext, random: Random, seen: Set<string>): Promise<void> {
  const { client, clock, signal, restart } = await runningScheduler(context);
  /** Nodes that have less than they had: what was promised before may be more, until it is put right. */
  const indebted = new Set<string>();
  const wrongs: string[] = [];
  client.onReply = () => {
    wrongs.push(...overbooked(client, ({ node }) => indebted.has(node)));
    for (const { status } of client.all(Reservation)) if (status?.phase !== undefined) seen.add(status.phase);
  };
  let unreliable = true;
  client.onRequest = (verb) => {
    if (unreliable && (verb === 'bind' || verb === 'patch') && random.chance(25)) throw unavailable('for a moment');
  };
  const settled = async (ms: number) => {
    await clock.advance(ms);
    if (overbooked(client).length === 0) indebted.clear();
  };
  const nodes = Array.from({ length: 2 + random.below(3) }, (_, index) => `n${index}`);
  for (const name of nodes) await client.create(Node, nodeOf(name), { signal });
  let serial = 0;
  const addPod = (more: { metadata?: Partial<Pod['metadata']>; priority?: number } = {}) => {
    const name = more.metadata?.name ?? `pod-${serial++}`;
    const requests = { cpu: random.pick(['500m', '1', '1500m', '3']), memory: random.pick(['256Mi', '1Gi']) };
    const ports = random.chance(4) ? [{ containerPort: 80, hostPort: 31000 + random.below(3) }] : [];
    const containers = [{ name: 'main', image: 'web', resources: { requests }, ports }];
    const priority = more.priority ?? random.pick([-5, 0, 0, 10]);
    return client.create(
      Pod,
      { metadata: { name, namespace, ...more.metadata }, spec: { containers, priority } },
      { signal },
    );
  };
  const actions: Record<string, () => Promise<unknown>> = {
    pod: () => addPod(),
    anotherPod: () => addPod(),
    offer: async () => {
      const spec: ReservationSpec = {
        nodeName: random.pick(nodes),
        holder: 'test',
        priority: random.pick([-10, -1, 0, 5]),
        timeoutSeconds: random.pick([3, 10, 30]),
        ...(random.chance(2) ? { resources: { cpu: random.pick(['500m', '2']), memory: '512Mi', pods: '3' } } : {}),
        ...(random.chance(2) ? { hostPorts: [{ port: 31000, endPort: 31000 + random.below(3) }] } : {}),
      };
      await client.create(Reservation, { metadata: { name: `offer-${serial++}`, namespace }, spec }, { signal });
    },
    accept: async () => {
      const open = client
        .all(Reservation)
        .filter(({ status, spec }) => status?.phase === 'Held' && spec.pods === undefined);
      if (open.length === 0) return;
      const { metadata } = random.pick(open);
      const name = metadata?.name ?? '';
      const pods = Array.from({ length: 1 + random.below(2) }, () => `task-${serial++}`);
      const patch = { metadata: { uid: metadata?.uid, resourceVersion: metadata?.resourceVersion }, spec: { pods } };
      try {
        await client.patch(Reservation, { name, namespace }, { type: 'merge', patch }, { signal });
      } catch (error) {
        if (hasReason(error, 'Conflict', 'NotFound', 'ServiceUnavailable')) return;
        throw error;
      }
      for (const pod of pods) {
        await addPod({ metadata: { name: pod, annotations: { [reservationAnnotation]: name } } });
      }
    },
    decline: async () => {
      const held = client.all(Reservation).filter(({ status }) => status?.phase === 'Held');
      if (held.length === 0 || random.chance(2)) return;
      const name = random.pick(held).metadata?.name ?? '';
      await client.delete(Reservation, { name, namespace }, { signal });
    },
    endPod: async () => {
      const pods = client.all(Pod);
      if (pods.length > 0) client.remove(Pod, { namespace, name: random.pick(pods).metadata?.name ?? '' });
    },
    endLeaving: async () => endLeaving(),
    node: async () => {
      const name = random.pick(nodes);
      const there = client.all(Node).some(({ metadata }) => metadata?.name === name);
      indebted.add(name);
      if (!there) await client.create(Node, nodeOf(name, random.pick(['4', '2'])), { signal });
      else if (random.chance(3)) await client.delete(Node, { name }, { signal });
      else {
        const { spec, status = {} } = nodeOf(name, random.pick(['4', '3', '2']), random.chance(3));
        const patched = (patch: object) => ({ type: 'merge', patch: { ...patch } }) as const;
        await client.patch(Node, { name }, patched({ spec: { unschedulable: null, ...spec } }), { signal });
        await client.patch(Node, { name }, patched({ status }), { signal, subresource: 'status' });
      }
    },
    claim: async () => {
      const held = client.all(Reservation).filter(({ status }) => status?.phase === 'Held');
      if (held.length === 0) return;
      const name = random.pick(held).metadata?.name ?? '';
      await addPod({ metadata: { name: `task-${serial++}`, annotations: { [reservationAnnotation]: name } } });
    },
    time: async () => {
      await settled(15_000);
      assert.deepEqual(
        overbooked(client, ({ promised }) => promised === 0),
        [],
        'what nodes lost is put right',
      );
    },
    moreTime: () => settled(random.below(2_000)),
    restart: async () => {
      if (random.chance(4)) await restart({ crash: random.chance(2) });
    },
  };
  function endLeaving(): void {
    for (const { metadata } of client.all(Pod)) {
      if (metadata?.deletionTimestamp === undefined) continue;
      seen.add('preempted');
      client.remove(Pod, { namespace, name: metadata.name ?? '' });
    }
  }
  for (let step = 0; step < stepsPerSeed; step++) {
    const action = random.pick(Object.keys(actions));
    await actions[action]?.().catch((error: unknown) => {
      if (!hasReason(error, 'ServiceUnavailable')) throw error;
    });
    if (random.chance(2)) await settled(random.below(1_500));
    assert.deepEqual(wrongs, [], `step ${step}: ${action}`);
  }
  unreliable = false;
  for (const { metadata, spec } of client.all(Pod)) {
    if (metadata?.annotations === undefined) continue;
    seen.add((spec.nodeName ?? '') === '' ? 'claim waits' : 'claim placed');
  }
  // Every offer has lapsed by then, and whoever was made to leave has left.
  for (let round = 0; round < 8; round++) {
    await settled(30_000);
    endLeaving();
  }
  assert.deepEqual(
    client.all(Reservation).filter(({ status }) => status?.phase === 'Held' || status?.phase === undefined),
    [],
  );
  assert.deepEqual(waitingBesideRoom(client), []);
}

const nodeOf = (name: string, cpu = '4', unschedulable = false): Node => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  spec: unschedulable ? { unschedulable } : {},
  status: { allocatable: { cpu, memory: '4Gi', pods: '6' } },
});

const asked = ({ spec }: Pod, resource: string) =>
  resource === 'pods' ? 1 : amountOf(resource, spec.containers[0]?.resources?.requests?.[resource] ?? 0);
const portsOf = ({ spec }: Pod) => (spec.containers[0]?.ports ?? []).flatMap(({ hostPort }) => hostPort ?? []);
const sum = <T>(all: readonly T[], amount: (each: T) => number) => all.reduce((total, each) => total + amount(each), 0);
const boundTo = (client: BindingClient, node: string) => client.all(Pod).filter(({ spec }) => spec.nodeName === node);
const heldOn = (client: BindingClient, node: string) =>
  client.all(Reservation).filter(({ spec, status }) => spec.nodeName === node && status?.phase === 'Held');
const claimants = (client: BindingClient, { metadata, spec }: Reservation) =>
  boundTo(client, spec.nodeName).filter((pod) => pod.metadata?.annotations?.[reservationAnnotation] === metadata?.name);

/** What each node has promised beyond what it has, and pods that have taken more of an offer than it was. */
function overbooked(
  client: BindingClient,
  isExcused: (what: { readonly node: string; readonly promised: number }) => boolean = () => false,
): readonly string[] {
  const wrongs: string[] = [];
  for (const { metadata, status } of client.all(Node)) {
    const { name = '' } = metadata ?? {};
    const offers = heldOn(client, name);
    for (const resource of resources) {
      const used = sum(boundTo(client, name), (pod) => asked(pod, resource));
      let promised = 0;
      for (const offer of offers) {
        const total = amountOf(resource, offer.status?.resources?.[resource] ?? 0);
        const taken = sum(claimants(client, offer), (pod) => asked(pod, resource));
        if (taken > total) wrongs.push(`${offer.metadata?.name}: ${taken} of ${total} ${resource} taken`);
        promised += Math.max(0, total - taken);
      }
      const capacity = amountOf(resource, status?.allocatable?.[resource] ?? 0);
      if (used + promised > capacity && !isExcused({ node: name, promised })) {
        wrongs.push(`${name}: ${used} used and ${promised} promised of ${capacity} ${resource}`);
      }
    }
    const ports = boundTo(client, name).flatMap(portsOf);
    for (const offer of offers) {
      const taken = new Set(claimants(client, offer).flatMap(portsOf));
      for (const { port, endPort = port } of offer.status?.hostPorts ?? [])
        for (let each = port; each <= endPort; each++) if (!taken.has(each)) ports.push(each);
    }
    if (new Set(ports).size < ports.length) wrongs.push(`${name}: ports ${ports.join()}`);
  }
  return wrongs;
}

/** Pods that wait although a node would take them as it is. */
function waitingBesideRoom(client: BindingClient): readonly string[] {
  return client.all(Pod).flatMap((pod) => {
    if ((pod.spec.nodeName ?? '') !== '' || pod.metadata?.annotations !== undefined) return [];
    const fitting = client.all(Node).filter(({ metadata, spec, status }) => {
      const there = boundTo(client, metadata?.name ?? '');
      const ports = new Set(there.flatMap(portsOf));
      return (
        spec?.unschedulable !== true &&
        portsOf(pod).every((port) => !ports.has(port)) &&
        resources.every(
          (resource) =>
            sum(there, (other) => asked(other, resource)) + asked(pod, resource) <=
            amountOf(resource, status?.allocatable?.[resource] ?? 0),
        )
      );
    });
    return fitting.map(({ metadata }) => `${pod.metadata?.name} fits on ${metadata?.name}`);
  });
}
