import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateTrace, generatorDefaults } from './generate.ts';
import { simulate } from './simulate.ts';
import { parseTrace } from './trace.ts';

const pods = (name: string, count: number, spec: object, more: object = {}) => ({
  do: 'create',
  count,
  object: { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name }, ...more }, spec },
});
const asking = (cpu: string, memory: string, more: object = {}) => ({
  containers: [{ name: 'main', image: 'web:1', resources: { requests: { cpu, memory } } }],
  ...more,
});
const trace = (...events: readonly object[]) =>
  parseTrace([{ trace: 'tutti.dev/trace/1' }, ...events].map((line) => JSON.stringify(line)).join('\n'), 'test');

test('the same trace gives the same report', async ({ signal }) => {
  const events = generateTrace({ ...generatorDefaults, nodes: 12, pods: 120, seconds: 120, failures: 1 });
  const [first, second] = [await simulate(events, { signal }), await simulate(events, { signal })];
  assert.deepEqual(second, first);
  assert.equal(first.nodes, 12);
  assert.ok(first.pods >= 120);
  assert.ok(first.ended > 0);
  assert.deepEqual(first.unplaced, []);
});

test('pods of a node that falls silent come back elsewhere, and late nodes take what waits', async ({ signal }) => {
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: asking('2', '1Gi') },
    },
  };
  const events = trace(
    { at: 0, do: 'nodes', count: 2, cpu: '4', memory: '16Gi' },
    { at: 1, do: 'create', object: deployment },
    { at: 5, do: 'fail', nodes: ['sim-00001'] },
    { at: 600, do: 'nodes', count: 1, cpu: '4', memory: '16Gi' },
  );
  const report = await simulate(events, { signal });
  assert.equal(report.nodes, 3);
  assert.deepEqual(report.unplaced, []);
  assert.equal(report.end.holding, 3);
  assert.ok(report.pods > 3, 'the lost node had pods, which were replaced');
  assert.ok(report.delay.most > 100, 'one had to wait for the third node');
});

test('pods without a node and refused events are told, with the reasons', async ({ signal }) => {
  const events = trace(
    { at: 0, do: 'nodes', count: 1, cpu: '4', memory: '16Gi' },
    { at: 0, ...pods('big', 2, asking('3', '1Gi')) },
    { at: 1, ...pods('bad', 1, { containers: [] }) },
    { at: 1, do: 'fail', nodes: ['nowhere'] },
  );
  const { unplaced, refusals, end } = await simulate(events, { signal });
  assert.deepEqual([end.holding, end.waiting, end.packing.nodesUsed], [1, 1, 1]);
  assert.deepEqual(
    unplaced.map(({ pod, dimensions }) => [pod, dimensions]),
    [['default/big-2', { 'Insufficient cpu': 1 }]],
  );
  assert.equal(refusals.count, 2);
  assert.deepEqual(
    refusals.first.map(({ at, attempt }) => [at, attempt]),
    [
      [1_000, 'create Pod default/bad-1'],
      [1_000, 'fail node nowhere'],
    ],
  );
  assert.match(refusals.first[0]?.why ?? '', /spec\.containers: Required value/);
});

test('packing needs fewer nodes than spreading, and spreading keeps hard constraints', async ({ signal }) => {
  const spread = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'even' } },
  };
  const events = [
    { at: 0, do: 'nodes', count: 8, cpu: '8', memory: '32Gi' },
    { at: 0, ...pods('cpu', 8, asking('2', '1Gi')) },
    { at: 0, ...pods('memory', 8, asking('500m', '12Gi')) },
  ];
  const packed = await simulate(trace(...events), { signal, profiles: [{ scoring: { type: 'BinPack' } }] });
  const even = { at: 0, ...pods('even', 19, asking('10m', '1Mi', { topologySpreadConstraints: [spread] })) };
  const spreaded = await simulate(trace(...events, even), { signal });
  assert.deepEqual([packed.unplaced, spreaded.unplaced], [[], []]);
  assert.deepEqual([packed.end.packing.nodesUsed, packed.end.packing.lowerBound], [4, 4]);
  assert.equal(spreaded.end.packing.nodesUsed, 8);
  assert.deepEqual([spreaded.skew.most, spreaded.skew.constraints], [1, 1]);
});
