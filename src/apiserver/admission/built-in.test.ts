import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { VirtualClock } from '#lib/clock.ts';
import { hasReason } from '#machinery/status-error.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testApi } from '../testing.ts';
import { builtInAdmission } from './built-in.ts';
import { withDefaultTolerations } from './default-toleration-seconds.ts';
import { withAccount } from './service-account.ts';

const pod = (spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'a' },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

async function open(signal: AbortSignal) {
  const clock = new VirtualClock();
  const api = await testApi({ clock, admission: (registry) => builtInAdmission(registry, { clock, random: () => 0 }) });
  const client = new InProcessClient(api, { user: admin });
  await client.create(Namespace, { metadata: { name: 'a' }, spec: {} }, { signal });
  return { client, clock, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}
const account = (name: string): ServiceAccount => ({ metadata: { name, namespace: 'a' } });

test('a pod waits a moment for the default account of a new namespace', async ({ signal }) => {
  await using cluster = await open(signal);
  const created = cluster.client.create(Pod, pod(), { signal });
  await cluster.client.create(ServiceAccount, account('default'), { signal });
  assert.equal((await created).spec.serviceAccountName, 'default');
});

test('a pod whose account does not come is refused', async ({ signal }) => {
  await using cluster = await open(signal);
  const refused = assert.rejects(
    cluster.client.create(Pod, pod(), { signal }),
    (error) => hasReason(error, 'Forbidden') && error.message.includes('serviceaccount "default" not found'),
  );
  await cluster.clock.advance(2_000);
  await refused;
  await assert.rejects(
    cluster.client.create(Pod, pod({ serviceAccountName: 'x' }), { signal }),
    /serviceaccount "x" not found/,
  );
});

test('withAccount() mounts the token everywhere, but not over what is there nor where it is not wanted', () => {
  const mount = { name: 'mine', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
  const { spec } = withAccount(
    pod({
      containers: [
        { name: 'c', image: 'i' },
        { name: 'd', image: 'i', volumeMounts: [mount] },
      ],
      initContainers: [{ name: 'i', image: 'i' }],
    }),
    { ...account('x'), imagePullSecrets: [{ name: 'pull' }] },
    'abcde',
  );
  const token = { name: 'kube-api-access-abcde', readOnly: true, mountPath: mount.mountPath };
  assert.deepEqual(
    spec.containers.map(({ volumeMounts }) => volumeMounts),
    [[token], [mount]],
  );
  assert.deepEqual(spec.initContainers?.[0]?.volumeMounts, [token]);
  assert.deepEqual(
    spec.volumes?.map(({ name }) => name),
    ['kube-api-access-abcde'],
  );
  assert.deepEqual(spec.imagePullSecrets, [{ name: 'pull' }]);
  assert.equal(
    withAccount(pod(), { ...account('x'), automountServiceAccountToken: false }, 'x').spec.volumes,
    undefined,
  );
  const asked = withAccount(
    pod({ automountServiceAccountToken: true }),
    { ...account('x'), automountServiceAccountToken: false },
    'x',
  );
  assert.equal(asked.spec.volumes?.length, 1);
});

test('withDefaultTolerations() adds what the pod says nothing about', () => {
  const keys = (tolerations: Pod['spec']['tolerations']) =>
    withDefaultTolerations(pod(tolerations === undefined ? {} : { tolerations })).spec.tolerations?.map(
      ({ key, tolerationSeconds }) => [key, tolerationSeconds],
    );
  assert.deepEqual(keys(undefined), [
    ['node.kubernetes.io/not-ready', 300],
    ['node.kubernetes.io/unreachable', 300],
  ]);
  assert.deepEqual(
    keys([{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }]),
    [
      ['node.kubernetes.io/not-ready', 5],
      ['node.kubernetes.io/unreachable', 300],
    ],
  );
  assert.deepEqual(keys([{ operator: 'Exists' }]), [[undefined, undefined]]);
});

test('a priority class becomes a priority; unknown ones, other numbers and a second default are refused', async ({
  signal,
}) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await client.create(ServiceAccount, account('default'), { signal });
  const make = (name: string, spec: Partial<Pod['spec']>) =>
    client.create(Pod, { ...pod(spec), metadata: { name, namespace: 'a' } }, { signal });
  assert.deepEqual((await make('plain', {})).spec.priority, 0);
  assert.equal((await make('node', { priorityClassName: 'system-node-critical' })).spec.priority, 2_000_001_000);
  await client.create(
    PriorityClass,
    { metadata: { name: 'high' }, value: 100, globalDefault: true, preemptionPolicy: 'Never' },
    { signal },
  );
  const { spec } = await make('high', {});
  assert.deepEqual([spec.priorityClassName, spec.priority, spec.preemptionPolicy], ['high', 100, 'Never']);
  await assert.rejects(make('x', { priorityClassName: 'none' }), /no PriorityClass with name none was found/);
  await assert.rejects(make('x', { priority: 7 }), /must not be provided in pod spec/);
  await assert.rejects(
    client.create(PriorityClass, { metadata: { name: 'other' }, value: 1, globalDefault: true }, { signal }),
    /high has already been marked as default/,
  );
});
