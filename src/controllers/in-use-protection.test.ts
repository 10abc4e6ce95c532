import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { Pod } from '#api/core/pod.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import type { Kind } from '#machinery/kind.ts';
import { hasReason } from '#machinery/status-error.ts';

const namespace = 'default';
const storage = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };

const isGone = async ({ client, signal }: TestCluster, kind: Kind, name: string) => {
  try {
    await client.get(kind, kind.namespaced ? { namespace, name } : { name }, { signal });
    return false;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return true;
    throw error;
  }
};

test('a claim outlives its deletion as long as a pod uses it', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  for (const name of ['used', 'unused']) {
    await client.create(PersistentVolumeClaim, { metadata: { name, namespace }, spec: storage }, { signal });
  }
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'used' } }];
  const pod: Pod = {
    metadata: { name: 'p', namespace },
    spec: { nodeName: 'sim-00001', containers: [{ name: 'c', image: 'i' }], volumes },
  };
  await client.create(Pod, pod, { signal });
  for (const name of ['used', 'unused']) await client.delete(PersistentVolumeClaim, { namespace, name }, { signal });
  await cluster.until(() => isGone(cluster, PersistentVolumeClaim, 'unused'));
  await cluster.advance(60_000);
  assert.equal(await isGone(cluster, PersistentVolumeClaim, 'used'), false);
  await client.delete(Pod, { namespace, name: 'p' }, { signal, gracePeriodSeconds: 0 });
  await cluster.until(() => isGone(cluster, PersistentVolumeClaim, 'used'));
});

test('a volume outlives its deletion as long as it is bound', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  const volume: PersistentVolume = {
    metadata: { name: 'v' },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } },
  };
  await client.create(PersistentVolume, volume, { signal });
  await client.create(PersistentVolumeClaim, { metadata: { name: 'c', namespace }, spec: storage }, { signal });
  const phase = async () => (await client.get(PersistentVolume, { name: 'v' }, { signal })).status?.phase;
  await cluster.until(async () => (await phase()) === 'Bound');
  await client.delete(PersistentVolume, { name: 'v' }, { signal });
  await cluster.advance(60_000);
  assert.equal(await isGone(cluster, PersistentVolume, 'v'), false);
  await client.delete(PersistentVolumeClaim, { name: 'c', namespace }, { signal });
  await cluster.until(() => isGone(cluster, PersistentVolume, 'v'));
});
