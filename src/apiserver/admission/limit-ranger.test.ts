import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LimitRange } from '#api/core/limit-range.ts';
import { Namespace } from '#api/core/namespace.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { Pod } from '#api/core/pod.ts';
import type { Container, LimitRangeItem } from '#api/core/types.generated.ts';
import type { ResourceList } from '#machinery/resource-list.ts';
import { hasReason } from '#machinery/status-error.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testApi } from '../testing.ts';
import { claimComplaints, podComplaints } from './limit-range-rules.ts';
import { limitRanger } from './limit-ranger.ts';

const range = (...limits: readonly LimitRangeItem[]): LimitRange => ({
  metadata: { name: 'r', namespace: 'a' },
  spec: { limits },
});
const container = (name: string, requests: ResourceList = {}, limits: ResourceList = {}): Container => ({
  name,
  image: 'i',
  resources: { requests, limits },
});
const pod = (...containers: readonly Container[]): Pod => ({
  metadata: { name: 'p', namespace: 'a' },
  spec: { containers },
});
const claim = (storage: string): PersistentVolumeClaim => ({
  metadata: { name: 'c', namespace: 'a' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
});

async function open(signal: AbortSignal) {
  const api = await testApi({ admission: (registry) => [limitRanger(registry)] });
  const client = new InProcessClient(api, { user: admin });
  await client.create(Namespace, { metadata: { name: 'a' }, spec: {} }, { signal });
  return { client, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

const cases: readonly (readonly [item: LimitRangeItem, containers: readonly Container[], says: readonly string[]])[] = [
  [{ type: 'Container', min: { cpu: '100m' } }, [container('a', { cpu: '100m' })], []],
  [
    { type: 'Container', min: { cpu: '100m' } },
    [container('a'), container('b', { cpu: '50m' }), container('c', { cpu: '1' }, { cpu: '10m' })],
    [
      'minimum cpu usage per Container is 100m.  No request is specified',
      'minimum cpu usage per Container is 100m, but request is 50m',
      'minimum cpu usage per Container is 100m, but limit is 10m',
    ],
  ],
  [
    { type: 'Container', max: { memory: '1Gi' } },
    [container('a'), container('b', {}, { memory: '2Gi' }), container('c', { memory: '2Gi' }, { memory: '1Gi' })],
    [
      'maximum memory usage per Container is 1Gi.  No limit is specified',
      'maximum memory usage per Container is 1Gi, but limit is 2Gi',
      'maximum memory usage per Container is 1Gi, but request is 2Gi',
    ],
  ],
  [
    { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
    [
      container('a', {}, { cpu: '1' }),
      container('b', { cpu: '1' }),
      container('c', { cpu: '1' }, { cpu: '2' }),
      container('d', { cpu: '100m' }, { cpu: '250m' }),
    ],
    [
      'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
      'cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0',
      'cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000',
    ],
  ],
  [
    { type: 'Pod', max: { cpu: '1' } },
    [container('a', {}, { cpu: '600m' }), container('b', {}, { cpu: '600m' })],
    ['maximum cpu usage per Pod is 1, but limit is 1200m'],
  ],
  [{ type: 'Pod', min: { cpu: '1' } }, [container('a', { cpu: '600m' }), container('b', { cpu: '600m' })], []],
];

test('podComplaints() names what is out of range', () => {
  for (const [item, containers, says] of cases) assert.deepEqual(podComplaints(pod(...containers), range(item)), says);
});

test('podComplaints() counts the peak of the init sequence, and sidecars with the containers', () => {
  const once = { ...pod(container('a', {}, { cpu: '1' })) };
  const withInit = (init: Container) => ({ ...once, spec: { ...once.spec, initContainers: [init] } });
  const most = range({ type: 'Pod', max: { cpu: '2' } });
  assert.deepEqual(podComplaints(withInit(container('i', {}, { cpu: '2' })), most), []);
  const sidecar = { ...container('i', {}, { cpu: '1500m' }), restartPolicy: 'Always' };
  assert.deepEqual(podComplaints(withInit(sidecar), most), ['maximum cpu usage per Pod is 2, but limit is 2500m']);
});

test('claimComplaints() looks at requests alone', () => {
  const limits = range({ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } });
  assert.deepEqual(claimComplaints(claim('1Gi'), limits), []);
  assert.deepEqual(claimComplaints(claim('1Mi'), limits), [
    'minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi',
  ]);
  assert.deepEqual(claimComplaints(claim('3Gi'), limits), [
    'maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
  ]);
});

test('a new pod gets the defaults of its namespace, and is told of them', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await client.create(
    LimitRange,
    range({
      type: 'Container',
      default: { cpu: '500m', memory: '1Gi' },
      defaultRequest: { cpu: '100m' },
      max: { cpu: '1' },
    }),
    { signal },
  );
  const wish: Pod = {
    ...pod(container('a'), container('b', { memory: '2Mi', cpu: '1m' }, { cpu: '1', memory: '2Mi' })),
  };
  const made = await client.create(
    Pod,
    { ...wish, spec: { ...wish.spec, initContainers: [container('i', { cpu: '2m', memory: '1Mi' })] } },
    { signal },
  );
  assert.deepEqual(
    [...made.spec.containers, ...(made.spec.initContainers ?? [])].map(({ resources }) => resources),
    [
      { requests: { cpu: '100m', memory: '1Gi' }, limits: { cpu: '500m', memory: '1Gi' } },
      { requests: { memory: '2Mi', cpu: '1m' }, limits: { cpu: '1', memory: '2Mi' } },
      { requests: { cpu: '2m', memory: '1Mi' }, limits: { cpu: '500m', memory: '1Gi' } },
    ],
  );
  assert.equal(
    made.metadata?.annotations?.['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; cpu, memory limit for init container i',
  );
  await assert.rejects(
    client.create(
      Pod,
      {
        ...pod(container('a', {}, { cpu: '2' }), container('b', {}, { cpu: '3' })),
        metadata: { name: 'q', namespace: 'a' },
      },
      { signal },
    ),
    (error) =>
      hasReason(error, 'Forbidden') &&
      error.message ===
        'pods "q" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, maximum cpu usage per Container is 1, but limit is 3]',
  );
});

test('a claim that grows out of its range is refused', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await client.create(LimitRange, range({ type: 'PersistentVolumeClaim', max: { storage: '2Gi' } }), { signal });
  await assert.rejects(client.create(PersistentVolumeClaim, claim('3Gi'), { signal }), /but request is 3Gi/);
  const made = await client.create(PersistentVolumeClaim, claim('1Gi'), { signal });
  const bound = { ...made, status: { phase: 'Bound', capacity: { storage: '1Gi' } } };
  const stored = await client.update(PersistentVolumeClaim, bound, { signal, subresource: 'status' });
  const grown = { ...stored, spec: { ...stored.spec, resources: { requests: { storage: '4Gi' } } } };
  await assert.rejects(
    client.update(PersistentVolumeClaim, grown, { signal }),
    /persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 4Gi/,
  );
});

test('a pod that is resized stays within the range', async ({ signal }) => {
  await using cluster = await open(signal);
  const { client } = cluster;
  await client.create(LimitRange, range({ type: 'Container', max: { cpu: '1' } }), { signal });
  const made = await client.create(Pod, pod(container('a', { cpu: '1' }, { cpu: '1' })), { signal });
  const resized = (cpu: string) =>
    client.update(
      Pod,
      {
        ...made,
        metadata: { name: 'p', namespace: 'a' },
        spec: { ...made.spec, containers: [container('a', { cpu }, { cpu })] },
      },
      { signal, subresource: 'resize' },
    );
  await assert.rejects(resized('2'), /pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2/);
  assert.equal((await resized('500m')).spec.containers[0]?.resources?.limits?.['cpu'], '500m');
});
