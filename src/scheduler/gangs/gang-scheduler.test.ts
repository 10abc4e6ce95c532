import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Pod } from '#api/core/pod.ts';
import { Workload } from '#api/scheduling/workload.ts';
import { unavailable } from '#machinery/status-error.ts';
import { Random } from '../testing/random.ts';
import { runningScheduler, until } from '../testing/running-scheduler.ts';

async function setUp(context: TestContext) {
  const running = await runningScheduler(context);
  const { client, signal, addPod } = running;
  const addWorkload = (name: string, minCount: number) =>
    client.create(
      Workload,
      {
        metadata: { name, namespace: 'default' },
        spec: { podGroups: [{ name: 'workers', policy: { gang: { minCount } } }] },
      },
      { signal },
    );
  const addMember = (workload: string, name: string, cpu = '1', more: Partial<Pod['spec']> = {}) =>
    addPod(name, cpu, { workloadRef: { name: workload, podGroup: 'workers' }, ...more });
  /** Names of pods that have a node and begin with `prefix`. */
  const bound = (prefix = '') =>
    client
      .all(Pod)
      .filter(({ metadata, spec }) => metadata?.name?.startsWith(prefix) === true && (spec.nodeName ?? '') !== '')
      .map(({ metadata }) => metadata?.name ?? '')
      .toSorted();
  const reason = (name: string) =>
    client.all(Pod).find(({ metadata }) => metadata?.name === name)?.status?.conditions?.[0]?.message ?? '';
  const why = (name: string) => running.scheduler.why({ namespace: 'default', name });
  const remove = (name: string) =>
    client.delete(Pod, { namespace: 'default', name }, { signal, gracePeriodSeconds: 0 });
  /** Lets seconds pass until it holds: what is told of a pod again, or tried again, waits a little. */
  const inTime = async (holds: () => boolean) => {
    for (let seconds = 0; seconds < 60 && !holds(); seconds++) await running.clock.advance(1_000);
    assert.ok(holds(), 'not within a minute');
  };
  return { ...running, inTime, addWorkload, addMember, bound, reason, why, remove };
}

test('pods of a gang wait for their workload, then for each other, and are placed together', async (context) => {
  const { addNode, addWorkload, addMember, addPod, bound, reason, why, inTime } = await setUp(context);
  await addNode('n1', '4');
  await addMember('train', 'a1');
  await inTime(() => reason('a1') === 'waiting for a place to be decided: workload "train" does not exist');
  await addWorkload('train', 3);
  await inTime(() => reason('a1') === 'waiting for minCount pods from a gang to appear in scheduling queue');
  await addMember('train', 'a2');
  await addPod('other');
  await inTime(() => bound().includes('other'));
  assert.deepEqual(bound('a'), []);
  assert.match(why('a2')?.summary ?? '', /2 of the 3 pods exist that must be placed together/);
  await addMember('train', 'a3');
  await inTime(() => bound('a').length === 3);
  assert.equal(why('a1')?.state, 'placed');
});

test('of a gang that does not fit no pod is placed, and its room is others’, until there is enough for all', async (context) => {
  const { addNode, addWorkload, addMember, addPod, bound, reason, why, remove, told, inTime } = await setUp(context);
  await addNode('n1', '2');
  await addNode('n2', '1');
  await addWorkload('train', 3);
  await addPod('other-1');
  await inTime(() => bound().length === 1);
  for (const name of ['a1', 'a2', 'a3', 'a4']) await addMember('train', name);
  const words = '2 of the 3 pods fit that must be placed together: 0/2 nodes are available: 2 Insufficient cpu.';
  await inTime(() => ['a1', 'a2', 'a3', 'a4'].every((name) => reason(name).startsWith(words)));
  assert.ok(told.some((text) => text.startsWith(`a1 FailedScheduling: ${words}`)));
  assert.deepEqual(why('a2')?.gang, {
    workload: 'train',
    podGroup: 'workers',
    minCount: 3,
    pods: 4,
    placed: 0,
    summary: reason('a2'),
  });
  await remove('other-1');
  await inTime(() => bound('a').length === 3);
  // The fourth is beyond the minimum: it waits by itself.
  await inTime(() =>
    told.some((text) => /^a\d FailedScheduling: 0\/2 nodes are available: 2 Insufficient cpu/.test(text)),
  );
  await addNode('n3', '1');
  await inTime(() => bound('a').length === 4);
});

test('a pod that replaces one of a placed gang is placed by itself', async (context) => {
  const { addNode, addWorkload, addMember, bound, remove, inTime } = await setUp(context);
  await addNode('n1', '3');
  await addWorkload('train', 3);
  for (const name of ['a1', 'a2', 'a3']) await addMember('train', name);
  await inTime(() => bound().length === 3);
  await remove('a2');
  await addMember('train', 'a4');
  await inTime(() => bound().includes('a4'));
});

test('pods of a basic group, and of groups with other keys, do not wait for each other', async (context) => {
  const { addNode, addWorkload, addPod, bound, client, signal, reason, inTime } = await setUp(context);
  await addNode('n1', '8');
  await client.create(
    Workload,
    { metadata: { name: 'web', namespace: 'default' }, spec: { podGroups: [{ name: 'all', policy: { basic: {} } }] } },
    { signal },
  );
  await addPod('basic', '1', { workloadRef: { name: 'web', podGroup: 'all' } });
  await addPod('stray', '1', { workloadRef: { name: 'web', podGroup: 'some' } });
  await inTime(() => bound().includes('basic'));
  await inTime(() => reason('stray') === 'waiting for a place to be decided: workload "web" has no pod group "some"');
  await addWorkload('train', 2);
  const member = (name: string, podGroupReplicaKey: string) =>
    addPod(name, '1', { workloadRef: { name: 'train', podGroup: 'workers', podGroupReplicaKey } });
  await member('x1', 'x');
  await member('y1', 'y');
  await member('x2', 'x');
  await inTime(() => bound('x').length === 2);
  assert.deepEqual(bound('y'), []);
});

test('a gang waits for the scheduling gates of its pods', async (context) => {
  const { addNode, addWorkload, addMember, bound, client, signal, reason, pod, inTime } = await setUp(context);
  await addNode('n1', '4');
  await addWorkload('train', 2);
  await addMember('train', 'a1');
  await addMember('train', 'a2', '1', { schedulingGates: [{ name: 'example.com/quota' }] });
  await inTime(() => reason('a1').startsWith('waiting for minCount pods from a gang to be ready for scheduling'));
  const gated = await pod('a2');
  const { schedulingGates: _, ...spec } = gated.spec;
  await client.update(Pod, { ...gated, spec }, { signal });
  await inTime(() => bound('a').length === 2);
});

test('others leave for a gang only if all of it finds room by that, and none of it is placed before', async (context) => {
  const { addNode, addWorkload, addMember, addPod, bound, client, reason, why, pod, clock } = await setUp(context);
  await addNode('n1', '2');
  await addNode('n2', '1');
  for (const name of ['low-1', 'low-2']) await addPod(name, '1', { priority: -1 });
  await until(() => bound('low').length === 2);
  await addWorkload('large', 4);
  for (const name of ['b1', 'b2', 'b3', 'b4']) await addMember('large', name, '1', { priority: 10 });
  await until(() => reason('b4').startsWith('3 of the 4 pods fit that must be placed together'));
  const leaving = () => client.all(Pod).filter(({ metadata }) => metadata?.deletionTimestamp !== undefined);
  assert.deepEqual(leaving(), []);
  await addWorkload('small', 3);
  for (const name of ['a1', 'a2', 'a3']) await addMember('small', name, '1', { priority: 10 });
  await until(() => leaving().length === 2);
  await clock.advance(5_000);
  assert.deepEqual(bound('a'), []);
  assert.match(why('a1')?.summary ?? '', /others are leaving for its pods; none is placed before all can be/);
  assert.ok(((await pod('a1')).status?.nominatedNodeName ?? '') !== '');
  client.remove(Pod, { namespace: 'default', name: 'low-1' });
  await clock.advance(5_000);
  assert.deepEqual(bound('a'), []);
  client.remove(Pod, { namespace: 'default', name: 'low-2' });
  await until(() => bound('a').length === 3);
});

test('room that does not come free in time is given back to others', async (context) => {
  const { addNode, addWorkload, addMember, addPod, bound, client, reason, pod, clock } = await setUp(context);
  await addNode('n1', '1');
  await addNode('n2', '1');
  await addPod('low', '1', { priority: -1 });
  await until(() => bound('low').length === 1);
  await addWorkload('train', 2);
  for (const name of ['a1', 'a2']) await addMember('train', name, '1', { priority: 10 });
  await until(() => client.all(Pod).some(({ metadata }) => metadata?.deletionTimestamp !== undefined));
  await addPod('patient'); // the room that is free is kept for the gang
  await until(() => reason('patient').includes('Insufficient cpu'));
  await clock.advance(299_000);
  assert.deepEqual(bound('patient'), []);
  await clock.advance(2_000);
  await until(() => bound('patient').length === 1);
  assert.match(reason('a1'), /did not come free within 300 seconds/);
  await until(async () => ((await pod('a1')).status?.nominatedNodeName ?? '') === '');
  client.remove(Pod, { namespace: 'default', name: 'low' });
  await addNode('n3', '1');
  await clock.advance(11_000);
  await until(() => bound('a').length === 2);
});

test('what a crash has left of a gang is placed before anybody else', async (context) => {
  const { addNode, addWorkload, addMember, addPod, bound, inTime, client, restart } = await setUp(context);
  await addNode('n1', '4');
  let bindings = 2;
  client.onRequest = (verb) => {
    if (verb === 'bind' && bindings-- <= 0) throw unavailable('it is dying');
  };
  await addWorkload('train', 4);
  for (const name of ['a1', 'a2', 'a3', 'a4']) await addMember('train', name);
  await until(() => bound('a').length === 2);
  await restart({
    crash: true,
    meanwhile: async () => {
      bindings = Infinity;
      for (const name of ['b1', 'b2', 'b3']) await addPod(name, '1', { priority: 1, preemptionPolicy: 'Never' });
    },
  });
  await inTime(() => bound('a').length === 4);
  assert.deepEqual(bound('b'), []);
});

test('two gangs that fit one at a time go one after the other', async (context) => {
  const { addNode, addWorkload, addMember, bound, remove, inTime } = await setUp(context);
  for (const name of ['n1', 'n2', 'n3', 'n4']) await addNode(name, '1');
  await addWorkload('a', 3);
  await addWorkload('b', 3);
  for (const index of [1, 2, 3]) {
    await addMember('a', `a${index}`);
    await addMember('b', `b${index}`);
  }
  await inTime(() => bound().length === 3);
  const [first = '', second = ''] = bound('a').length === 3 ? ['a', 'b'] : ['b', 'a'];
  assert.deepEqual(bound(second), []);
  for (const name of bound(first)) await remove(name);
  await inTime(() => bound(second).length === 3);
});

test('gangs of any shape get their turn and are never placed in part, 64 random clusters', async (context) => {
  for (let seed = 1; seed <= 64; seed++) {
    await context.test(`seed ${seed}`, (inner) => takeTurns(inner, new Random(seed), { faults: false, filled: false }));
  }
});

test('lesser pods leave for gangs, which are placed in whole once these are gone, 64 random clusters', async (context) => {
  for (let seed = 1; seed <= 64; seed++) {
    await context.test(`seed ${seed}`, (inner) => takeTurns(inner, new Random(seed), { faults: false, filled: true }));
  }
});

test('they get their turn also while bindings fail and schedulers crash, 64 random clusters', async (context) => {
  for (let seed = 1; seed <= 64; seed++) {
    await context.test(`seed ${seed}`, (inner) => takeTurns(inner, new Random(seed), { faults: true, filled: true }));
  }
});

/**
 * Gangs of which each fits, and rarely all, are created pod by pod, and each is removed once it is placed. Without
 * faults none may ever be seen in part; with faults a part may be bound for a while, as binding cannot be undone. A
 * cluster that is filled is so with lesser pods, which take their time to leave.
 */
async function takeTurns(
  context: TestContext,
  random: Random,
  { faults, filled }: { readonly faults: boolean; readonly filled: boolean },
): Promise<void> {
  const { addNode, addPod, addWorkload, addMember, bound, remove, clock, client, restart } = await setUp(context);
  let faulty = faults;
  client.onRequest = (verb) => {
    if (faulty && (verb === 'bind' || verb === 'patch') && random.chance(5)) throw unavailable('for a moment');
  };
  const nodes = 2 + random.below(4);
  for (let index = 0; index < nodes; index++) await addNode(`n${index}`, '4');
  const gangs = Array.from({ length: 2 + random.below(4) }, (_, index) => {
    const cpu = 1 + random.below(3);
    const pods = 1 + random.below(nodes * Math.floor(4 / cpu));
    return { name: `g${index}-`, cpu, pods, minCount: 1 + random.below(pods), priority: random.pick([0, 0, 0, 5]) };
  });
  const members = gangs.flatMap((gang) => Array.from({ length: gang.pods }, (_, index) => ({ gang, index })));
  const shuffled = members.map((member) => ({ member, at: random.below(1 << 20) })).toSorted((a, b) => a.at - b.at);
  for (let index = 0; filled && index < nodes * 3; index++) await addPod(`low-${index}`, '1', { priority: -1 });
  await clock.advance(2_000);
  for (const { name, minCount } of gangs) await addWorkload(name, minCount);
  for (const { member } of shuffled) {
    const { name, cpu, priority } = member.gang;
    const policy = filled ? { priority: 0 } : { priority, preemptionPolicy: 'Never' };
    await addMember(name, `${name}${member.index}`, `${cpu}`, policy);
    if (faults && random.chance(8)) await clock.advance(random.below(2_000));
  }
  const left = new Set(gangs);
  for (let round = 0; left.size > 0; round++) {
    assert.ok(round < 100, `${[...left].map(({ name }) => name).join()} never had their turn`);
    if (faults && random.chance(4)) await restart({ crash: true });
    if (round === 40) faulty = false;
    await clock.advance(2_000);
    for (const { metadata } of client.all(Pod)) {
      const leaves = metadata?.deletionTimestamp !== undefined && random.chance(3);
      if (leaves) client.remove(Pod, { namespace: 'default', name: metadata.name ?? '' });
    }
    for (const gang of left) {
      const placed = bound(gang.name);
      const inPart = placed.length > 0 && placed.length < gang.minCount;
      assert.ok(faults || !inPart, `${placed.length} of ${gang.minCount} pods of ${gang.name} have a node`);
      if (placed.length < gang.minCount) continue;
      left.delete(gang);
      for (const { metadata } of client.all(Pod).filter((pod) => pod.metadata?.name?.startsWith(gang.name))) {
        await remove(metadata?.name ?? '');
      }
    }
  }
}
