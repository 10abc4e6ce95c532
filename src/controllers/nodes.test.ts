import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lease } from '#api/coordination/lease.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { Toleration } from '#api/core/types.generated.ts';
import { CidrPool } from './cidr-pool.ts';
import { evictionRate, zoneStateOf } from './node-health-plan.ts';
import { nodeIpam } from './node-ipam.ts';
import { nodeLifecycleController } from './node-lifecycle.ts';
import { nodeTaintController } from './node-taint.ts';
import { leavesAt, planTaints } from './node-taints.ts';
import { podGc } from './pod-gc.ts';
import { taintEvictionController } from './taint-eviction.ts';
import { TestCluster } from './testing/test-cluster.ts';

const node = (name: string, ready = 'True', more: Partial<Node['spec']> = {}): Node => ({
  metadata: { name },
  spec: more,
  status: { conditions: [{ type: 'Ready', status: ready }] },
});

const pod = (name: string, nodeName: string | undefined, tolerations: readonly Toleration[] = []): Pod => ({
  metadata: { name, namespace: 'ns' },
  spec: { containers: [], tolerations, ...(nodeName === undefined ? {} : { nodeName }) },
});

const tolerate = (seconds?: number): readonly Toleration[] =>
  ['not-ready', 'unreachable'].map((each) => ({
    key: `node.kubernetes.io/${each}`,
    operator: 'Exists',
    effect: 'NoExecute',
    ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
  }));

const nodeControllers = () => [nodeLifecycleController(), nodeTaintController(), taintEvictionController];

async function addNode(cluster: TestCluster, name: string): Promise<void> {
  const { status, ...bare } = node(name);
  await cluster.setStatus(Node, await cluster.create(Node, bare), status);
  const lease = { metadata: { name, namespace: 'kube-node-lease' }, spec: { holderIdentity: name } };
  await cluster.create(Lease, lease);
}

/** Lets time pass, in which the agents of `names` renew their leases. */
async function live(cluster: TestCluster, names: readonly string[], seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    for (const name of names) {
      const patch = { spec: { renewTime: new Date(cluster.clock.now()).toISOString() } };
      const ref = { namespace: 'kube-node-lease', name };
      await cluster.client.patch(Lease, ref, { type: 'merge', patch }, { signal: cluster.signal });
    }
    await cluster.clock.advance(10_000);
  }
}

const readyOf = (cluster: TestCluster, name: string) => cluster.get(Node, name)?.status?.conditions?.[0]?.status;
const taintsOf = (cluster: TestCluster, name: string) =>
  (cluster.get(Node, name)?.spec.taints ?? []).map(({ key, effect }) => `${key.split('/')[1]}:${effect}`);

test('a silent node becomes Unknown, its pods unready, and they leave when their patience ends', async () => {
  await using cluster = new TestCluster();
  for (const name of ['a', 'b', 'c']) await addNode(cluster, name);
  await cluster.setReady(await cluster.create(Pod, pod('patient', 'a', tolerate(100))), true);
  await cluster.setReady(await cluster.create(Pod, pod('hasty', 'a')), true);
  await cluster.setReady(await cluster.create(Pod, pod('eternal', 'a', tolerate())), true);
  await cluster.setReady(await cluster.create(Pod, pod('elsewhere', 'b')), true);
  await cluster.run(nodeControllers());
  await live(cluster, ['a', 'b', 'c'], 120);
  assert.equal(readyOf(cluster, 'a'), 'True');
  await live(cluster, ['b', 'c'], 20);
  assert.equal(readyOf(cluster, 'a'), 'True');
  await live(cluster, ['b', 'c'], 30);
  assert.equal(readyOf(cluster, 'a'), 'Unknown');
  assert.deepEqual(taintsOf(cluster, 'a').toSorted(), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
  const going = () =>
    cluster.pods().flatMap(({ metadata }) => (metadata?.deletionTimestamp === undefined ? [] : [metadata.name]));
  assert.deepEqual(going(), ['hasty']);
  assert.equal(cluster.get(Pod, 'patient')?.status?.conditions?.[0]?.status, 'False');
  assert.equal(cluster.get(Pod, 'elsewhere')?.status?.conditions?.[0]?.status, 'True');
  assert.equal(
    cluster.get(Pod, 'hasty')?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason,
    'DeletionByTaintManager',
  );
  await live(cluster, ['b', 'c'], 60);
  assert.deepEqual(going(), ['hasty']);
  await live(cluster, ['b', 'c'], 50);
  assert.deepEqual(going(), ['patient', 'hasty']);
});

test('a node that returns loses its taints, and its pods stay', async () => {
  await using cluster = new TestCluster();
  for (const name of ['a', 'b', 'c']) await addNode(cluster, name);
  await cluster.setReady(await cluster.create(Pod, pod('p', 'a', tolerate(300))), true);
  await cluster.run(nodeControllers());
  await live(cluster, ['b', 'c'], 60);
  assert.equal(readyOf(cluster, 'a'), 'Unknown');
  const silent = cluster.get(Node, 'a');
  assert.ok(silent);
  await cluster.setStatus(Node, silent, { conditions: [{ type: 'Ready', status: 'True' }] });
  await live(cluster, ['a', 'b', 'c'], 600);
  assert.deepEqual(taintsOf(cluster, 'a'), []);
  assert.equal(cluster.get(Pod, 'p')?.metadata?.deletionTimestamp, undefined);
});

test('when all nodes fall silent at once nothing is evicted: it is us who are cut off', async () => {
  await using cluster = new TestCluster();
  for (const name of ['a', 'b', 'c']) {
    await addNode(cluster, name);
    await cluster.setReady(await cluster.create(Pod, pod(`on-${name}`, name)), true);
  }
  await cluster.run(nodeControllers());
  await live(cluster, [], 600);
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => readyOf(cluster, name)),
    ['Unknown', 'Unknown', 'Unknown'],
  );
  // Those that were noticed before the last one may have been given up; by then most of the zone was already silent.
  const evicted = cluster.pods().filter(({ metadata }) => metadata?.deletionTimestamp !== undefined);
  assert.ok(evicted.length <= 1, `${evicted.length} pods were evicted`);
});

test('a cordoned node is tainted, and other taints are left alone', () => {
  const custom = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };
  const cordoned = node('a', 'True', { unschedulable: true, taints: [custom] });
  const taints = planTaints(cordoned, true, 0);
  assert.deepEqual(taints, [custom, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]);
  assert.equal(planTaints({ ...cordoned, spec: { unschedulable: true, taints } }, true, 0), taints);
  assert.deepEqual(planTaints(node('a', 'True', { taints }), true, 0), [custom]);
});

test('planTaints() keeps pods away at once but drives them away only when allowed', () => {
  assert.deepEqual(planTaints(node('a', 'False'), false, 0), [
    { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
  ]);
  assert.deepEqual(planTaints(node('a', 'False'), true, 0), [
    { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
    { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', timeAdded: '1970-01-01T00:00:00Z' },
  ]);
});

test('leavesAt() takes the shortest limit of all taints, and none where all are tolerated for good', () => {
  const timeAdded = '1970-01-01T00:01:00Z';
  const taints = [
    { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', timeAdded },
    { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded },
    { key: 'x', effect: 'NoSchedule' },
  ];
  assert.equal(leavesAt([], taints), 0);
  assert.equal(leavesAt(tolerate(), taints), undefined);
  assert.equal(leavesAt(tolerate(30), taints), 90_000);
  assert.equal(leavesAt([{ operator: 'Exists' }], taints), undefined);
  assert.equal(leavesAt([], [{ key: 'x', effect: 'NoSchedule' }]), undefined);
});

test('evictionRate() brakes in zones that are mostly down, and stops when all are', () => {
  const nodes = (good: number, bad: number) => [
    ...Array.from({ length: good }, (_, i) => node(`g${i}`)),
    ...Array.from({ length: bad }, (_, i) => node(`b${i}`, 'Unknown')),
  ];
  const rates = { normal: 0.1, reduced: 0.01 };
  assert.equal(zoneStateOf(nodes(3, 2)), 'normal');
  assert.equal(evictionRate(nodes(3, 2), [], rates), 0.1);
  assert.equal(evictionRate(nodes(3, 5), [], rates), 0);
  assert.equal(evictionRate(nodes(30, 50), [], rates), 0.01);
  assert.equal(evictionRate(nodes(0, 5), [nodes(3, 0)], rates), 0.1);
  assert.equal(evictionRate(nodes(0, 5), [nodes(0, 3)], rates), 0);
});

test('every node gets a pod range of its own, also when many come at once and some have one already', async () => {
  await using cluster = new TestCluster();
  await cluster.create(Node, {
    metadata: { name: 'old' },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
  });
  await cluster.run([nodeIpam()]);
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => cluster.create(Node, { metadata: { name: `n${i}` }, spec: {} })),
  );
  await cluster.settle();
  const ranges = cluster.client.all(Node).map(({ spec }) => spec.podCIDR);
  assert.equal(new Set(ranges).size, 21);
  assert.ok(ranges.every((range) => /^10\.244\.\d+\.0\/24$/.test(range ?? '')));
  cluster.client.remove(Node, { name: 'n3' });
  const freed = ranges[4];
  await cluster.create(Node, { metadata: { name: 'new' }, spec: {} });
  await cluster.settle();
  assert.equal(cluster.get(Node, 'new')?.spec.podCIDR, freed);
});

test('a cache that is out of date never makes two nodes share a range', async () => {
  await using cluster = new TestCluster();
  await cluster.run([nodeIpam()]);
  await cluster.create(Node, { metadata: { name: 'a' }, spec: {} });
  await cluster.settle();
  cluster.client.hold();
  await cluster.kill();
  await cluster.create(Node, {
    metadata: { name: 'b' },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
  });
  await cluster.create(Node, { metadata: { name: 'c' }, spec: {} });
  await cluster.run([nodeIpam()]);
  assert.deepEqual(
    cluster.client
      .all(Node)
      .map(({ spec }) => spec.podCIDR ?? '')
      .toSorted(),
    ['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24'],
  );
  cluster.client.release();
});

test('CidrPool gives the lowest free block and knows larger and smaller ranges that are taken', () => {
  const pool = new CidrPool('10.0.0.0/22', 24);
  pool.take('10.0.0.128/25');
  pool.take('192.168.0.0/16');
  pool.take('fd00::/64');
  assert.deepEqual(
    [pool.allocate(), pool.allocate(), pool.allocate(), pool.allocate()],
    ['10.0.1.0/24', '10.0.2.0/24', '10.0.3.0/24', undefined],
  );
  const covered = new CidrPool('10.0.0.0/23', 24);
  covered.take('10.0.0.0/16');
  assert.equal(covered.allocate(), undefined);
  assert.throws(() => new CidrPool('10.0.0/22', 24), /no IPv4 range/);
});

test('pods of vanished nodes, pods that never ran and surplus ended pods are cleared away', async () => {
  await using cluster = new TestCluster();
  await addNode(cluster, 'here');
  await cluster.create(Pod, pod('orphan', 'gone'));
  await cluster.create(Pod, pod('fine', 'here'));
  await cluster.create(Pod, {
    ...pod('unplaced', undefined),
    metadata: { name: 'unplaced', namespace: 'ns', finalizers: ['x'] },
  });
  for (let i = 0; i < 5; i++) {
    const ended = i === 4 ? { phase: 'Failed', reason: 'Evicted' } : { phase: 'Succeeded' };
    await cluster.setStatus(Pod, await cluster.create(Pod, pod(`done${i}`, 'here')), ended);
    await cluster.clock.advance(1000);
  }
  await cluster.client.delete(Pod, { namespace: 'ns', name: 'unplaced' }, { signal: cluster.signal });
  await cluster.run([podGc({ terminatedMax: 3 })]);
  const names = () => cluster.pods().map(({ metadata }) => metadata?.name);
  assert.deepEqual(names(), ['orphan', 'fine', 'unplaced', 'done1', 'done2', 'done3'], 'evicted ones first');
  assert.deepEqual(
    [cluster.get(Pod, 'unplaced')?.status?.phase, cluster.get(Pod, 'unplaced')?.status?.conditions ?? []],
    ['Failed', []],
  );
  await cluster.clock.advance(70_000);
  assert.deepEqual(names(), ['fine', 'unplaced', 'done1', 'done2', 'done3']);
});
