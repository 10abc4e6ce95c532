import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { Pod } from '#api/core/pod.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { ResourceQuota } from '#api/core/resource-quota.ts';
import { Secret } from '#api/core/secret.ts';
import { Service } from '#api/core/service.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { type ResourceList, sameResources } from '#machinery/resource-list.ts';

const namespace = 'default';

/** Waits until the quota `q` says that this is used, and no more of what is not named. */
async function untilUsed(cluster: TestCluster, expected: ResourceList, name = 'q'): Promise<void> {
  let last: ResourceList | undefined;
  await cluster
    .until(
      async () => {
        const { status } = await cluster.client.get(ResourceQuota, { namespace, name }, { signal: cluster.signal });
        last = status?.used;
        return last !== undefined && sameResources({ ...last, ...expected }, last);
      },
      { withinMs: 60_000 },
    )
    .catch((error: unknown) => {
      assert.deepEqual(last, expected, String(error));
    });
}

const create = <T extends ApiObject>(
  { client, signal }: TestCluster,
  kind: Kind<T>,
  name: string,
  rest: Omit<T, 'metadata'>,
) => client.create(kind, { metadata: { name, namespace }, ...rest } as unknown as T, { signal });
const remove = <T extends ApiObject>({ client, signal }: TestCluster, kind: Kind<T>, name: string) =>
  client.delete(kind, { namespace, name }, { signal, gracePeriodSeconds: 0, propagationPolicy: 'Background' });

const labels = { app: 'x' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };

test('every counted kind is counted when it comes and given back when it goes', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const hard = {
    pods: '5',
    services: '10',
    'services.nodeports': '5',
    'services.loadbalancers': '1',
    replicationcontrollers: '5',
    'count/replicasets.apps': '5',
    secrets: '10',
    configmaps: '10',
    persistentvolumeclaims: '10',
    'requests.storage': '10Gi',
    'gold.storageclass.storage.k8s.io/requests.storage': '5Gi',
    'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '5',
    resourcequotas: '2',
  };
  await create(cluster, ResourceQuota, 'q', { spec: { hard } });
  const before = { services: '1', resourcequotas: '1' }; // those of the cluster itself
  const zero = Object.fromEntries(Object.keys(hard).map((name) => [name, '0']));
  await untilUsed(cluster, { ...zero, ...before });
  await create(cluster, ConfigMap, 'c', {});
  await create(cluster, Secret, 's', {});
  await create(cluster, Service, 'cluster-ip', { spec: { ports: [{ port: 1 }] } });
  await create(cluster, Service, 'node-port', { spec: { type: 'NodePort', ports: [{ port: 1 }] } });
  await create(cluster, ReplicationController, 'rc', { spec: { replicas: 0, selector: labels, template } });
  await create(cluster, ReplicaSet, 'rs', { spec: { replicas: 2, selector: { matchLabels: labels }, template } });
  for (const storageClassName of ['gold', 'silver']) {
    await create(cluster, PersistentVolumeClaim, storageClassName, {
      spec: { storageClassName, accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
  }
  const full = {
    pods: '2',
    services: '3',
    'services.nodeports': '1',
    'services.loadbalancers': '0',
    replicationcontrollers: '1',
    'count/replicasets.apps': '1',
    secrets: '1',
    configmaps: '1',
    persistentvolumeclaims: '2',
    'requests.storage': '2Gi',
    'gold.storageclass.storage.k8s.io/requests.storage': '1Gi',
    'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
    resourcequotas: '1',
  };
  await untilUsed(cluster, full);
  await remove(cluster, ConfigMap, 'c');
  await remove(cluster, Secret, 's');
  await remove(cluster, Service, 'cluster-ip');
  await remove(cluster, Service, 'node-port');
  await remove(cluster, ReplicationController, 'rc');
  await remove(cluster, ReplicaSet, 'rs');
  await remove(cluster, PersistentVolumeClaim, 'gold');
  await remove(cluster, PersistentVolumeClaim, 'silver');
  await untilUsed(cluster, { ...zero, ...before });
});

test('a replica set fills its quota and no more, and goes on when there is room again', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  await create(cluster, ResourceQuota, 'q', { spec: { hard: { pods: '3', 'requests.example.com/gpu': '3' } } });
  await untilUsed(cluster, { pods: '0', 'requests.example.com/gpu': '0' });
  const gpu = { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } };
  const spec = { containers: [{ name: 'c', image: 'i', resources: gpu }] };
  await create(cluster, ReplicaSet, 'rs', {
    spec: { replicas: 5, selector: { matchLabels: labels }, template: { ...template, spec } },
  });
  await untilUsed(cluster, { pods: '3', 'requests.example.com/gpu': '3' });
  const set = () => client.get(ReplicaSet, { namespace, name: 'rs' }, { signal });
  await cluster.until(async () =>
    ((await set()).status?.conditions ?? []).some(
      ({ type, message }) => type === 'ReplicaFailure' && message?.includes('exceeded quota: q') === true,
    ),
  );
  const quota = await client.get(ResourceQuota, { namespace, name: 'q' }, { signal });
  const more = { pods: '4', 'requests.example.com/gpu': '9' };
  await client.update(ResourceQuota, { ...quota, spec: { hard: more } }, { signal });
  await untilUsed(cluster, { pods: '4', 'requests.example.com/gpu': '4' });
  const [victim] = (await client.list(Pod, { namespace, signal })).items;
  await remove(cluster, Pod, victim?.metadata?.name ?? '');
  await cluster.until(async () => {
    const names = (await client.list(Pod, { namespace, signal })).items.map(({ metadata }) => metadata?.name);
    return names.length === 4 && !names.includes(victim?.metadata?.name);
  });
});

test('pods count by scope, and no more once they have ended', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  await client.create(PriorityClass, { metadata: { name: 'high' }, value: 1000 }, { signal });
  const scoped: Readonly<Record<string, ResourceQuota['spec']>> = {
    'best-effort': { scopes: ['BestEffort'] },
    'not-best-effort': { scopes: ['NotBestEffort'] },
    terminating: { scopes: ['Terminating'] },
    'not-terminating': { scopes: ['NotTerminating'] },
    high: { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] } },
    'not-high': {
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'NotIn', values: ['high'] }] },
    },
    affine: { scopes: ['CrossNamespacePodAffinity'] },
  };
  for (const [name, spec] of Object.entries(scoped)) {
    await create(cluster, ResourceQuota, name, { spec: { ...spec, hard: { pods: '5' } } });
    await untilUsed(cluster, { pods: '0' }, name);
  }
  const containers = [{ name: 'c', image: 'i' }];
  const podAffinityTerm = { topologyKey: 'kubernetes.io/hostname', namespaceSelector: {} };
  await create(cluster, Pod, 'plain', { spec: { containers } });
  await create(cluster, Pod, 'important', {
    spec: {
      activeDeadlineSeconds: 3600,
      priorityClassName: 'high',
      affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm }] } },
      containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1m' } } }],
    },
  });
  for (const name of Object.keys(scoped)) await untilUsed(cluster, { pods: '1' }, name);
  await cluster.until(async () => {
    const important = await client.get(Pod, { namespace, name: 'important' }, { signal });
    return important.status?.phase === 'Running';
  });
  const important = await client.get(Pod, { namespace, name: 'important' }, { signal });
  const failed = { ...important, status: { ...important.status, phase: 'Failed' } };
  await client.update(Pod, failed, { signal, subresource: 'status' });
  for (const name of ['not-best-effort', 'terminating', 'high', 'affine'])
    await untilUsed(cluster, { pods: '0' }, name);
});
