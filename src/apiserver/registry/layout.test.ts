import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import { memoryStore } from '#store/memory.ts';
import { revision, type Entry } from '#store/store.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testApi } from '../testing.ts';
import { Layout } from './layout.ts';

const encoder = new TextEncoder();
const layout = new Layout(Pod);
const ref = { namespace: 'a', name: 'p' };
const key = layout.key(ref);

const entryOf = (object: unknown): Entry => ({
  key,
  value: encoder.encode(JSON.stringify(object)),
  created: revision(7),
  modified: revision(7),
});
/** A pod as a version might have stored it that knew neither probes' defaults nor pull policies. */
const old = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'a', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {
    containers: [{ name: 'm', image: 'busybox', readinessProbe: { httpGet: { port: 80 } } }],
    fieldOfTheFuture: true,
  },
};

test('what another version stored is read with the defaults and fields of this one', () => {
  const { object, value } = layout.decode(entryOf(old));
  const [container] = object.spec?.containers ?? [];
  assert.equal(container?.imagePullPolicy, 'Always');
  assert.equal(container?.readinessProbe?.failureThreshold, 3);
  assert.equal(object.spec?.restartPolicy, 'Always');
  assert.equal(object.spec !== undefined && 'fieldOfTheFuture' in object.spec, false);
  assert.equal(object.metadata?.resourceVersion, '7');
  // The bytes that lists and watches send say the same.
  const { metadata, ...rest } = JSON.parse(Buffer.from(value).toString()) as Pod;
  assert.deepEqual({ ...rest, metadata: { ...metadata, resourceVersion: '7' } }, object);
});

test('what this version stored is kept byte by byte', () => {
  const { value } = layout.decode(entryOf(old));
  assert.equal(layout.decode({ ...entryOf(old), value }).value, value);
});

test('an object stored with fewer defaults is read, listed, watched and changed like any other', async ({ signal }) => {
  const store = memoryStore();
  await store.commit([{ do: 'put', key, value: entryOf(old).value, expect: 'absent' }], { signal });
  await using api = await testApi({ store });
  const client = new InProcessClient(api, { user: admin });
  const beforeTheCache = await client.get(Pod, ref, { signal });
  assert.equal(beforeTheCache.spec?.containers[0]?.imagePullPolicy, 'Always');
  const { items } = await client.list(Pod, { signal });
  assert.deepEqual(items, [beforeTheCache]);
  for await (const { object } of client.watch(Pod, { signal })) {
    assert.deepEqual(object, beforeTheCache);
    break;
  }
  const labelled = await client.update(
    Pod,
    { ...beforeTheCache, metadata: { ...beforeTheCache.metadata, labels: { a: 'b' } } },
    { signal },
  );
  assert.deepEqual(labelled.metadata?.labels, { a: 'b' });
  const patch = { type: 'merge', patch: { metadata: { labels: { c: 'd' } } } } as const;
  assert.deepEqual((await client.patch(Pod, ref, patch, { signal })).spec, beforeTheCache.spec);
});

test('reading changes nothing in the store: writing the same again is no write', async ({ signal }) => {
  const store = memoryStore();
  const services = new Layout(Service);
  const value = encoder.encode(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'p', namespace: 'a', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { type: 'ClusterIP', ports: [{ port: 80 }], clusterIP: 'None', clusterIPs: ['None'] },
    }),
  );
  await store.commit([{ do: 'put', key: services.key(ref), value, expect: 'absent' }], { signal });
  await using api = await testApi({ store });
  const client = new InProcessClient(api, { user: admin });
  const found = await client.get(Service, ref, { signal });
  assert.deepEqual(found.spec?.ports, [{ port: 80, protocol: 'TCP', targetPort: 80 }]);
  const again = await client.update(Service, found, { signal });
  assert.equal(again.metadata?.resourceVersion, found.metadata?.resourceVersion);
  assert.deepEqual((await store.get(services.key(ref), { signal }))?.value, value);
});
