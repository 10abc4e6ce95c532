import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Binding } from '#api/core/binding.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { Ingress } from '#api/networking/ingress.ts';
import { IngressClass } from '#api/networking/ingress-class.ts';
import { RuntimeClass } from '#api/node/runtime-class.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { VirtualClock } from '#lib/clock.ts';
import type { ApiObject } from '#machinery/object.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testApi } from '../testing.ts';
import { builtInAdmission } from './built-in.ts';

async function open(signal: AbortSignal) {
  const clock = new VirtualClock();
  const api = await testApi({ clock, admission: (registry) => builtInAdmission(registry, { clock, random: () => 0 }) });
  const client = new InProcessClient(api, { user: admin });
  await client.create(Namespace, { metadata: { name: 'a' }, spec: {} }, { signal });
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'a' } }, { signal });
  return { client, clock, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

const claim = (name: string, spec: Partial<PersistentVolumeClaim['spec']> = {}): PersistentVolumeClaim => ({
  metadata: { name, namespace: 'a' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const storageClass = (name: string, isDefault: boolean, allowVolumeExpansion = false): StorageClass => ({
  metadata: { name, annotations: { 'storageclass.kubernetes.io/is-default-class': String(isDefault) } },
  provisioner: 'example.com/p',
  allowVolumeExpansion,
});
const pod = (name: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name, namespace: 'a' },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

test('a claim without a class gets the newest default one, and a finalizer', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client, clock } = cluster;
  const classOf = async (wish: PersistentVolumeClaim) =>
    (await client.create(PersistentVolumeClaim, wish, { signal })).spec.storageClassName;
  assert.equal(await classOf(claim('before')), undefined);
  await client.create(StorageClass, storageClass('other', false), { signal });
  await client.create(StorageClass, storageClass('b', true), { signal });
  await client.create(StorageClass, storageClass('a', true), { signal });
  assert.equal(await classOf(claim('one')), 'a');
  await clock.advance(1_000);
  await client.create(StorageClass, storageClass('newer', true), { signal });
  assert.equal(await classOf(claim('two')), 'newer');
  assert.equal(await classOf(claim('none', { storageClassName: '' })), '');
  const made = await client.get(PersistentVolumeClaim, { namespace: 'a', name: 'one' }, { signal });
  assert.deepEqual(made.metadata?.finalizers, ['kubernetes.io/pvc-protection']);
  const volume = await client.create(
    PersistentVolume,
    {
      metadata: { name: 'v' },
      spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } },
    },
    { signal },
  );
  assert.deepEqual(volume.metadata?.finalizers, ['kubernetes.io/pv-protection']);
});

test('an ingress without a class gets the default one', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
  await client.create(
    IngressClass,
    { metadata: { name: 'n', annotations }, spec: { controller: 'e.com/c' } },
    { signal },
  );
  const ingress = (name: string, more: Partial<Ingress['spec'] & object> = {}, old = {}): Ingress => ({
    metadata: { name, namespace: 'a', annotations: old },
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } }, ...more },
  });
  const classOf = async (wish: Ingress) => (await client.create(Ingress, wish, { signal })).spec?.ingressClassName;
  assert.equal(await classOf(ingress('x')), 'n');
  assert.equal(await classOf(ingress('y', { ingressClassName: 'own' })), 'own');
  assert.equal(await classOf(ingress('z', {}, { 'kubernetes.io/ingress.class': 'old' })), undefined);
});

test('only a bound claim of a class that allows it may grow', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await client.create(StorageClass, storageClass('fixed', false), { signal });
  await client.create(StorageClass, storageClass('elastic', false, true), { signal });
  const grow = async (name: string) => {
    const made = await client.create(PersistentVolumeClaim, claim(name, { storageClassName: name }), { signal });
    const status = { phase: 'Bound', capacity: { storage: '1Gi' } };
    const bound = await client.update(PersistentVolumeClaim, { ...made, status }, { signal, subresource: 'status' });
    const spec = { ...bound.spec, resources: { requests: { storage: '2Gi' } } };
    return client.update(PersistentVolumeClaim, { ...bound, spec }, { signal });
  };
  await assert.rejects(
    grow('fixed'),
    /persistentvolumeclaims "fixed" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize/,
  );
  assert.equal((await grow('elastic')).spec.resources?.requests?.['storage'], '2Gi');
});

test('a pod runs as its runtime class says, or not at all', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await client.create(
    RuntimeClass,
    {
      metadata: { name: 'vm' },
      handler: 'vm',
      overhead: { podFixed: { memory: '64Mi' } },
      scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [{ key: 'vm', operator: 'Exists' }] },
    },
    { signal },
  );
  const { spec } = await client.create(Pod, pod('p', { runtimeClassName: 'vm', nodeSelector: { a: 'b' } }), { signal });
  assert.deepEqual(spec.overhead, { memory: '64Mi' });
  assert.deepEqual(spec.nodeSelector, { a: 'b', vm: 'yes' });
  assert.ok(spec.tolerations?.some(({ key, operator }) => key === 'vm' && operator === 'Exists'));
  const refusals: readonly (readonly [Partial<Pod['spec']>, RegExp])[] = [
    [{ runtimeClassName: 'none' }, /pods "x" is forbidden: pod rejected: RuntimeClass "none" not found/],
    [{ runtimeClassName: 'vm', overhead: { memory: '1Mi' } }, /Pod's Overhead doesn't match RuntimeClass's defined/],
    [{ overhead: { memory: '1Mi' } }, /Pod Overhead set without corresponding RuntimeClass defined Overhead/],
    [
      { runtimeClassName: 'vm', nodeSelector: { vm: 'no' } },
      /conflict: runtimeClass\.scheduling\.nodeSelector\[vm\] = yes; pod\.spec\.nodeSelector\[vm\] = no/,
    ],
  ];
  for (const [wish, says] of refusals) await assert.rejects(client.create(Pod, pod('x', wish), { signal }), says);
});

test('a new node takes no pods until it is ready', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  const taintsOf = async (node: Node) => (await client.create(Node, node, { signal })).spec.taints ?? [];
  assert.deepEqual(await taintsOf({ metadata: { name: 'n' }, spec: {} }), [
    { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
  ]);
  const conditions = [{ type: 'Ready', status: 'True' }];
  assert.deepEqual(await taintsOf({ metadata: { name: 'm' }, spec: {}, status: { conditions } }), []);
});

test('a pod carries the zone and the region of its node', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  const topology = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' };
  await client.create(Node, { metadata: { name: 'n', labels: { ...topology, other: 'x' } }, spec: {} }, { signal });
  const labelsOf = async (name: string) =>
    (await client.get(Pod, { namespace: 'a', name }, { signal })).metadata?.labels;
  await client.create(Pod, pod('placed', { nodeName: 'n' }), { signal });
  assert.deepEqual(await labelsOf('placed'), topology);
  await client.create(
    Pod,
    { ...pod('bound'), metadata: { name: 'bound', namespace: 'a', labels: { own: 'y' } } },
    { signal },
  );
  const binding: Binding = { metadata: { name: 'bound', namespace: 'a' }, target: { kind: 'Node', name: 'n' } };
  await client.create<ApiObject>(Pod, binding, { signal, subresource: 'binding' });
  assert.deepEqual(await labelsOf('bound'), { own: 'y', ...topology });
});
