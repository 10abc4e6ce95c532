import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Pod } from '#api/core/pod.ts';
import type { ApiObject } from '#machinery/object.ts';
import { startCluster, type TestCluster } from '../test-cluster.ts';
import { deviations } from './plan-file.ts';
import { applyObject, changesAnything, planManifests, targetsOf, type Plan } from './plan.ts';

const options = { fieldManager: 'tutti', force: false, namespace: 'default' };
const configMap = (value: string): ApiObject & { readonly data: unknown } => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings' },
  data: { value },
});
const deployment = (replicas: number, cpu: string, namespace?: string): ApiObject & { readonly spec: unknown } => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', ...(namespace === undefined ? {} : { namespace }) },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'main', image: 'web:1', resources: { requests: { cpu } } }] },
    },
  },
});

const planOf = (cluster: TestCluster, ...manifests: readonly ApiObject[]): Promise<Plan> =>
  planManifests(cluster.client, manifests, options, cluster.signal);

async function applyAll(cluster: TestCluster, ...manifests: readonly ApiObject[]): Promise<void> {
  const { client, signal } = cluster;
  for (const target of await targetsOf(client, manifests, options, signal)) {
    await applyObject(client, target, options, { signal });
  }
}

test('a plan shows what would be created and where its pods would go, and changes nothing', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 2, cpu: '4' }] });
  const plan = await planOf(cluster, configMap('a'), deployment(4, '1'));
  assert.deepEqual(
    plan.objects.map(({ object, action, expected }) => [object, action, expected]),
    [
      ['ConfigMap default/settings', 'create', undefined],
      ['Deployment default/web', 'create', undefined],
    ],
  );
  const nodes = plan.placements?.workloads[0]?.created.map(({ node }) => node).toSorted();
  assert.deepEqual(nodes, ['sim-00001', 'sim-00001', 'sim-00002', 'sim-00002']);
  assert.equal(changesAnything(plan), true);
  assert.deepEqual((await cluster.client.list(Pod, cluster)).items, []);
  await assert.rejects(cluster.client.get(ConfigMap, { namespace: 'default', name: 'settings' }, cluster), /not found/);
});

test('what is there as planned is no change; what differs is told field by field', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 2, cpu: '4' }] });
  await applyAll(cluster, configMap('a'), deployment(2, '1'));
  await cluster.until(async () => (await cluster.client.list(Pod, cluster)).items.length === 2);
  const same = await planOf(cluster, configMap('a'), deployment(2, '1'));
  assert.equal(changesAnything(same), false, JSON.stringify(same));
  const changed = await planOf(cluster, configMap('b'), deployment(12, '1'));
  assert.deepEqual(
    changed.objects.map(({ changes }) => changes),
    [[{ field: 'data.value', before: 'a', after: 'b' }], [{ field: 'spec.replicas', before: 2, after: 12 }]],
  );
  assert.equal(changed.placements?.workloads[0]?.created.length, 10);
  assert.equal(changed.placements.unplaced.length, 4);
  assert.deepEqual(changed.placements.unplaced[0]?.dimensions, { 'Insufficient cpu': 2 });
});

test('values of Secrets are not shown', async () => {
  await using cluster = await startCluster();
  const secret = (password: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'key' },
    stringData: { password },
  });
  await applyAll(cluster, secret('canary-1'));
  const { objects } = await planOf(cluster, secret('canary-2'));
  assert.deepEqual(objects[0]?.changes, [{ field: 'data.password' }]);
});

test('objects may come with the namespace they lie in', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 1, cpu: '4' }] });
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
  const plan = await planOf(cluster, deployment(2, '1', 'shop'), namespace);
  assert.deepEqual(
    plan.objects.map(({ object, refusal }) => [object, refusal]),
    [
      ['Namespace shop', undefined],
      ['Deployment shop/web', undefined],
    ],
  );
  assert.equal(plan.placements?.workloads[0]?.created.length, 2);
  const missing = await planOf(cluster, deployment(2, '1', 'elsewhere'));
  assert.match(missing.objects[0]?.refusal ?? '', /namespaces "elsewhere" not found/);
});

test('what the server refuses is told for each object, and pods are not looked at', async () => {
  await using cluster = await startCluster();
  const bad = { ...deployment(1, '1'), spec: { replicas: -1 } };
  const plan = await planOf(cluster, configMap('a'), bad);
  assert.equal(plan.placements, undefined);
  assert.equal(plan.objects[0]?.refusal, undefined);
  assert.match(plan.objects[1]?.refusal ?? '', /spec\.replicas: Invalid value: -1/);
  await applyAll(cluster, configMap('a'));
  const theirs = planManifests(cluster.client, [configMap('b')], { ...options, fieldManager: 'other' }, cluster.signal);
  assert.match((await theirs).objects[0]?.refusal ?? '', /conflict with "tutti": \.data\.value/);
  await assert.rejects(
    planOf(cluster, { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'one' } }),
    /no Thing of example\.com\/v1 can be planned \(one\)/,
  );
});

test('a plan holds until the cluster has moved, and says what has', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 2, cpu: '4' }] });
  await applyAll(cluster, configMap('a'));
  const manifests = [configMap('b'), deployment(8, '1')] as const;
  const plan = await planOf(cluster, ...manifests);
  assert.deepEqual(deviations(plan, await planOf(cluster, ...manifests)), []);
  await applyAll(cluster, { ...deployment(3, '1'), metadata: { name: 'other' } });
  await cluster.until(async () => (await cluster.client.list(Pod, cluster)).items.length === 3);
  assert.deepEqual(deviations(plan, await planOf(cluster, ...manifests)), [
    'Deployment default/web: planned +8 -0 pods, now +8 -0 pods, 3 without a node',
  ]);
  await applyAll(cluster, configMap('c'), deployment(1, '1'));
  const [changed, made, pods] = deviations(plan, await planOf(cluster, ...manifests));
  assert.equal(changed, 'ConfigMap default/settings was changed');
  assert.equal(made, 'Deployment default/web is there by now');
  assert.match(pods ?? '', /^Deployment default\/web: planned \+8 -0 pods, now /);
  // The guard of the apply itself, for what happens after the last look.
  const [target] = await targetsOf(cluster.client, [configMap('b')], options, cluster.signal);
  assert.ok(target !== undefined);
  const expected = plan.objects[0]?.expected;
  await assert.rejects(applyObject(cluster.client, target, options, { signal: cluster.signal, expected }), {
    reason: 'Conflict',
  });
});
