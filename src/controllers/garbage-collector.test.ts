import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { unavailable } from '#machinery/status-error.ts';
import type { ApiObject, OwnerReference } from '#machinery/object.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import { fixedKinds } from '#client/kind-source.ts';
import { garbageCollector } from './garbage-collector.ts';
import { judge } from './owner-graph.ts';
import { TestCluster } from './testing/test-cluster.ts';

const kinds: readonly Kind[] = [ConfigMap, Secret, Pod, ReplicaSet, Node];

function ownedBy(kind: Kind, { metadata }: ApiObject, more: Partial<OwnerReference> = {}): OwnerReference {
  const { name = '', uid = '' } = metadata ?? {};
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, name, uid, ...more };
}

const named = (name: string, ...ownerReferences: readonly OwnerReference[]) => ({
  metadata: { name, namespace: 'ns', ...(ownerReferences.length === 0 ? {} : { ownerReferences }) },
});

const names = (cluster: TestCluster, ...of: readonly Kind[]) =>
  of.flatMap((kind) => cluster.client.all(kind).map(({ metadata }) => metadata?.name ?? '')).toSorted();

async function deleteIt(
  cluster: TestCluster,
  kind: Kind,
  name: string,
  propagationPolicy: 'Foreground' | 'Background' | 'Orphan',
) {
  await cluster.client.delete(kind, { namespace: 'ns', name }, { signal: cluster.signal, propagationPolicy });
  await cluster.settle();
}

test('dependents go with their last owner, however deep, and stay while one of them lives', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.create(ConfigMap, named('a'));
  const b = await cluster.create(ConfigMap, named('b'));
  const child = await cluster.create(Secret, named('child', ownedBy(ConfigMap, a)));
  await cluster.create(Secret, named('grandchild', ownedBy(Secret, child)));
  await cluster.create(Secret, named('shared', ownedBy(ConfigMap, a), ownedBy(ConfigMap, b)));
  await cluster.create(Secret, named('free'));
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  assert.equal(names(cluster, Secret).length, 4);
  await deleteIt(cluster, ConfigMap, 'a', 'Background');
  assert.deepEqual(names(cluster, Secret), ['free', 'shared']);
  assert.deepEqual(cluster.get(Secret, 'shared')?.metadata?.ownerReferences, [ownedBy(ConfigMap, b)]);
  await deleteIt(cluster, ConfigMap, 'b', 'Background');
  assert.deepEqual(names(cluster, Secret), ['free']);
});

test('what lost its owner while the collector was away is found when it starts, a namesake of the owner notwithstanding', async () => {
  await using cluster = new TestCluster();
  const first = await cluster.create(ConfigMap, named('owner'));
  cluster.client.remove(ConfigMap, { namespace: 'ns', name: 'owner' });
  await cluster.create(ConfigMap, named('owner'));
  await cluster.create(Secret, named('child', ownedBy(ConfigMap, first)));
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  assert.deepEqual(names(cluster, Secret), []);
});

test('an owner that the cache does not show yet is asked for before anything is deleted', async () => {
  await using cluster = new TestCluster();
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  cluster.client.hold(ConfigMap);
  const owner = await cluster.create(ConfigMap, named('owner'));
  await cluster.create(Secret, named('child', ownedBy(ConfigMap, owner)));
  let asked = 0;
  cluster.client.onRequest = (verb, { plural }) => {
    if (verb === 'delete') assert.fail('deleted');
    if (verb === 'get' && plural === 'configmaps') asked++;
  };
  await cluster.settle();
  assert.deepEqual(names(cluster, Secret), ['child']);
  assert.ok(asked > 0);
});

test('while the owner cannot be asked for, nothing is deleted', async () => {
  await using cluster = new TestCluster();
  const owner = await cluster.create(ConfigMap, named('owner'));
  await cluster.create(Secret, named('child', ownedBy(ConfigMap, owner)));
  cluster.client.remove(ConfigMap, { namespace: 'ns', name: 'owner' });
  cluster.client.onRequest = (verb) => {
    if (verb === 'get') throw unavailable('down');
  };
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  await cluster.settle(60_000);
  assert.deepEqual(names(cluster, Secret), ['child']);
  cluster.client.onRequest = () => {};
  await cluster.settle(60_000);
  assert.deepEqual(names(cluster, Secret), []);
});

test('foreground deletion keeps the owner until blocking dependents are gone', async () => {
  await using cluster = new TestCluster();
  const owner = await cluster.create(ReplicaSet, {
    ...named('owner'),
    spec: { replicas: 1, selector: {}, template: { spec: { containers: [] } } },
  });
  const reference = ownedBy(ReplicaSet, owner, { blockOwnerDeletion: true, controller: true });
  const pod = await cluster.create(Pod, { ...named('pod', reference), spec: { nodeName: 'n', containers: [] } });
  await cluster.create(Secret, named('secret', reference));
  await cluster.create(Secret, named('secret-of-pod', ownedBy(Pod, pod, { blockOwnerDeletion: true })));
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  await deleteIt(cluster, ReplicaSet, 'owner', 'Foreground');
  assert.deepEqual(names(cluster, ReplicaSet, Pod, Secret), ['owner', 'pod']);
  assert.ok(cluster.get(Pod, 'pod')?.metadata?.deletionTimestamp);
  cluster.finishDeletions();
  await cluster.settle();
  assert.deepEqual(names(cluster, ReplicaSet, Pod, Secret), []);
});

test('orphaning frees the dependents, and only then lets the owner go', async () => {
  await using cluster = new TestCluster();
  const owner = await cluster.create(ConfigMap, named('owner'));
  for (const name of ['x', 'y']) await cluster.create(Secret, named(name, ownedBy(ConfigMap, owner)));
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  await deleteIt(cluster, ConfigMap, 'owner', 'Orphan');
  assert.deepEqual(names(cluster, ConfigMap), []);
  assert.deepEqual(
    cluster.client.all(Secret).map(({ metadata }) => metadata?.ownerReferences),
    [[], []],
  );
});

test('owners in a circle do not wait for each other for ever', async () => {
  await using cluster = new TestCluster();
  const blocking = { blockOwnerDeletion: true };
  const a = await cluster.create(ConfigMap, named('a'));
  const b = await cluster.create(ConfigMap, named('b', ownedBy(ConfigMap, a, blocking)));
  await cluster.change(ConfigMap, 'a', (each) => ({
    ...each,
    metadata: { ...each.metadata, ownerReferences: [ownedBy(ConfigMap, b, blocking)] },
  }));
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  await deleteIt(cluster, ConfigMap, 'a', 'Foreground');
  assert.deepEqual(names(cluster, ConfigMap), []);
});

test('owners of the whole cluster count; owners of unknown kinds are left alone', async () => {
  await using cluster = new TestCluster();
  const node = await cluster.create(Node, { metadata: { name: 'n' }, spec: {} });
  const strange = { apiVersion: 'x.io/v1', kind: 'X', name: 'x', uid: 'u' };
  await cluster.create(Secret, named('of-node', ownedBy(Node, node)));
  await cluster.create(Secret, named('strange', strange));
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  cluster.client.remove(Node, { name: 'n' });
  await cluster.settle();
  assert.deepEqual(names(cluster, Secret), ['strange']);
});

test('a storm of deletions leaves nothing behind', async () => {
  await using cluster = new TestCluster();
  for (let i = 0; i < 20; i++) {
    const owner = await cluster.create(ConfigMap, named(`o${i}`));
    for (let j = 0; j < 10; j++) await cluster.create(Secret, named(`s${i}-${j}`, ownedBy(ConfigMap, owner)));
  }
  await cluster.run([garbageCollector(fixedKinds(kinds))]);
  const policies = ['Foreground', 'Background'] as const;
  for (let i = 0; i < 20; i++) {
    const propagationPolicy = policies[i % 2] ?? 'Background';
    await cluster.client.delete(
      ConfigMap,
      { namespace: 'ns', name: `o${i}` },
      { signal: cluster.signal, propagationPolicy },
    );
  }
  await cluster.settle(60_000);
  assert.deepEqual(names(cluster, Secret, ConfigMap), []);
});

test('judge() keeps what has a living owner and tells why the rest goes', () => {
  const reference = (uid: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid });
  assert.deepEqual(judge([[reference('a'), 'present']]), { do: 'keep' });
  assert.deepEqual(
    judge([
      [reference('a'), 'unknown'],
      [reference('b'), 'absent'],
    ]),
    {
      do: 'disown',
      references: [reference('a')],
    },
  );
  assert.deepEqual(
    judge([
      [reference('a'), 'waiting'],
      [reference('b'), 'absent'],
    ]),
    { do: 'delete', because: 'waiting' },
  );
  assert.deepEqual(judge([[reference('a'), 'absent']]), { do: 'delete', because: 'absent' });
});
