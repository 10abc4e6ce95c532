import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import type { Scale } from '#api/autoscaling/scale.ts';
import type { Binding } from '#api/core/binding.ts';
import { Event as CoreEvent } from '#api/core/event.ts';
import { Event as EventsEvent } from '#api/events/event.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import type { Eviction } from '#api/policy/eviction.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { VirtualClock } from '#lib/clock.ts';
import type { Kind } from '#machinery/kind.ts';
import { hasReason, type StatusReason } from '#machinery/status-error.ts';
import type { ApiObject } from '#machinery/object.ts';
import { InProcessClient } from './in-process-client.ts';
import { admin, testApi, type TestServerOptions } from './testing.ts';

async function open(options: TestServerOptions = {}) {
  const api = await testApi(options);
  return {
    api,
    client: new InProcessClient(api, { user: admin }),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace: 'a' },
  data,
});
const pod = (name: string, more: object = {}): Pod => ({
  metadata: { name, namespace: 'a', labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image: 'nginx' }], ...more },
});
const fails = (reason: StatusReason, text?: RegExp) => (error: unknown) =>
  hasReason(error, reason) && (text === undefined || text.test(error.message));

test('create() fills in what only the server sets, and nothing a client may not', async ({ signal }) => {
  await using cluster = await open({ clock: new VirtualClock(Date.UTC(2026, 0, 1)), newUid: () => 'uid-1' });
  const made = await cluster.client.create(
    ConfigMap,
    { metadata: { name: 'x', namespace: 'a', uid: 'mine', generation: 7, selfLink: '/x' }, data: { k: 'v' } },
    { signal },
  );
  assert.deepEqual(made, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'x',
      namespace: 'a',
      uid: 'uid-1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      resourceVersion: '1',
      managedFields: [
        {
          manager: 'admin',
          operation: 'Update',
          apiVersion: 'v1',
          time: '2026-01-01T00:00:00Z',
          fieldsType: 'FieldsV1',
          fieldsV1: { 'f:data': { '.': {}, 'f:k': {} } },
        },
      ],
    },
    data: { k: 'v' },
  });
  assert.deepEqual(await cluster.client.get(ConfigMap, { namespace: 'a', name: 'x' }, { signal }), made);
});

test('create() refuses a name that is taken, and finds another for generateName', async ({ signal }) => {
  let drawn = 0;
  // The first two names drawn are the same.
  await using cluster = await open({ random: () => (drawn++ < 10 ? 0 : 0.99) });
  await cluster.client.create(ConfigMap, configMap('x'), { signal });
  await assert.rejects(
    cluster.client.create(ConfigMap, configMap('x'), { signal }),
    fails('AlreadyExists', /configmaps "x" already exists/),
  );
  const generated = { metadata: { generateName: 'g-', namespace: 'a' } };
  const first = await cluster.client.create(ConfigMap, generated, { signal });
  const second = await cluster.client.create(ConfigMap, generated, { signal });
  assert.match(first.metadata?.name ?? '', /^g-.{5}$/);
  assert.notEqual(first.metadata?.name, second.metadata?.name);
});

test('create() names every field that is wrong', async ({ signal }) => {
  await using cluster = await open();
  const bad: Pod = { metadata: { name: 'Bad_Name', namespace: 'a', labels: { 'a b': 'c' } }, spec: { containers: [] } };
  await assert.rejects(cluster.client.create(Pod, bad, { signal }), (error) => {
    assert.ok(hasReason(error, 'Invalid'));
    const fields = error.details?.causes?.map(({ field }) => field);
    assert.deepEqual(fields, ['metadata.name', 'metadata.labels', 'spec.containers']);
    return true;
  });
});

test('update() of a stale version is a Conflict; without a version the last writer wins', async ({ signal }) => {
  await using cluster = await open();
  const first = await cluster.client.create(ConfigMap, configMap('x'), { signal });
  await cluster.client.update(ConfigMap, configMap('x', { k: '1' }), { signal });
  await assert.rejects(
    cluster.client.update(ConfigMap, { ...first, data: { k: '2' } }, { signal }),
    fails('Conflict', /the object has been modified; please apply your changes to the latest version and try again/),
  );
  const last = await cluster.client.update(ConfigMap, configMap('x', { k: '3' }), { signal });
  assert.deepEqual([last.data, last.metadata?.uid], [{ k: '3' }, first.metadata?.uid]);
});

test('update() that changes nothing writes nothing, whatever the order of keys', async ({ signal }) => {
  await using cluster = await open();
  const made = await cluster.client.create(ConfigMap, configMap('x', { a: '1', b: '2' }), { signal });
  const same = await cluster.client.update(ConfigMap, configMap('x', { b: '2', a: '1' }), { signal });
  assert.equal(same.metadata?.resourceVersion, made.metadata?.resourceVersion);
});

test('patches of the same object do not lose each other', async ({ signal }) => {
  await using cluster = await open();
  await cluster.client.create(ConfigMap, configMap('x'), { signal });
  const ref = { namespace: 'a', name: 'x' };
  await Promise.all(
    ['1', '2', '3'].map((key) =>
      cluster.client.patch(ConfigMap, ref, { type: 'merge', patch: { data: { [key]: key } } }, { signal }),
    ),
  );
  assert.deepEqual((await cluster.client.get(ConfigMap, ref, { signal })).data, { 1: '1', 2: '2', 3: '3' });
});

test('a patch that names a stale version is refused', async ({ signal }) => {
  await using cluster = await open();
  await cluster.client.create(ConfigMap, configMap('x'), { signal });
  const patch = { type: 'merge', patch: { metadata: { resourceVersion: '999' }, data: { k: 'v' } } } as const;
  await assert.rejects(
    cluster.client.patch(ConfigMap, { namespace: 'a', name: 'x' }, patch, { signal }),
    fails('Conflict'),
  );
});

test('spec and status are written through doors of their own, and only the spec counts generations', async ({
  signal,
}) => {
  await using cluster = await open();
  const { client } = cluster;
  const ref = { namespace: 'a', name: 'd' };
  const deployment: Deployment = {
    metadata: ref,
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'd' } },
      template: { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
    },
  };
  const made = await client.create(Deployment, { ...deployment, status: { replicas: 9 } }, { signal });
  assert.deepEqual([made.metadata?.generation, made.status?.replicas], [1, undefined]);
  const status = await client.update(
    Deployment,
    { ...made, spec: { ...made.spec, replicas: 7 }, status: { replicas: 3 } },
    { signal, subresource: 'status' },
  );
  assert.deepEqual([status.metadata?.generation, status.spec.replicas, status.status?.replicas], [1, 1, 3]);
  const spec = await client.update(
    Deployment,
    { ...status, spec: { ...made.spec, replicas: 7 }, status: {} },
    { signal },
  );
  assert.deepEqual([spec.metadata?.generation, spec.spec.replicas, spec.status?.replicas], [2, 7, 3]);
});

test('scale shows and changes the replicas alone', async ({ signal }) => {
  await using cluster = await open();
  const client = cluster.client;
  const scaled = Deployment as unknown as Kind<Scale>;
  const ref = { namespace: 'a', name: 'd' };
  await client.create(
    Deployment,
    {
      metadata: ref,
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: 'd' } },
        template: { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    },
    { signal },
  );
  const { spec, status } = await client.get(scaled, ref, { signal, subresource: 'scale' });
  assert.deepEqual({ spec, status }, { spec: { replicas: 1 }, status: { replicas: 0, selector: 'app=d' } });
  const written = await client.patch(
    scaled,
    ref,
    { type: 'merge', patch: { spec: { replicas: 4 } } },
    { signal, subresource: 'scale' },
  );
  assert.equal(written.spec?.replicas, 4);
  const { metadata, spec: after } = await client.get(Deployment, ref, { signal });
  assert.deepEqual([metadata?.generation, after.replicas], [2, 4]);
  await assert.rejects(
    client.update(scaled, { metadata: ref, spec: { replicas: -1 } }, { signal, subresource: 'scale' }),
    fails('Invalid', /spec.replicas/),
  );
});

test('a pod is bound once, and not while it is being deleted', async ({ signal }) => {
  await using cluster = await open();
  const bindings = Pod as unknown as Kind<Binding>;
  const bind = (name: string, node: string) =>
    cluster.client.create(
      bindings,
      {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace: 'a', annotations: { why: 'x' } },
        target: { kind: 'Node', name: node },
      },
      { signal, subresource: 'binding' },
    );
  await cluster.client.create(Pod, pod('p'), { signal });
  await bind('p', 'n1');
  const { spec, status, metadata } = await cluster.client.get(Pod, { namespace: 'a', name: 'p' }, { signal });
  assert.equal(spec.nodeName, 'n1');
  assert.deepEqual(metadata?.annotations, { why: 'x' });
  assert.deepEqual(
    status?.conditions?.map(({ type, status: is }) => [type, is]),
    [['PodScheduled', 'True']],
  );
  await assert.rejects(bind('p', 'n2'), fails('Conflict', /pod p is already assigned to node "n1"/));
  await cluster.client.create(
    Pod,
    { ...pod('q'), metadata: { name: 'q', namespace: 'a', finalizers: ['example.com/f'] } },
    { signal },
  );
  await cluster.client.delete(Pod, { namespace: 'a', name: 'q' }, { signal });
  await assert.rejects(bind('q', 'n1'), fails('Conflict', /is being deleted/));
});

test('ephemeral containers and new sizes come through doors of their own, and nothing else comes with them', async ({
  signal,
}) => {
  await using cluster = await open();
  const { client } = cluster;
  const ref = { namespace: 'a', name: 'p' };
  const sized = (cpu: string) => [{ name: 'c', image: 'nginx', resources: { requests: { cpu } } }];
  const made = await client.create(Pod, pod('p', { containers: sized('100m') }), { signal });
  const debug = { spec: { ephemeralContainers: [{ name: 'debug', image: 'busybox' }], nodeName: 'elsewhere' } };
  const debugged = await client.patch(
    Pod,
    ref,
    { type: 'strategic', patch: debug },
    { signal, subresource: 'ephemeralcontainers' },
  );
  assert.deepEqual(
    debugged.spec.ephemeralContainers?.map(({ name }) => name),
    ['debug'],
  );
  assert.equal(debugged.spec.nodeName, undefined);
  const resized = await client.patch(
    Pod,
    ref,
    { type: 'strategic', patch: { spec: { containers: sized('200m') } } },
    { signal, subresource: 'resize' },
  );
  assert.deepEqual(resized.spec.containers[0]?.resources?.requests, { cpu: '200m' });
  assert.equal(resized.metadata?.generation, 3);
  await assert.rejects(
    client.update(Pod, { ...made, metadata: ref, spec: { ...made.spec, containers: sized('300m') } }, { signal }),
    fails('Invalid', /pod updates may not change fields other than/),
  );
});

test('evictions stop when the budget is used up', async ({ signal }) => {
  await using cluster = await open();
  const { client } = cluster;
  const evict = (name: string) =>
    client.create(
      // oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- tsc does need it
      Pod as unknown as Kind<Eviction>,
      { metadata: { name, namespace: 'a' } },
      {
        signal,
        subresource: 'eviction',
      },
    );
  for (const name of ['p', 'q']) {
    const made = await client.create(Pod, pod(name, { nodeName: 'n' }), { signal });
    const status = { ...made.status, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    await client.update(Pod, { ...made, status }, { signal, subresource: 'status' });
  }
  const budget = await client.create(
    PodDisruptionBudget,
    { metadata: { name: 'b', namespace: 'a' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } } },
    { signal },
  );
  await assert.rejects(evict('p'), fails('TooManyRequests', /Cannot evict pod/));
  const status = {
    currentHealthy: 2,
    desiredHealthy: 1,
    disruptionsAllowed: 1,
    expectedPods: 2,
    observedGeneration: 1,
  };
  await client.update(PodDisruptionBudget, { ...budget, status }, { signal, subresource: 'status' });
  await evict('p');
  await assert.rejects(evict('q'), (error) => {
    assert.ok(hasReason(error, 'TooManyRequests'));
    assert.deepEqual(error.details?.causes, [
      { reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 2 currently' },
    ]);
    return true;
  });
  const { metadata } = await client.get(Pod, { namespace: 'a', name: 'p' }, { signal });
  assert.notEqual(metadata?.deletionTimestamp, undefined);
});

test('an object with finalizers goes when the last of them is taken away', async ({ signal }) => {
  await using cluster = await open();
  const { client } = cluster;
  const ref = { namespace: 'a', name: 'x' };
  await client.create(ConfigMap, { metadata: { ...ref, finalizers: ['example.com/f'] } }, { signal });
  const dying = (await client.delete(ConfigMap, ref, { signal })) as ConfigMap;
  assert.notEqual(dying.metadata?.deletionTimestamp, undefined);
  await assert.rejects(
    client.patch(
      ConfigMap,
      ref,
      { type: 'merge', patch: { metadata: { finalizers: ['example.com/f', 'example.com/g'] } } },
      { signal },
    ),
    fails('Invalid', /no new finalizers can be added if the object is being deleted/),
  );
  await client.patch(ConfigMap, ref, { type: 'merge', patch: { metadata: { finalizers: null } } }, { signal });
  await assert.rejects(client.get(ConfigMap, ref, { signal }), fails('NotFound'));
});

test('deletions obey their preconditions', async ({ signal }) => {
  await using cluster = await open();
  const ref = { namespace: 'a', name: 'x' };
  await cluster.client.create(ConfigMap, configMap('x'), { signal });
  await assert.rejects(
    cluster.client.delete(ConfigMap, ref, { signal, preconditions: { uid: 'other' } }),
    fails('Conflict', /Precondition failed: UID in precondition: other/),
  );
  const answer = await cluster.client.delete(ConfigMap, ref, { signal });
  assert.equal(answer.kind, 'Status');
});

test('a dry run answers as if it had been done, and does nothing', async ({ signal }) => {
  await using cluster = await open();
  const { client } = cluster;
  const ref = { namespace: 'a', name: 'x' };
  await client.create(ConfigMap, configMap('x', { k: '1' }), { signal });
  await assert.rejects(client.create(ConfigMap, configMap('x'), { signal, dryRun: true }), fails('AlreadyExists'));
  const made = await client.create(ConfigMap, configMap('y'), { signal, dryRun: true });
  assert.notEqual(made.metadata?.uid, undefined);
  const patched = await client.patch(
    ConfigMap,
    ref,
    { type: 'merge', patch: { data: { k: '2' } } },
    { signal, dryRun: true },
  );
  assert.deepEqual(patched.data, { k: '2' });
  await client.delete(ConfigMap, ref, { signal, dryRun: true });
  const { items } = await client.list(ConfigMap, { signal });
  assert.deepEqual(
    items.map(({ metadata, data }) => [metadata?.name, data]),
    [['x', { k: '1' }]],
  );
});

test('deleteCollection() deletes what the selector means and nothing else', async ({ signal }) => {
  await using cluster = await open();
  const { client } = cluster;
  for (const name of ['x', 'y', 'z']) {
    await client.create(
      ConfigMap,
      { metadata: { name, namespace: 'a', labels: { group: name === 'z' ? 'keep' : 'go' } } },
      { signal },
    );
  }
  await client.deleteCollection(ConfigMap, { namespace: 'a', labelSelector: 'group=go', signal });
  const { items } = await client.list(ConfigMap, { signal });
  assert.deepEqual(
    items.map(({ metadata }) => metadata?.name),
    ['z'],
  );
});

test('an object above the size limit is refused by name', async ({ signal }) => {
  await using cluster = await open();
  const large = pod('x', { containers: [{ name: 'c', image: 'nginx', args: ['x'.repeat(1_600_000)] }] });
  await assert.rejects(
    cluster.client.create(Pod, large, { signal }),
    fails('RequestEntityTooLarge', /Pod "x" is too large/),
  );
});

test('watch() starts with what is there, goes on with every change, and hands out the objects that list() does', async ({
  signal,
}) => {
  await using cluster = await open();
  const { client } = cluster;
  await client.create(ConfigMap, configMap('x'), { signal });
  const events: [string, string | undefined, string | undefined][] = [];
  const objects: ApiObject[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const event of client.watch(ConfigMap, { signal: AbortSignal.any([signal, stop.signal]) })) {
      const { metadata } = event.object as ConfigMap;
      events.push([event.type, metadata?.name, metadata?.resourceVersion]);
      objects.push(event.object);
      if (event.type === 'ADDED' && metadata?.name === 'x') await client.create(ConfigMap, configMap('y'), { signal });
      if (event.type === 'ADDED' && metadata?.name === 'y')
        await client.update(ConfigMap, configMap('y', { k: 'v' }), { signal });
      if (event.type === 'MODIFIED') await client.delete(ConfigMap, { namespace: 'a', name: 'x' }, { signal });
      if (event.type === 'DELETED') stop.abort();
    }
  })();
  await watching;
  assert.deepEqual(events, [
    ['ADDED', 'x', '1'],
    ['ADDED', 'y', '2'],
    ['MODIFIED', 'y', '3'],
    ['DELETED', 'x', '4'],
  ]);
  const { items } = await client.list(ConfigMap, { signal });
  assert.equal(items[0], objects[2]);
});

test('an event is the same object in both of its groups', async ({ signal }) => {
  await using cluster = await open();
  const { client } = cluster;
  const reported: EventsEvent = {
    metadata: { name: 'e', namespace: 'a' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/c',
    reportingInstance: 'c-1',
    action: 'Look',
    reason: 'Seen',
    note: 'It was seen.',
    type: 'Normal',
    regarding: { kind: 'Pod', name: 'p', namespace: 'a' },
  };
  // Lists and watches in this process leave out who manages what.
  const { metadata: whole, ...fields } = await client.create(EventsEvent, reported, { signal });
  const { managedFields, ...shown } = whole ?? {};
  assert.equal(managedFields?.length, 1);
  const made = { ...fields, metadata: shown };
  assert.deepEqual([made.kind, made.apiVersion, made.note], ['Event', 'events.k8s.io/v1', 'It was seen.']);
  const { items } = await client.list(CoreEvent, { signal, fieldSelector: 'involvedObject.name=p' });
  assert.deepEqual(
    items.map(({ apiVersion, message, involvedObject, metadata }) => [
      apiVersion,
      message,
      involvedObject.name,
      metadata.uid,
    ]),
    [['v1', 'It was seen.', 'p', made.metadata?.uid]],
  );
  const found = await client.list(EventsEvent, { signal, fieldSelector: 'regarding.name=p' });
  assert.deepEqual(found.items, [made]);
  for await (const { type, object } of client.watch(EventsEvent, { signal, fieldSelector: 'regarding.kind=Pod' })) {
    assert.deepEqual([type, object], ['ADDED', made]);
    break;
  }
  const ref = { namespace: 'a', name: 'e' };
  const patch = {
    type: 'merge',
    patch: { series: { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' } },
  } as const;
  assert.equal((await client.patch(EventsEvent, ref, patch, { signal })).series?.count, 2);
  assert.equal((await client.get(CoreEvent, ref, { signal })).series?.count, 2);
  await client.delete(EventsEvent, ref, { signal });
  assert.deepEqual((await client.list(CoreEvent, { signal })).items, []);
});

test('a namespace stays until it is finalized', async ({ signal }) => {
  await using cluster = await open();
  const { client } = cluster;
  await client.create(Namespace, { metadata: { name: 'n' }, spec: {} }, { signal });
  const dying = (await client.delete(Namespace, { name: 'n' }, { signal })) as Namespace;
  assert.equal(dying.status?.phase, 'Terminating');
  await client.update(Namespace, { ...dying, spec: { finalizers: [] } }, { signal, subresource: 'finalize' });
  await assert.rejects(client.get(Namespace, { name: 'n' }, { signal }), fails('NotFound'));
});

test('as() asks the authorizer about the other identity', async ({ signal }) => {
  await using cluster = await open({
    authorizer: { authorize: async ({ user }) => ({ allowed: user.username === 'admin', reason: '' }) },
  });
  const bob = cluster.client.as({ username: 'bob', groups: [] });
  await cluster.client.list(Pod, { signal });
  await assert.rejects(
    bob.list(Pod, { signal, namespace: 'y' }),
    fails(
      'Forbidden',
      /^pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "y"$/,
    ),
  );
  await assert.rejects(
    bob.get(Deployment, { namespace: 'y', name: 'd' }, { signal, subresource: 'scale' }),
    fails(
      'Forbidden',
      /^deployments.apps "d" is forbidden: User "bob" cannot get resource "deployments\/scale" in API group "apps" in the namespace "y"$/,
    ),
  );
});
