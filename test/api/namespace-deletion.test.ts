import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { Service } from '#api/core/service.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import type { Kind } from '#machinery/kind.ts';
import { hasReason } from '#machinery/status-error.ts';

/** The cases of upstream's conformance suite (test/e2e/apimachinery/namespace.go), and what it does not ask for. */

async function withNamespace(cluster: TestCluster, name: string, finalizers: readonly string[] = []): Promise<void> {
  const { client, signal } = cluster;
  await client.create(Namespace, { metadata: { name }, spec: { finalizers } }, { signal });
  await cluster.until(() =>
    client.get(ServiceAccount, { namespace: name, name: 'default' }, { signal }).then(
      () => true,
      () => false,
    ),
  );
}

const isGone = async ({ client, signal }: TestCluster, name: string) =>
  await client.get(Namespace, { name }, { signal }).then(
    () => false,
    (error: unknown) => hasReason(error, 'NotFound'),
  );
const podOf = (namespace: string, name: string, finalizers: readonly string[] = []): Pod => ({
  metadata: { name, namespace, finalizers },
  spec: { containers: [{ name: 'c', image: 'i' }] },
});

test('a namespace takes all that is in it along, and one of its name starts empty', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  await withNamespace(cluster, 'a');
  await client.create(Pod, podOf('a', 'p'), { signal });
  await client.create(
    Service,
    { metadata: { name: 's', namespace: 'a' }, spec: { ports: [{ port: 80 }] } },
    { signal },
  );
  await client.create(Secret, { metadata: { name: 's', namespace: 'a' } }, { signal });
  await client.delete(Namespace, { name: 'a' }, { signal });
  await assert.rejects(
    client.create(ConfigMap, { metadata: { name: 'late', namespace: 'a' } }, { signal }),
    (error) =>
      hasReason(error, 'Forbidden') &&
      error.message ===
        'configmaps "late" is forbidden: unable to create new content in namespace a because it is being terminated' &&
      error.details?.causes?.[0]?.reason === 'NamespaceTerminating',
  );
  await cluster.until(() => isGone(cluster, 'a'));
  await withNamespace(cluster, 'a');
  for (const kind of [Pod, Service, Secret] as readonly Kind[]) {
    assert.deepEqual((await client.list(kind, { namespace: 'a', signal })).items, []);
  }
});

test('pods go first, alone; what is left and what holds it is told in the conditions', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  await withNamespace(cluster, 'a');
  await client.create(Pod, podOf('a', 'held', ['example.com/hold']), { signal });
  await client.create(ConfigMap, { metadata: { name: 'needed', namespace: 'a' } }, { signal });
  await client.delete(Namespace, { name: 'a' }, { signal });
  const condition = async (type: string) => {
    const { status } = await client.get(Namespace, { name: 'a' }, { signal });
    const found = status?.conditions?.find((each) => each.type === type);
    return `${found?.status} ${found?.reason}: ${found?.message}`;
  };
  await cluster.advance(120_000);
  assert.equal((await client.get(Namespace, { name: 'a' }, { signal })).status?.phase, 'Terminating');
  await client.get(ConfigMap, { namespace: 'a', name: 'needed' }, { signal });
  assert.equal(
    await condition('NamespaceContentRemaining'),
    'True SomeResourcesRemain: Some resources are remaining: pods. has 1 resource instances',
  );
  assert.equal(
    await condition('NamespaceFinalizersRemaining'),
    'True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  );
  assert.equal(
    await condition('NamespaceDeletionDiscoveryFailure'),
    'False ResourcesDiscovered: All resources successfully discovered',
  );
  assert.equal(
    await condition('NamespaceDeletionContentFailure'),
    'False ContentDeleted: All content successfully deleted, may be waiting on finalization',
  );
  const patch = { metadata: { finalizers: null } };
  await client.patch(Pod, { namespace: 'a', name: 'held' }, { type: 'merge', patch }, { signal });
  await cluster.until(() => isGone(cluster, 'a'));
});

test('finalizers of others hold an empty namespace until they finalize it', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const { client, signal } = cluster;
  await withNamespace(cluster, 'a', ['example.com/mine']);
  const before = await client.get(Namespace, { name: 'a' }, { signal });
  assert.deepEqual(before.spec.finalizers, ['example.com/mine', 'kubernetes']);
  const plain = await client.update(Namespace, { ...before, spec: { finalizers: [] } }, { signal });
  assert.deepEqual(plain.spec.finalizers, before.spec.finalizers, 'only /finalize changes them');
  await client.delete(Namespace, { name: 'a' }, { signal });
  await cluster.advance(60_000);
  const empty = await client.get(Namespace, { name: 'a' }, { signal });
  assert.deepEqual(empty.spec.finalizers, ['example.com/mine']);
  await client.update(Namespace, { ...empty, spec: { finalizers: [] } }, { signal, subresource: 'finalize' });
  assert.equal(await isGone(cluster, 'a'), true);
});

test('the namespaces that hold the cluster together stay', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  for (const name of ['default', 'kube-system', 'kube-public']) {
    await assert.rejects(
      cluster.client.delete(Namespace, { name }, { signal: cluster.signal }),
      (error) =>
        hasReason(error, 'Forbidden') &&
        error.message === `namespaces "${name}" is forbidden: this namespace may not be deleted`,
    );
  }
});
