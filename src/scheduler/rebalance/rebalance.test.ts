import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import { reservationAnnotation } from '#api/tutti-scheduling/reservation.ts';
import { immovable } from './movable.ts';
import { planMoves, rebalanceDefaults, type MovePlan, type RebalanceState } from './plan-moves.ts';

const now = Date.UTC(2026, 0, 2);
const options = { ...rebalanceDefaults, now };
const node = (name: string, more: Partial<Node['spec']> & { labels?: Record<string, string> } = {}): Node => {
  const { labels = {}, ...spec } = more;
  return { metadata: { name, labels }, spec, status: { allocatable: { cpu: '10', memory: '100Gi' } } };
};
interface Given {
  readonly owner?: string;
  readonly cpu?: string;
  readonly spec?: Partial<Pod['spec']>;
  readonly metadata?: Partial<Pod['metadata']>;
  readonly status?: Partial<Pod['status']>;
}
function pod(name: string, nodeName: string, { owner = name, cpu = '1', spec, metadata, status }: Given = {}): Pod {
  const controller = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true };
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      labels: { app: owner },
      creationTimestamp: '2026-01-01T00:00:00Z',
      ownerReferences: [controller],
      ...metadata,
    },
    spec: { nodeName, containers: [{ name: 'main', image: 'x', resources: { requests: { cpu } } }], ...spec },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }], ...status },
  };
}
/** A scheduler that likes `best` most for every pod. */
const state = (nodes: readonly Node[], pods: readonly Pod[], best: string): RebalanceState => ({
  nodes,
  pods,
  why: async (ref) => ({
    pod: ref,
    state: 'placed',
    summary: '',
    nodes: [best, ...nodes.map(({ metadata }) => metadata?.name ?? '')].map((name) => ({ node: name, fits: true })),
    nodesOmitted: 0,
    wouldFit: [],
  }),
});
const short = ({ moves }: MovePlan) =>
  moves.map(({ pod: { name }, from, to, rule, gain }) => [name, from, to, rule, gain]);

test('a hot node gives away its largest pod, if that gains enough', async () => {
  const nodes = [node('full'), node('empty')];
  const pods = [pod('a', 'full', { cpu: '3' }), pod('b', 'full', { cpu: '6' })];
  const plan = await planMoves(state(nodes, pods, 'empty'), options);
  assert.deepEqual(short(plan), [['b', 'full', 'empty', 'hot-node', 0.3]]);
  assert.equal(plan.moves[0]?.because, 'node full is 90 % full');
  const dear = await planMoves(state(nodes, pods, 'empty'), { ...options, gainMin: 0.7 });
  assert.deepEqual(dear.moves, []);
  assert.equal(dear.passedOver[0]?.reason, 'moving it to empty would gain 0.3, less than 0.7');
});

test('replicas that crowd on one node go back to a node that has returned, one a pass', async () => {
  const pods = ['a', 'b', 'c', 'd'].map((name) => pod(name, 'stood-in', { owner: 'web' }));
  const plan = await planMoves(state([node('stood-in'), node('returned')], pods, 'returned'), options);
  assert.deepEqual(short(plan), [['a', 'stood-in', 'returned', 'even-replicas', 0.75]]);
});

test('a pod stays where the scheduler likes it best, as packing does, and where no node takes it', async () => {
  const pods = ['a', 'b', 'c', 'd'].map((name) => pod(name, 'n1', { owner: 'web' }));
  const given = state([node('n1'), node('n2')], pods, 'n1');
  const packed = await planMoves(given, options);
  assert.deepEqual(packed.moves, []);
  assert.equal(packed.passedOver[0]?.reason, 'the scheduler likes it best where it is');
  const nowhere = await planMoves({ ...given, why: async () => undefined }, options);
  assert.equal(nowhere.passedOver[0]?.reason, 'no node takes it now');
});

test('a pod whose node no longer meets what it requires moves first', async () => {
  const requires = { nodeSelector: { disk: 'ssd' } };
  const nodes = [node('n1', { labels: { disk: 'hdd' } }), node('n2', { labels: { disk: 'ssd' } })];
  const plan = await planMoves(state(nodes, [pod('a', 'n1', { spec: requires })], 'n2'), options);
  assert.deepEqual(short(plan), [['a', 'n1', 'n2', 'required-affinity', 1]]);
  const tainted = node('n1', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] });
  const away = await planMoves(state([tainted, node('n2')], [pod('a', 'n1')], 'n2'), options);
  assert.deepEqual(short(away), [['a', 'n1', 'n2', 'taints', 1]]);
  const tolerant = pod('a', 'n1', { spec: { tolerations: [{ key: 'gpu', operator: 'Exists' }] } });
  assert.deepEqual((await planMoves(state([tainted, node('n2')], [tolerant], 'n2'), options)).moves, []);
});

test('a hard spread constraint that is exceeded is mended', async () => {
  const constraint = {
    maxSkew: 1,
    topologyKey: 'zone',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'web' } },
  };
  const spec = { topologySpreadConstraints: [constraint] };
  const nodes = ['a1', 'a2', 'b1'].map((name) => node(name, { labels: { zone: name.charAt(0) } }));
  const pods = [pod('x', 'a1', { owner: 'web', spec }), pod('y', 'a2', { owner: 'web', spec })];
  const plan = await planMoves(state(nodes, pods, 'b1'), options);
  assert.deepEqual(short(plan), [['x', 'a1', 'b1', 'topology-spread', 1]]);
  assert.match(plan.moves[0]?.because ?? '', /^zone a has 2 of its kind and another has 0/);
  const even = [...pods, pod('z', 'b1', { owner: 'web', spec })];
  assert.deepEqual((await planMoves(state(nodes, even, 'b1'), options)).moves, []);
});

test('a pass moves no more than it may', async () => {
  const nodes = [node('hot'), ...Array.from({ length: 9 }, (_, i) => node(`n${i}`))];
  const pods = Array.from({ length: 9 }, (_, i) => pod(`p${i}`, 'hot'));
  const spread: RebalanceState = {
    ...state(nodes, pods, 'n0'),
    why: async (ref) => {
      const best = `n${ref.name.slice(1)}`;
      return (await state(nodes, pods, best).why(ref))!;
    },
  };
  assert.equal((await planMoves(spread, { ...options, movesMax: 3, hot: 0.1, gainMin: 0.1 })).moves.length, 3);
});

test('pods that would lose something, or that nobody would make anew, stay', () => {
  const reason = (given: Given) => immovable(pod('a', 'n1', given), options);
  assert.equal(reason({}), undefined);
  assert.equal(reason({ metadata: { ownerReferences: [] } }), 'nobody would make a new one');
  assert.equal(
    reason({ metadata: { annotations: { 'tutti.dev/rebalance': 'false' } } }),
    'its annotation tutti.dev/rebalance says so',
  );
  const annotations = { [reservationAnnotation]: 'offer' };
  assert.equal(reason({ metadata: { annotations } }), 'it is placed into a reservation');
  assert.equal(reason({ spec: { volumes: [{ name: 'v', emptyDir: {} }] } }), 'it keeps data on its node');
  assert.equal(reason({ spec: { priority: 2_000_000_000 } }), 'the cluster itself needs it');
  assert.equal(reason({ status: { conditions: [] } }), 'it is not ready');
  assert.equal(reason({ metadata: { creationTimestamp: '2026-01-01T23:59:00Z' } }), 'it is too young');
});
