import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { Pod } from '#api/core/pod.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';
import { persistentVolumeBinder } from './persistent-volume-binder.ts';
import { TestCluster } from './testing/test-cluster.ts';

const volume = (name: string, storage: string, spec: Partial<PersistentVolume['spec']> = {}): PersistentVolume => ({
  metadata: { name },
  spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' }, ...spec },
  status: { phase: 'Pending' },
});

const claim = (name: string, storage: string, spec: Partial<PersistentVolumeClaim['spec']> = {}) =>
  ({
    metadata: { name, namespace: 'ns' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...spec },
    status: { phase: 'Pending' },
  }) satisfies PersistentVolumeClaim;

async function clusterWith(volumes: readonly PersistentVolume[], claims: readonly PersistentVolumeClaim[]) {
  const cluster = new TestCluster();
  for (const each of volumes) await cluster.create(PersistentVolume, each);
  for (const each of claims) await cluster.create(PersistentVolumeClaim, each);
  await cluster.run([persistentVolumeBinder]);
  const standing = () =>
    Object.fromEntries([
      ...cluster.client
        .all(PersistentVolume)
        .map(({ metadata, spec, status }) => [
          metadata?.name,
          `${status?.phase} ${spec.claimRef?.name ?? ''}`.trimEnd(),
        ]),
      ...cluster.client
        .all(PersistentVolumeClaim)
        .map(({ metadata, spec, status }) => [metadata?.name, `${status?.phase} ${spec.volumeName ?? ''}`.trimEnd()]),
    ]);
  return { cluster, standing };
}

test('claims get the smallest volumes that will do, and both sides say so', async () => {
  const { cluster, standing } = await clusterWith(
    [
      volume('v10', '10Gi'),
      volume('v2', '2Gi'),
      volume('v1', '1Gi'),
      volume('other', '2Gi', { storageClassName: 's' }),
    ],
    [claim('two', '1500Mi'), claim('eleven', '11Gi')],
  );
  await using _ = cluster;
  assert.deepEqual(standing(), {
    v10: 'Available',
    v2: 'Bound two',
    v1: 'Available',
    other: 'Available',
    two: 'Bound v2',
    eleven: 'Pending',
  });
  const two = cluster.get(PersistentVolumeClaim, 'two');
  assert.deepEqual(two?.metadata?.annotations, {
    'pv.kubernetes.io/bind-completed': 'yes',
    'pv.kubernetes.io/bound-by-controller': 'yes',
  });
  assert.deepEqual(two?.status, { phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '2Gi' } });
  const v2 = cluster.get(PersistentVolume, 'v2');
  assert.equal(v2?.spec.claimRef?.uid, two?.metadata?.uid);
  assert.equal(v2?.metadata?.annotations?.['pv.kubernetes.io/bound-by-controller'], 'yes');
  await cluster.create(PersistentVolume, volume('v20', '20Gi'));
  await cluster.settle();
  assert.equal(standing()['eleven'], 'Bound v20', 'a volume that comes later is taken at once');
});

test('what users keep for each other is bound to each other, or waits', async () => {
  const { cluster, standing } = await clusterWith(
    [
      volume('kept', '9Gi', { claimRef: { namespace: 'ns', name: 'a' } }),
      volume('fit', '1Gi'),
      volume('small', '500Mi'),
      volume('taken', '1Gi', { claimRef: { namespace: 'ns', name: 'somebody' } }),
    ],
    [
      claim('a', '1Gi'),
      claim('b', '1Gi', { volumeName: 'small' }),
      claim('c', '1Gi', { volumeName: 'taken' }),
      claim('d', '1Gi', { volumeName: 'fit' }),
    ],
  );
  await using _ = cluster;
  assert.deepEqual(standing(), {
    kept: 'Bound a',
    fit: 'Bound d',
    small: 'Available',
    taken: 'Available somebody',
    a: 'Bound kept',
    b: 'Pending small',
    c: 'Pending taken',
    d: 'Bound fit',
  });
});

test('a volume whose claim is gone is kept; what nobody here can delete or wipe has failed', async () => {
  const provisioned = volume('made', '1Gi', { persistentVolumeReclaimPolicy: 'Delete', storageClassName: 'made' });
  const { cluster, standing } = await clusterWith(
    [
      volume('retain', '1Gi', { storageClassName: 'retain', persistentVolumeReclaimPolicy: 'Retain' }),
      volume('delete', '1Gi', { storageClassName: 'delete', persistentVolumeReclaimPolicy: 'Delete' }),
      { ...provisioned, metadata: { name: 'made', annotations: { 'pv.kubernetes.io/provisioned-by': 'csi.example' } } },
    ],
    ['retain', 'delete', 'made'].map((storageClassName) =>
      claim(`of-${storageClassName}`, '1Gi', { storageClassName }),
    ),
  );
  await using _ = cluster;
  for (const name of ['retain', 'delete', 'made']) {
    assert.equal(standing()[name], `Bound of-${name}`);
    cluster.client.remove(PersistentVolumeClaim, { namespace: 'ns', name: `of-${name}` });
  }
  await cluster.settle();
  assert.deepEqual(standing(), {
    retain: 'Released of-retain',
    delete: 'Failed of-delete',
    made: 'Released of-made',
  });
  await cluster.create(PersistentVolumeClaim, claim('of-retain', '1Gi', { storageClassName: 'retain' }));
  await cluster.settle();
  assert.equal(standing()['of-retain'], 'Pending', 'a claim of the same name does not get what the former one wrote');
});

test('a claim whose volume is gone is lost for good', async () => {
  const { cluster, standing } = await clusterWith([volume('v', '1Gi')], [claim('data', '1Gi')]);
  await using _ = cluster;
  cluster.client.remove(PersistentVolume, { name: 'v' });
  await cluster.settle();
  assert.equal(standing()['data'], 'Lost v');
  await cluster.create(PersistentVolume, volume('v2', '1Gi'));
  await cluster.settle();
  assert.deepEqual(standing(), { data: 'Lost v', v2: 'Available' });
});

test('a claim that waits for its consumer gets what the scheduler keeps for it, or asks a provisioner', async () => {
  const late = { storageClassName: 'late' };
  await using cluster = new TestCluster();
  await cluster.create(StorageClass, {
    metadata: { name: 'late' },
    provisioner: 'csi.example.com',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  await cluster.create(PersistentVolume, volume('v', '1Gi', late));
  for (const name of ['static', 'made']) await cluster.create(PersistentVolumeClaim, claim(name, '1Gi', late));
  await cluster.run([persistentVolumeBinder]);
  const claimNamed = (name: string) => cluster.get(PersistentVolumeClaim, name) ?? assert.fail();
  assert.equal(cluster.get(PersistentVolume, 'v')?.status?.phase, 'Available');
  const { uid } = claimNamed('static').metadata ?? {};
  const claimRef = { namespace: 'ns', name: 'static', ...(uid === undefined ? {} : { uid }) };
  const free = cluster.get(PersistentVolume, 'v') ?? assert.fail();
  await cluster.client.update(
    PersistentVolume,
    { ...free, spec: { ...free.spec, claimRef } },
    { signal: cluster.signal },
  );
  await cluster.change(PersistentVolumeClaim, 'made', (each) => ({
    ...each,
    metadata: { ...each.metadata, annotations: { 'volume.kubernetes.io/selected-node': 'n1' } },
  }));
  await cluster.settle();
  assert.equal(claimNamed('static').status?.phase, 'Bound');
  assert.equal(claimNamed('made').status?.phase, 'Pending');
  assert.deepEqual(claimNamed('made').metadata?.annotations, {
    'volume.beta.kubernetes.io/storage-provisioner': 'csi.example.com',
    'volume.kubernetes.io/selected-node': 'n1',
    'volume.kubernetes.io/storage-provisioner': 'csi.example.com',
  });
});

test('a pod that brings its claim gets it, of its own', async () => {
  await using cluster = new TestCluster();
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const ephemeral = { volumeClaimTemplate: { metadata: { labels: { app: 'web' } }, spec } };
  const pod = await cluster.create(Pod, {
    metadata: { name: 'web', namespace: 'ns' },
    spec: { containers: [{ name: 'main', image: 'web' }], volumes: [{ name: 'scratch', ephemeral }] },
  });
  await cluster.run([ephemeralVolumeController]);
  const made = cluster.get(PersistentVolumeClaim, 'web-scratch');
  assert.deepEqual(made?.metadata?.labels, { app: 'web' });
  assert.deepEqual(made?.metadata?.ownerReferences, [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      name: 'web',
      uid: pod.metadata?.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  assert.deepEqual(made?.spec, spec);
});
