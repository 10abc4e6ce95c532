import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { CSIDriver } from '#api/storage/csi-driver.ts';
import { CSINode } from '#api/storage/csi-node.ts';
import { CSIStorageCapacity } from '#api/storage/csi-storage-capacity.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { runningScheduler, until } from '../testing/running-scheduler.ts';

const driver = 'csi.example.com';
const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
const spec = {
  accessModes: ['ReadWriteOnce'],
  resources: { requests: { storage: '1Gi' } },
  storageClassName: 'late',
  volumeMode: 'Filesystem',
};
const claim: PersistentVolumeClaim = { metadata: { name: 'data', namespace: 'default' }, spec };
const isBound = { 'pv.kubernetes.io/bind-completed': 'yes' };
const boundClaim: PersistentVolumeClaim = {
  metadata: { name: 'data', namespace: 'default', annotations: isBound },
  spec: { ...spec, volumeName: 'v' },
};
const volume: PersistentVolume = {
  metadata: { name: 'v' },
  spec: {
    accessModes: ['ReadWriteOnce'],
    capacity: { storage: '1Gi' },
    storageClassName: 'late',
    csi: { driver, volumeHandle: 'v' },
  },
  status: { phase: 'Available' },
};
const late = (provisioner: string): StorageClass => ({
  metadata: { name: 'late' },
  provisioner,
  volumeBindingMode: 'WaitForFirstConsumer',
});
const limit = (count: number): CSINode => ({
  metadata: { name: 'n1' },
  spec: { drivers: [{ name: driver, nodeID: 'n1', allocatable: { count } }] },
});

// No time passes in these tests: whatever wakes the pod is the change itself.

test('a pod waits for its claim, and for the volume of its claim', async (context) => {
  const { addNode, addPod, pod, client, scheduler, signal } = await runningScheduler(context);
  const waits = (what: RegExp) =>
    until(async () => what.test((await pod('db')).status?.conditions?.[0]?.message ?? ''));
  await addNode('n1');
  await addPod('db', '1', { volumes });
  await waits(/persistentvolumeclaim "data" not found/);
  await client.create(PersistentVolumeClaim, boundClaim, { signal });
  const why = () => scheduler.why({ namespace: 'default', name: 'db' })?.nodes[0]?.refusals?.[0]?.reason;
  await until(() => why() === 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');
  await client.create(PersistentVolume, volume, { signal });
  await until(async () => (await pod('db')).spec?.nodeName === 'n1');
});

test('a pod that exceeds what a node attaches comes back when the node attaches more', async (context) => {
  const { addNode, addPod, pod, client, scheduler, signal } = await runningScheduler(context);
  await addNode('n1');
  const node = await client.create(CSINode, limit(0), { signal });
  await client.create(PersistentVolume, volume, { signal });
  await client.create(PersistentVolumeClaim, boundClaim, { signal });
  await addPod('db', '1', { volumes });
  const why = () => scheduler.why({ namespace: 'default', name: 'db' })?.nodes[0]?.refusals?.[0];
  await until(() => why()?.reason === 'node(s) exceed max volume count');
  assert.deepEqual(why(), {
    plugin: 'NodeVolumeLimits',
    reason: 'node(s) exceed max volume count',
    curable: true,
  });
  await client.update(CSINode, { ...node, spec: limit(1).spec }, { signal });
  await until(async () => (await pod('db')).spec?.nodeName === 'n1');
});

test('classes, drivers and capacity bring back pods whose volumes are to be made', async (context) => {
  const { addNode, addPod, client, told, signal } = await runningScheduler(context);
  await addNode('n1');
  await client.create(CSIDriver, { metadata: { name: driver }, spec: { storageCapacity: true } }, { signal });
  await client.create(PersistentVolumeClaim, claim, { signal });
  await addPod('db', '1', { volumes });
  await until(() => told.some((text) => text.includes('unbound immediate PersistentVolumeClaims')));
  await client.create(StorageClass, late(driver), { signal });
  const selected = async () => {
    const { metadata } = await client.get(PersistentVolumeClaim, { name: 'data', namespace: 'default' }, { signal });
    return metadata?.annotations?.['volume.kubernetes.io/selected-node'];
  };
  assert.equal(await selected(), undefined);
  const capacity: CSIStorageCapacity = {
    metadata: { name: 'c', namespace: 'default' },
    storageClassName: 'late',
    nodeTopology: { matchLabels: { 'kubernetes.io/hostname': 'n1' } },
    capacity: '2Gi',
  };
  await client.create(CSIStorageCapacity, capacity, { signal });
  await until(async () => (await selected()) === 'n1');
});

test('a claim is bound before its pod, which waits for that, and goes on alone', async (context) => {
  const { addNode, addPod, pod, client, signal } = await runningScheduler(context);
  await addNode('n1');
  await client.create(StorageClass, late('kubernetes.io/no-provisioner'), { signal });
  await client.create(PersistentVolume, volume, { signal });
  const stored = await client.create(PersistentVolumeClaim, claim, { signal });
  await addPod('db', '1', { volumes });
  const kept = async () => await client.get(PersistentVolume, { name: 'v' }, { signal });
  await until(async () => (await kept()).spec.claimRef?.uid === stored.metadata?.uid);
  assert.equal((await kept()).metadata?.annotations?.['pv.kubernetes.io/bound-by-controller'], 'yes');
  await addPod('other');
  await until(async () => (await pod('other')).spec?.nodeName === 'n1');
  assert.equal((await pod('db')).spec?.nodeName, undefined);
  const bound = { ...stored, metadata: { ...stored.metadata, annotations: isBound }, spec: boundClaim.spec };
  await client.update(PersistentVolumeClaim, bound, { signal });
  await until(async () => (await pod('db')).spec?.nodeName === 'n1');
});
