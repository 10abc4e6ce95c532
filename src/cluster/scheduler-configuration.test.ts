import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { parseSchedulerConfiguration } from '#scheduler/configuration/scheduler-configuration.ts';
import { startCluster, type TestCluster, type TestClusterOptions } from './test-cluster.ts';

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';

/** A cluster that schedules as the profiles in `yaml` say. */
const start = (yaml: string, options: TestClusterOptions = {}) =>
  startCluster({
    nodes: 4,
    ...options,
    profiles: parseSchedulerConfiguration(head + yaml).profiles.map(({ config }) => config),
  });

type PodSpec = NonNullable<Pod['spec']>;
const asking = (requests: Record<string, string>, more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [{ name: 'main', image: 'web:1', resources: { requests, limits: requests } }],
  ...more,
});
const ref = (name: string) => ({ namespace: 'default', name });
const create = ({ client, signal }: TestCluster, name: string, spec: PodSpec) =>
  client.create(Pod, { metadata: ref(name), spec }, { signal });
const podOf = ({ cache }: TestCluster, name: string) => cache.get(Pod, ref(name));
const messageOf = (cluster: TestCluster, name: string) =>
  podOf(cluster, name)?.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
const waits = (cluster: TestCluster, name: string) =>
  cluster.until(() => messageOf(cluster, name) !== undefined, { what: `the reason why ${name} waits` });

async function scale(cluster: TestCluster, name: string, replicas: number, podSpec: PodSpec): Promise<void> {
  const { client, signal } = cluster;
  const labels = { app: name };
  const spec = { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec } };
  await client.create(Deployment, { metadata: ref(name), spec }, { signal });
}

/** How many pods of `app` each node has, most first; once all of `count` have a node. */
async function spreadOf(cluster: TestCluster, app: string, count: number): Promise<readonly number[]> {
  const placed = () =>
    cluster.cache
      .list(Pod)
      .filter(({ metadata, spec }) => metadata?.labels?.['app'] === app && spec.nodeName !== undefined);
  await cluster.until(() => placed().length === count, { what: `${count} pods of ${app}` });
  const byNode = Map.groupBy(placed(), ({ spec }) => spec.nodeName);
  return [...byNode.values()].map(({ length }) => length).toSorted((a, b) => b - a);
}

test('profiles are served side by side: one spreads, one packs, one draws lots, and others are left alone', async () => {
  await using cluster = await start(`profiles:
  - schedulerName: default-scheduler
  - schedulerName: pack
    pluginConfig:
      - name: NodeResourcesFit
        args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu}]}}
      - name: PodTopologySpread
        args: {defaultingType: List} # as upstream's, default constraints would spread what is to be packed
  - schedulerName: lots
    pluginConfig:
      - name: NodeResourcesFit
        args: {scoringStrategy: {type: Random, seed: 5}}
`);
  const web = asking({ cpu: '1' });
  await scale(cluster, 'spread', 8, web);
  assert.deepEqual(await spreadOf(cluster, 'spread', 8), [2, 2, 2, 2]);
  await scale(cluster, 'pack', 8, { ...web, schedulerName: 'pack' });
  assert.deepEqual(await spreadOf(cluster, 'pack', 8), [8]);
  await scale(cluster, 'lots', 8, { ...web, schedulerName: 'lots' });
  const drawn = await spreadOf(cluster, 'lots', 8);
  assert.ok(drawn.length > 1 && drawn[0] !== 2, `lots were drawn: ${String(drawn)}`);
  await create(cluster, 'foreign', { ...web, schedulerName: 'somebody-else' });
  await cluster.advance(5_000);
  assert.equal(cluster.why(ref('foreign'))?.state, 'foreign');
});

test("Swarm's spread counts the pods of a service first, over roll-outs, and then all pods; requests do not count", async () => {
  await using cluster = await start(
    'profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Spread}}}]}]',
    { nodes: 3 },
  );
  const pin = { nodeSelector: { 'kubernetes.io/hostname': 'sim-00001' } };
  for (const name of ['one', 'two']) await create(cluster, name, asking({ cpu: '10m' }, pin));
  await create(cluster, 'heavy', asking({ cpu: '3' }, { nodeSelector: { 'kubernetes.io/hostname': 'sim-00002' } }));
  await cluster.until(() => cluster.cache.list(Pod).every(({ spec }) => spec.nodeName !== undefined));
  await scale(cluster, 'web', 4, asking({ cpu: '100m' }));
  assert.deepEqual(await spreadOf(cluster, 'web', 4), [2, 1, 1]);
  const on = (app: string, node: string) =>
    cluster.cache.list(Pod).filter(({ metadata, spec }) => metadata?.labels?.['app'] === app && spec.nodeName === node)
      .length;
  assert.equal(on('web', 'sim-00003'), 2, 'of those with one pod of the service, the one with the fewest pods');
  // Two pods there already, of nobody: of a second service it takes none before the others have one.
  await scale(cluster, 'db', 3, asking({ cpu: '100m' }));
  assert.deepEqual(await spreadOf(cluster, 'db', 3), [1, 1, 1]);
});

test('what a profile turns off is not asked, and what it turns on is: filters, preemption, affinity, ignored resources', async () => {
  await using cluster = await start(
    `profiles:
  - schedulerName: default-scheduler
  - schedulerName: lax
    plugins:
      filter: {disabled: [{name: TaintToleration}, {name: NodeUnschedulable}]}
      postFilter: {disabled: [{name: DefaultPreemption}]}
    pluginConfig:
      - name: NodeResourcesFit
        args: {ignoredResources: [example.com/gpu], ignoredResourceGroups: [vendor.org]}
  - schedulerName: east
    pluginConfig:
      - name: NodeAffinity
        args:
          addedAffinity:
            requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: side, operator: In, values: [east]}]}]}
`,
    { nodes: 2 },
  );
  const { client, signal } = cluster;
  for (const node of cluster.cache.list(Node)) {
    const taints = [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }];
    await client.patch(
      Node,
      { name: node.metadata?.name ?? '' },
      { type: 'merge', patch: { spec: { taints, unschedulable: true } } },
      { signal },
    );
  }
  const exotic = { cpu: '100m', 'example.com/gpu': '1', 'vendor.org/fpga': '2' };
  await create(cluster, 'usual', asking(exotic));
  await create(cluster, 'lax', asking(exotic, { schedulerName: 'lax' }));
  await cluster.until(() => podOf(cluster, 'lax')?.spec.nodeName !== undefined);
  await waits(cluster, 'usual');
  await create(cluster, 'too-big', asking({ cpu: '1000' }, { schedulerName: 'lax' }));
  await waits(cluster, 'too-big');
  assert.equal(messageOf(cluster, 'too-big'), '0/2 nodes are available: 2 Insufficient cpu.');
  assert.deepEqual(cluster.why(ref('too-big'))?.preemption, { outcome: 'disabled' });

  await create(
    cluster,
    'east',
    asking({ cpu: '100m' }, { schedulerName: 'east', tolerations: [{ operator: 'Exists' }] }),
  );
  await waits(cluster, 'east');
  assert.match(
    messageOf(cluster, 'east') ?? '',
    /^0\/2 nodes are available: 2 node\(s\) didn't match scheduler-enforced node affinity\./,
  );
  await client.patch(
    Node,
    { name: 'sim-00002' },
    { type: 'merge', patch: { metadata: { labels: { side: 'east' } } } },
    { signal },
  );
  await cluster.until(() => podOf(cluster, 'east')?.spec.nodeName === 'sim-00002');
});

test('a spreading constraint that a profile does not filter by is still preferred', async () => {
  await using cluster = await start('profiles: [{plugins: {filter: {disabled: [{name: PodTopologySpread}]}}}]', {
    nodes: [{ count: 2 }],
  });
  const constraint = {
    maxSkew: 1,
    topologyKey: 'missing',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'web' } },
  };
  await scale(cluster, 'web', 4, asking({ cpu: '100m' }, { topologySpreadConstraints: [constraint] }));
  assert.deepEqual(await spreadOf(cluster, 'web', 4), [2, 2]);
});
