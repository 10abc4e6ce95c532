import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { Job } from '#api/batch/job.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { Endpoints } from '#api/core/endpoints.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { Service } from '#api/core/service.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';

const web = { namespace: 'default', name: 'web' };
const selector = { matchLabels: { app: 'web' } };

function deployment(replicas: number, image = 'web:1'): Deployment {
  return {
    metadata: web,
    spec: {
      replicas,
      selector,
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } },
    },
  };
}

async function list<T extends ApiObject>({ client, signal }: TestCluster, kind: Kind<T>, namespace = 'default') {
  return (await client.list(kind, { namespace, signal })).items;
}

async function deployed(cluster: TestCluster, replicas = 3): Promise<void> {
  await cluster.client.create(Deployment, deployment(replicas), { signal: cluster.signal });
  await rolledOut(cluster, replicas);
}

/** What `kubectl rollout status` waits for. */
async function rolledOut(cluster: TestCluster, replicas: number): Promise<void> {
  await cluster.until(
    async () => {
      const { metadata, status = {} } = await cluster.client.get(Deployment, web, { signal: cluster.signal });
      const progressing = status.conditions?.find(({ type }) => type === 'Progressing');
      return (
        status.observedGeneration === metadata?.generation &&
        status.updatedReplicas === replicas &&
        (status.replicas ?? 0) === replicas &&
        status.availableReplicas === replicas &&
        progressing?.reason === 'NewReplicaSetAvailable'
      );
    },
    { what: 'the rollout to be complete' },
  );
}

test('a rolling update through the real API ends with one set, and rests', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const { client, signal } = cluster;
  await deployed(cluster, 5);
  const patch = { spec: { template: { spec: { containers: [{ name: 'main', image: 'web:2' }] } } } };
  await client.patch(Deployment, web, { type: 'strategic', patch }, { signal });
  await rolledOut(cluster, 5);
  const sets = await list(cluster, ReplicaSet);
  assert.deepEqual(
    sets.map(({ spec }) => spec.replicas).toSorted((a, b) => a - b),
    [0, 5],
  );
  const before = (await list(cluster, Deployment))[0]?.metadata?.resourceVersion;
  await cluster.advance(120_000);
  assert.equal((await list(cluster, Deployment))[0]?.metadata?.resourceVersion, before, 'nothing is written at rest');
});

test('deleting a Deployment takes its sets and pods along; orphaning does not', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const { client, signal } = cluster;
  await deployed(cluster);
  await client.delete(Deployment, web, { signal, propagationPolicy: 'Orphan' });
  await cluster.until(async () => (await list(cluster, Deployment)).length === 0);
  await cluster.advance(60_000);
  const [set] = await list(cluster, ReplicaSet);
  assert.deepEqual(set?.metadata?.ownerReferences ?? [], []);
  assert.equal((await list(cluster, Pod)).length, 3);
  await deployed(cluster); // adopts the set again
  assert.equal((await list(cluster, ReplicaSet)).length, 1);
  await client.delete(Deployment, web, { signal, propagationPolicy: 'Foreground' });
  await cluster.until(async () => (await list(cluster, Deployment)).length === 0);
  assert.deepEqual([await list(cluster, ReplicaSet), await list(cluster, Pod)], [[], []]);
});

test('background deletion is enough for everything to go', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  await deployed(cluster);
  await cluster.client.delete(Deployment, web, { signal: cluster.signal });
  await cluster.until(
    async () => (await list(cluster, Pod)).length === 0 && (await list(cluster, ReplicaSet)).length === 0,
  );
});

test('a service has endpoints while its pods are ready', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const { client, signal } = cluster;
  const ports = [{ port: 80, targetPort: 8080 }];
  await client.create(Service, { metadata: web, spec: { selector: { app: 'web' }, ports } }, { signal });
  await deployed(cluster);
  const ready = async () =>
    (await list(cluster, EndpointSlice))
      .filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === 'web')
      .flatMap(({ endpoints }) => endpoints.filter(({ conditions }) => conditions?.ready === true)).length;
  await cluster.until(async () => (await ready()) === 3);
  await cluster.until(async () =>
    (await list(cluster, Endpoints)).some(({ subsets }) => subsets?.[0]?.addresses?.length === 3),
  );
  await client.delete(Service, web, { signal });
  await cluster.until(async () => (await ready()) === 0);
});

test('a namespace comes with its account and goes with all it holds', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  await client.create(Namespace, { metadata: { name: 'team' }, spec: {} }, { signal });
  await cluster.until(async () => (await list(cluster, ServiceAccount, 'team')).length === 1);
  const labels = { app: 'x' };
  const pod = { metadata: { name: 'p', namespace: 'team', labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await client.create(Pod, pod, { signal });
  await client.create(ConfigMap, { metadata: { name: 'c', namespace: 'team' } }, { signal });
  await cluster.until(async () => (await list(cluster, Pod, 'team'))[0]?.status?.phase === 'Running');
  await client.delete(Namespace, { name: 'team' }, { signal });
  await cluster.until(
    () =>
      client.get(Namespace, { name: 'team' }, { signal }).then(
        () => false,
        (error: unknown) => hasReason(error, 'NotFound'),
      ),
    { what: 'the namespace to be gone' },
  );
  assert.deepEqual(await list(cluster, ConfigMap, 'team'), []);
});

test('jobs run to their end on pretend nodes', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const { client, signal } = cluster;
  const annotations = { 'sim.tutti.dev/run-seconds': '5' };
  const template = {
    metadata: { annotations },
    spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
  };
  for (const completionMode of ['NonIndexed', 'Indexed']) {
    const metadata = { name: completionMode.toLowerCase(), namespace: 'default' };
    await client.create(
      Job,
      { metadata, spec: { completions: 4, parallelism: 2, completionMode, template } },
      { signal },
    );
  }
  await cluster.until(async () =>
    (await list(cluster, Job)).every(({ status }) => status?.conditions?.at(-1)?.type === 'Complete'),
  );
  assert.deepEqual(
    (await list(cluster, Job)).map(({ status }) => status?.succeeded),
    [4, 4],
  );
  await client.delete(Job, { name: 'indexed', namespace: 'default' }, { signal, propagationPolicy: 'Background' });
  await cluster.until(async () => (await list(cluster, Pod)).length === 4);
});

test('a node that stops answering loses its pods to the others', async () => {
  await using cluster = await startCluster({ nodes: 3 });
  await deployed(cluster, 6);
  const [victim = ''] = cluster.nodes.names;
  cluster.nodes.stop(victim);
  await cluster.until(
    async () => {
      const pods = (await list(cluster, Pod)).filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
      return pods.length === 6 && pods.every(({ spec }) => spec.nodeName !== victim && spec.nodeName !== undefined);
    },
    { what: 'the pods to be elsewhere' },
  );
  await cluster.nodes.restart(victim, cluster.signal);
  await cluster.until(
    async () =>
      ((await cluster.client.get(Node, { name: victim }, { signal: cluster.signal })).spec.taints ?? []).length === 0,
  );
});

test('every node has a pod range of its own', async () => {
  await using cluster = await startCluster({ nodes: 20 });
  await cluster.until(async () => {
    const { items } = await cluster.client.list(Node, { signal: cluster.signal });
    const ranges = items.map(({ spec }) => spec.podCIDR);
    return ranges.length === 20 && !ranges.includes(undefined) && new Set(ranges).size === 20;
  });
});

test('evictions keep to the budget', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const { client, signal } = cluster;
  await client.create(PodDisruptionBudget, { metadata: web, spec: { maxUnavailable: 1, selector } }, { signal });
  await deployed(cluster, 3);
  await cluster.until(async () => (await list(cluster, PodDisruptionBudget))[0]?.status?.disruptionsAllowed === 1);
  const pods = await list(cluster, Pod);
  const evict = async (pod: Pod | undefined) => {
    const metadata = { name: pod?.metadata?.name ?? '', namespace: 'default' };
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata };
    // The interface has one kind for an object and its subresources.
    await client.create<ApiObject>(Pod, eviction, { signal, subresource: 'eviction' });
  };
  await evict(pods[0]);
  await assert.rejects(evict(pods[1]), (error) => hasReason(error, 'TooManyRequests'));
  await cluster.until(async () => (await list(cluster, PodDisruptionBudget))[0]?.status?.disruptionsAllowed === 1);
  await evict(pods[1]);
});

test('hundreds of owners deleted at once leave nothing behind', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  const owners: ConfigMap[] = [];
  for (let i = 0; i < 50; i++) {
    const owner = await client.create(ConfigMap, { metadata: { name: `o${i}`, namespace: 'default' } }, { signal });
    owners.push(owner);
    for (let j = 0; j < 4; j++) {
      const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: `o${i}`, uid: owner.metadata?.uid ?? '' }];
      await client.create(
        Secret,
        { metadata: { name: `s${i}-${j}`, namespace: 'default', ownerReferences } },
        { signal },
      );
    }
  }
  const policies = ['Foreground', 'Background'] as const;
  for (const [i, { metadata }] of owners.entries()) {
    const ref = { namespace: 'default', name: metadata?.name ?? '' };
    await client.delete(ConfigMap, ref, { signal, propagationPolicy: policies[i % 2] ?? 'Background' });
  }
  await cluster.until(async () => (await list(cluster, Secret)).length === 0);
});
