import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { fixedKinds } from '#client/kind-source.ts';
import { namespaceController } from './namespace.ts';
import { TestCluster } from './testing/test-cluster.ts';

const kinds = [ConfigMap, Node, Pod, Secret, Namespace];

test('a namespace goes away pods first, says what it waits for, and takes everything with it', async () => {
  await using cluster = new TestCluster();
  await cluster.create(Namespace, { metadata: { name: 'ns' }, spec: { finalizers: ['kubernetes'] } });
  await cluster.create(Pod, { metadata: { name: 'p', namespace: 'ns' }, spec: { nodeName: 'n', containers: [] } });
  await cluster.create(Secret, { metadata: { name: 's', namespace: 'ns' } });
  await cluster.create(ConfigMap, { metadata: { name: 'held', namespace: 'ns', finalizers: ['example.com/x'] } });
  await cluster.create(ConfigMap, { metadata: { name: 'other', namespace: 'elsewhere' } });
  await cluster.run([namespaceController(fixedKinds(kinds))]);
  assert.equal(cluster.client.all(Secret).length, 1);
  await cluster.client.delete(Namespace, { name: 'ns' }, { signal: cluster.signal });
  await cluster.settle();
  const condition = (type: string) => {
    const found = cluster.get(Namespace, 'ns')?.status?.conditions?.find((each) => each.type === type);
    return `${found?.status} ${found?.reason}: ${found?.message}`;
  };
  assert.equal(cluster.client.all(Secret).length, 1, 'secrets stay until the pods are gone');
  assert.equal(
    condition('NamespaceContentRemaining'),
    'True SomeResourcesRemain: Some resources are remaining: pods. has 1 resource instances',
  );
  cluster.finishDeletions();
  await cluster.settle(5000);
  assert.deepEqual(cluster.client.all(Secret), []);
  assert.equal(
    condition('NamespaceContentRemaining'),
    'True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances',
  );
  assert.equal(
    condition('NamespaceFinalizersRemaining'),
    'True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances',
  );
  cluster.client.remove(ConfigMap, { namespace: 'ns', name: 'held' });
  await cluster.settle(20_000);
  assert.deepEqual(cluster.get(Namespace, 'ns')?.spec.finalizers, []);
  assert.equal(cluster.client.all(ConfigMap).length, 1);
});

test('a namespace waits for groups whose kinds cannot be told, and says so', async () => {
  await using cluster = new TestCluster();
  const source = {
    ...fixedKinds(kinds),
    failures: ['metrics.k8s.io/v1beta1: the server is currently unable to handle the request'],
  };
  await cluster.create(Namespace, { metadata: { name: 'ns' }, spec: { finalizers: ['kubernetes'] } });
  await cluster.create(ConfigMap, { metadata: { name: 'c', namespace: 'ns' } });
  await cluster.run([namespaceController(source)]);
  await cluster.client.delete(Namespace, { name: 'ns' }, { signal: cluster.signal });
  await cluster.settle();
  const { status, spec } = cluster.get(Namespace, 'ns') ?? {};
  const [condition] = status?.conditions?.filter(({ type }) => type === 'NamespaceDeletionDiscoveryFailure') ?? [];
  assert.deepEqual(
    [condition?.status, condition?.reason, condition?.message],
    [
      'True',
      'DiscoveryFailed',
      'Discovery failed for some groups, 1 failing: metrics.k8s.io/v1beta1: the server is currently unable to handle the request',
    ],
  );
  assert.deepEqual(cluster.client.all(ConfigMap), [], 'what is known goes all the same');
  assert.deepEqual(spec?.finalizers, ['kubernetes']);
  source.failures.length = 0;
  await cluster.settle(60_000);
  assert.deepEqual(cluster.get(Namespace, 'ns')?.spec.finalizers, []);
});
