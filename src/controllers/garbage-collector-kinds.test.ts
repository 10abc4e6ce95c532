import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Event } from '#api/core/event.ts';
import { Node } from '#api/core/node.ts';
import { Secret } from '#api/core/secret.ts';
import type { KindSource } from '#client/kind-source.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, OwnerReference } from '#machinery/object.ts';
import { garbageCollector } from './garbage-collector.ts';
import { TestCluster } from './testing/test-cluster.ts';

/** A kind as a definition would make it. */
const widget = (version: string): Kind => ({
  ...ConfigMap,
  group: 'example.com',
  version,
  kind: 'Widget',
  plural: 'widgets',
  singular: 'widget',
});

class ChangingKinds implements KindSource {
  kinds: readonly Kind[];
  #handlers = new Set<() => void>();
  constructor(kinds: readonly Kind[]) {
    this.kinds = kinds;
  }
  set(kinds: readonly Kind[]): void {
    this.kinds = kinds;
    for (const handler of this.#handlers) handler();
  }
  onChange(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }
}

const ownedBy = (kind: Kind, { metadata }: ApiObject, more: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: apiVersionOf(kind),
  kind: kind.kind,
  name: metadata?.name ?? '',
  uid: metadata?.uid ?? '',
  ...more,
});
const named = (name: string, ownerReferences: readonly OwnerReference[] = [], namespace = 'ns') => ({
  metadata: { name, namespace, ownerReferences },
});
const names = (cluster: TestCluster, kind: Kind) => cluster.client.all(kind).map(({ metadata }) => metadata?.name);

test('objects of kinds that come later own and are owned, and stay when their kind takes another form', async () => {
  await using cluster = new TestCluster();
  const source = new ChangingKinds([ConfigMap, Secret]);
  await cluster.run([garbageCollector(source)]);
  const v1 = widget('v1');
  const owner = await cluster.create(v1, named('owner'));
  await cluster.create(Secret, named('of-widget', [ownedBy(v1, owner)]));
  const map = await cluster.create(ConfigMap, named('map'));
  await cluster.create(v1, named('of-map', [ownedBy(ConfigMap, map)]));
  await cluster.settle();
  assert.deepEqual(names(cluster, Secret), ['of-widget'], 'of an unknown kind nothing is known');

  source.set([ConfigMap, Secret, v1]);
  await cluster.settle();
  const v2 = widget('v1beta1');
  source.set([ConfigMap, Secret, v2]);
  await cluster.settle();
  source.set([ConfigMap, Secret, v1]);
  await cluster.settle();
  assert.deepEqual([names(cluster, Secret), names(cluster, v1)], [['of-widget'], ['owner', 'of-map']]);

  const gone = { signal: cluster.signal };
  await cluster.client.delete(ConfigMap, { namespace: 'ns', name: 'map' }, gone);
  await cluster.settle();
  assert.deepEqual(names(cluster, v1), ['owner']);
  await cluster.client.delete(v1, { namespace: 'ns', name: 'owner' }, gone);
  await cluster.settle();
  assert.deepEqual(names(cluster, Secret), []);
});

test('an owner of a kind without objects is asked for where it would be', async () => {
  await using cluster = new TestCluster();
  const v1 = widget('v1');
  const source: KindSource = {
    kinds: [ConfigMap, Secret],
    onChange: () => ({ [Symbol.dispose]() {} }),
    find: (group, kind) => (group === 'example.com' && kind === 'Widget' ? v1 : undefined),
  };
  const owner = await cluster.create(v1, named('owner'));
  await cluster.create(Secret, named('of-none', [ownedBy(v1, { metadata: { name: 'gone', uid: 'gone' } })]));
  await cluster.create(Secret, named('of-owner', [ownedBy(v1, owner)]));
  await cluster.create(Secret, named('of-unknown', [{ ...ownedBy(v1, owner), kind: 'Gadget' }]));
  await cluster.run([garbageCollector(source)]);
  assert.deepEqual(names(cluster, Secret), ['of-owner', 'of-unknown']);
});

test('an owner in another namespace is none, which is told', async () => {
  await using cluster = new TestCluster();
  const elsewhere = await cluster.create(ConfigMap, named('owner', [], 'elsewhere'));
  const { uid } = await cluster
    .create(Secret, named('astray', [ownedBy(ConfigMap, elsewhere)]))
    .then(({ metadata }) => metadata ?? {});
  await cluster.create(Node, {
    metadata: { name: 'cluster-wide', ownerReferences: [ownedBy(ConfigMap, elsewhere)] },
    spec: {},
  });
  await cluster.create(Secret, named('right', [ownedBy(ConfigMap, elsewhere)], 'elsewhere'));
  await cluster.run([
    garbageCollector({ kinds: [ConfigMap, Secret, Node], onChange: () => ({ [Symbol.dispose]() {} }) }),
  ]);
  await cluster.settle(20 * 60_000);
  assert.deepEqual(names(cluster, Secret), ['right']);
  assert.deepEqual(names(cluster, Node), ['cluster-wide'], 'kept: its reference means nothing');
  const told = cluster.client
    .all(Event)
    .map(({ reason, message, involvedObject, count }) => [
      involvedObject.kind,
      involvedObject.name,
      reason,
      message,
      count,
    ]);
  const ofOwner = (namespace: string) =>
    `ownerRef [v1/ConfigMap, namespace: ${namespace}, name: owner, uid: ${elsewhere.metadata?.uid}] does not exist in namespace "${namespace}"`;
  assert.deepEqual(
    told.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    [
      ['Node', 'cluster-wide', 'OwnerRefInvalidNamespace', ofOwner(''), 1],
      ['Secret', 'astray', 'OwnerRefInvalidNamespace', ofOwner('ns'), 1],
    ],
  );
  assert.notEqual(uid, undefined);
});
