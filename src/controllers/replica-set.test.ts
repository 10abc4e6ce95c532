import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { Pod } from '#api/core/pod.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { forbiddenRequest, unavailable } from '#machinery/status-error.ts';
import { replicaSetController } from './replica-set.ts';
import { replicationControllerController } from './replication-controller.ts';
import { TestCluster } from './testing/test-cluster.ts';

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };

function replicaSet(replicas: number, more: Partial<ReplicaSet['spec']> = {}): ReplicaSet {
  return {
    metadata: { name: 'web', namespace: 'ns' },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template, ...more },
  };
}

const freePod = (name: string, labels: Record<string, string>): Pod => ({
  metadata: { name, namespace: 'ns', labels },
  spec: { containers: [{ name: 'c', image: 'i' }] },
});

test('pods come and go with the count asked for, and the status says so', async () => {
  await using cluster = new TestCluster();
  await cluster.create(ReplicaSet, replicaSet(12));
  await cluster.run([replicaSetController]);
  assert.equal(cluster.pods().length, 12);
  const [pod] = cluster.pods();
  const set = cluster.get(ReplicaSet, 'web');
  assert.match(pod?.metadata?.name ?? '', /^web-/);
  assert.deepEqual(pod?.metadata?.ownerReferences, [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web',
      uid: set?.metadata?.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  assert.deepEqual(set?.status, { replicas: 12, fullyLabeledReplicas: 12, observedGeneration: 1 });
  await cluster.runPods();
  await cluster.settle();
  assert.deepEqual(cluster.get(ReplicaSet, 'web')?.status, {
    replicas: 12,
    fullyLabeledReplicas: 12,
    readyReplicas: 12,
    availableReplicas: 12,
    observedGeneration: 1,
  });
  await cluster.change(ReplicaSet, 'web', (each) => ({ ...each, spec: { ...each.spec, replicas: 2 } }));
  await cluster.settle();
  assert.deepEqual(cluster.get(ReplicaSet, 'web')?.status, {
    replicas: 2,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 2,
    terminatingReplicas: 10,
    observedGeneration: 2,
  });
  cluster.finishDeletions();
  await cluster.settle();
  assert.equal(cluster.pods().length, 2);
});

test('a pod that fails or disappears is replaced', async () => {
  await using cluster = new TestCluster();
  await cluster.create(ReplicaSet, replicaSet(2));
  await cluster.run([replicaSetController]);
  const [first, second] = cluster.pods();
  assert.ok(first && second);
  await cluster.setStatus(Pod, first, { phase: 'Failed' });
  cluster.client.remove(Pod, { namespace: 'ns', name: second.metadata?.name ?? '' });
  await cluster.settle();
  const live = cluster.pods().filter(({ status }) => status?.phase !== 'Failed');
  assert.equal(live.length, 2);
});

test('pods become available only after minReadySeconds, without any event', async () => {
  await using cluster = new TestCluster();
  await cluster.create(ReplicaSet, replicaSet(1, { minReadySeconds: 30 }));
  await cluster.run([replicaSetController]);
  await cluster.runPods();
  await cluster.clock.advance(25_000);
  assert.equal(cluster.get(ReplicaSet, 'web')?.status?.availableReplicas, undefined);
  await cluster.clock.advance(10_000);
  assert.equal(cluster.get(ReplicaSet, 'web')?.status?.availableReplicas, 1);
});

test('a set adopts free pods it selects and lets go of owned pods whose labels changed', async () => {
  await using cluster = new TestCluster();
  await cluster.create(ReplicaSet, replicaSet(2));
  await cluster.create(Pod, freePod('mine', { app: 'web' }));
  await cluster.create(Pod, freePod('other', { app: 'db' }));
  await cluster.run([replicaSetController]);
  assert.equal(cluster.pods().length, 3);
  const uid = cluster.get(ReplicaSet, 'web')?.metadata?.uid;
  assert.equal(cluster.get(Pod, 'mine')?.metadata?.ownerReferences?.[0]?.uid, uid);
  assert.equal(cluster.get(Pod, 'other')?.metadata?.ownerReferences, undefined);
  await cluster.change(Pod, 'mine', (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { app: 'debug' } } }));
  await cluster.settle();
  assert.deepEqual(cluster.get(Pod, 'mine')?.metadata?.ownerReferences, []);
  assert.equal(cluster.pods().length, 4);
});

test('with stale caches no pod is created twice', async () => {
  await using cluster = new TestCluster();
  await cluster.run([replicaSetController]);
  await cluster.create(ReplicaSet, replicaSet(3));
  await cluster.clock.advance(0);
  cluster.client.hold();
  await cluster.change(ReplicaSet, 'web', (each) => ({ ...each, spec: { ...each.spec, replicas: 5 } }));
  await cluster.settle(30_000);
  assert.equal(cluster.pods().length, 3);
  cluster.client.release();
  await cluster.settle();
  assert.equal(cluster.pods().length, 5);
});

test('refused creations are retried and told of in a condition', async () => {
  await using cluster = new TestCluster();
  let tries = 0;
  cluster.client.onRequest = (verb, { plural }) => {
    if (verb !== 'create' || plural !== 'pods') return;
    tries++;
    throw forbiddenRequest({ group: '', plural: 'pods' }, '', 'exceeded quota');
  };
  await cluster.create(ReplicaSet, replicaSet(100));
  await cluster.run([replicaSetController]);
  assert.ok(tries < 20, `${tries} tries are too many`);
  const [condition] = cluster.get(ReplicaSet, 'web')?.status?.conditions ?? [];
  assert.deepEqual([condition?.type, condition?.status, condition?.reason], ['ReplicaFailure', 'True', 'FailedCreate']);
  cluster.client.onRequest = () => {};
  await cluster.settle(60_000);
  assert.equal(cluster.pods().length, 100);
  assert.equal(cluster.get(ReplicaSet, 'web')?.status?.conditions, undefined);
});

test('a controller killed among its creations finishes them when it is started again, with none too many', async () => {
  await using cluster = new TestCluster();
  await cluster.create(ReplicaSet, replicaSet(40));
  let created = 0;
  cluster.client.onRequest = (verb, { plural }) => {
    if (verb === 'create' && plural === 'pods' && ++created > 11) throw unavailable('killed');
  };
  await cluster.run([replicaSetController]);
  await cluster.kill();
  cluster.client.onRequest = () => {};
  await cluster.run([replicaSetController]);
  assert.equal(cluster.pods().length, 40);
});

test('a set that is being deleted creates nothing', async () => {
  await using cluster = new TestCluster();
  await cluster.create(ReplicaSet, { ...replicaSet(3), metadata: { name: 'web', namespace: 'ns', finalizers: ['x'] } });
  await cluster.client.delete(ReplicaSet, { namespace: 'ns', name: 'web' }, { signal: cluster.signal });
  await cluster.run([replicaSetController]);
  assert.equal(cluster.pods().length, 0);
});

test('a ReplicationController keeps its pods in the same way', async () => {
  await using cluster = new TestCluster();
  const spec = { replicas: 3, selector: { app: 'web' }, template };
  await cluster.create(ReplicationController, { metadata: { name: 'rc', namespace: 'ns' }, spec });
  await cluster.run([replicationControllerController]);
  await cluster.runPods();
  await cluster.settle();
  assert.deepEqual(cluster.get(ReplicationController, 'rc')?.status, {
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    ...(ReplicationController.hasGeneration === true ? { observedGeneration: 1 } : {}),
  });
});
