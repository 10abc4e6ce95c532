import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { Pod } from '#api/core/pod.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { startCluster, type TestCluster } from './test-cluster.ts';

const namespace = 'default';

function localVolume(name: string, storage: string, host: string, mode = 'ReadWriteOnce'): PersistentVolume {
  const hostname = { key: 'kubernetes.io/hostname', operator: 'In', values: [host] };
  return {
    metadata: { name },
    spec: {
      capacity: { storage },
      accessModes: [mode],
      storageClassName: 'local',
      local: { path: `/mnt/${name}` },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } },
    },
  };
}

const podUsing = (name: string, ...claims: readonly string[]): Pod => ({
  metadata: { name, namespace },
  spec: {
    containers: [{ name: 'main', image: 'db:1' }],
    volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
  },
});

async function clusterWithClass(provisioner: string, nodes: number): Promise<TestCluster> {
  const cluster = await startCluster({ nodes });
  await cluster.client.create(
    StorageClass,
    { metadata: { name: 'local' }, provisioner, volumeBindingMode: 'WaitForFirstConsumer' },
    { signal: cluster.signal },
  );
  return cluster;
}

const createClaim = ({ client, signal }: TestCluster, name: string, mode = 'ReadWriteOnce') =>
  client.create(
    PersistentVolumeClaim,
    {
      metadata: { name, namespace },
      spec: { storageClassName: 'local', accessModes: [mode], resources: { requests: { storage: '1Gi' } } },
    },
    { signal },
  );

const nodeOf = async ({ client, signal }: TestCluster, name: string) =>
  (await client.get(Pod, { namespace, name }, { signal })).spec.nodeName;

const waitingFor = async ({ client, signal }: TestCluster, name: string) => {
  const { status } = await client.get(Pod, { namespace, name }, { signal });
  return status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message ?? '';
};

test('claims of local volumes are bound with the first pod that uses them, where there is a volume', async () => {
  await using cluster = await clusterWithClass('kubernetes.io/no-provisioner', 3);
  const { client, signal } = cluster;
  const hosts = ['sim-00001', 'sim-00002'];
  for (const [index, host] of hosts.entries()) {
    await client.create(PersistentVolume, localVolume(`pv-${index}`, '2Gi', host), { signal });
  }
  for (const name of ['a', 'b', 'c']) {
    await createClaim(cluster, name);
    await client.create(Pod, podUsing(`pod-${name}`, name), { signal });
  }
  const placed = async () => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => nodeOf(cluster, `pod-${name}`)));
    return nodes.filter((node) => node !== undefined);
  };
  await cluster.until(async () => (await placed()).length === 2);
  assert.deepEqual((await placed()).toSorted(), hosts);
  const { items: claims } = await client.list(PersistentVolumeClaim, { namespace, signal });
  const bound = claims.filter(({ status }) => status?.phase === 'Bound');
  assert.equal(bound.length, 2);
  for (const { metadata, spec } of bound) {
    const volume = await client.get(PersistentVolume, { name: spec.volumeName ?? '' }, { signal });
    assert.equal(volume.status?.phase, 'Bound');
    assert.equal(volume.spec.claimRef?.uid, metadata?.uid);
    const host = volume.spec.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]?.values?.[0];
    assert.equal(await nodeOf(cluster, `pod-${metadata?.name}`), host);
  }
  const [left] = claims.filter(({ status }) => status?.phase !== 'Bound');
  const waiting = `pod-${left?.metadata?.name}`;
  await cluster.until(async () => (await waitingFor(cluster, waiting)) !== '');
  assert.equal(
    await waitingFor(cluster, waiting),
    "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
  );
  const why = cluster.why({ namespace, name: waiting });
  assert.deepEqual(
    why?.nodes.map(({ fits, refusals }) => [fits, refusals?.map(({ plugin, reason }) => `${plugin}: ${reason}`)]),
    why?.nodes.map(() => [false, ["VolumeBinding: node(s) didn't find available persistent volumes to bind"]]),
  );
  await client.create(PersistentVolume, localVolume('pv-new', '1Gi', 'sim-00003'), { signal });
  await cluster.until(async () => (await nodeOf(cluster, waiting)) === 'sim-00003', { withinMs: 20_000 });
});

test('a pod waits for a provisioner as long as it takes within bounds, and is placed anew after that', async () => {
  await using cluster = await clusterWithClass('csi.example.com', 2);
  const { client, signal } = cluster;
  await createClaim(cluster, 'data');
  await client.create(Pod, podUsing('db', 'data'), { signal });
  const selected = async () => {
    const { metadata } = await client.get(PersistentVolumeClaim, { namespace, name: 'data' }, { signal });
    return metadata?.annotations?.['volume.kubernetes.io/selected-node'];
  };
  await cluster.until(async () => (await selected()) !== undefined);
  assert.equal(await nodeOf(cluster, 'db'), undefined);
  const said = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded';
  await cluster.until(async () => (await waitingFor(cluster, 'db')) === said, { withinMs: 11 * 60_000 });
  const host = (await selected()) ?? '';
  // What a provisioner does.
  const { metadata } = await client.get(PersistentVolumeClaim, { namespace, name: 'data' }, { signal });
  const made = localVolume('made', '1Gi', host);
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'data' };
  await client.create(
    PersistentVolume,
    {
      ...made,
      spec: { ...made.spec, claimRef: { ...claimRef, ...(metadata?.uid === undefined ? {} : { uid: metadata.uid }) } },
    },
    { signal },
  );
  await cluster.until(async () => (await nodeOf(cluster, 'db')) === host);
});

test('a claim that is one pod’s at a time has the next pod wait until the first is gone', async () => {
  await using cluster = await clusterWithClass('kubernetes.io/no-provisioner', 2);
  const { client, signal } = cluster;
  await client.create(PersistentVolume, localVolume('pv', '1Gi', 'sim-00001', 'ReadWriteOncePod'), { signal });
  await createClaim(cluster, 'data', 'ReadWriteOncePod');
  await client.create(Pod, podUsing('first', 'data'), { signal });
  await cluster.until(async () => (await nodeOf(cluster, 'first')) === 'sim-00001');
  await client.create(Pod, podUsing('second', 'data'), { signal });
  await cluster.until(async () => (await waitingFor(cluster, 'second')) !== '');
  assert.match(
    await waitingFor(cluster, 'second'),
    /1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode/,
  );
  await client.delete(Pod, { namespace, name: 'first' }, { signal, gracePeriodSeconds: 0 });
  await cluster.until(async () => (await nodeOf(cluster, 'second')) === 'sim-00001', { withinMs: 20_000 });
});

test('a claim that must be bound at once is bound without its pod, which then follows it', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const { client, signal } = cluster;
  await client.create(Pod, podUsing('db', 'data'), { signal });
  await cluster.until(async () => /persistentvolumeclaim "data" not found/.test(await waitingFor(cluster, 'db')));
  await createClaim(cluster, 'data');
  await cluster.until(async () => /unbound immediate PersistentVolumeClaims/.test(await waitingFor(cluster, 'db')));
  await client.create(PersistentVolume, localVolume('pv', '1Gi', 'sim-00002'), { signal });
  await cluster.until(async () => (await nodeOf(cluster, 'db')) === 'sim-00002', { withinMs: 20_000 });
});
