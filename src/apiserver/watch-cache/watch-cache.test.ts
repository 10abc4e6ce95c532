import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Pod } from '#api/core/pod.ts';
import { VirtualClock, systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store } from '#store/store.ts';
import { Registry } from '../registry/registry.ts';
import type { Resource, WatchQuery } from '../registry/resource.ts';
import { selectionOf } from '../registry/selection.ts';
import { WatchRecord } from './cache-event.ts';
import { eventsMax } from './event-log.ts';
import type { Watcher } from './watcher.ts';

async function open({
  store = memoryStore(),
  clock = systemClock,
}: { store?: Store; clock?: VirtualClock | typeof systemClock } = {}) {
  const stop = new AbortController();
  const registry = new Registry({ store, clock, log: silentLog, signal: stop.signal });
  await registry.start();
  const running = registry.run();
  return {
    registry,
    store,
    maps: registry.of(ConfigMap),
    pods: registry.of(Pod),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

const map = (name: string, value = ''): ConfigMap => ({ metadata: { name, namespace: 'a' }, data: { value } });
const query = (signal: AbortSignal, more: Partial<Omit<WatchQuery<never>, 'present'>> = {}) => ({
  namespace: undefined,
  selection: selectionOf(ConfigMap, {}),
  after: undefined,
  initialEvents: false,
  allowBookmarks: false,
  signal,
  ...more,
});

/** Waits until the watcher has something, and takes it. */
async function next(watcher: Watcher<never>): Promise<string[]> {
  await new Promise<void>((resolve) => watcher.onReady(resolve));
  return watcher
    .take(1_000)
    .map((record) =>
      record instanceof WatchRecord
        ? `${record.type} ${record.item.name}@${record.item.resourceVersion}`
        : `BOOKMARK ${record.resourceVersion}`,
    );
}
const anyWatcher = (watcher: unknown) => watcher as Watcher<never>;

async function fill(resource: Resource<ConfigMap>, count: number, signal: AbortSignal): Promise<void> {
  for (let i = 0; i < count; i++) await resource.insert({ namespace: 'a', name: `m${i}` }, map(`m${i}`), signal);
}

test('a read sees every write that was acknowledged before it, whatever the kind', async ({ signal }) => {
  await using cluster = await open();
  await cluster.maps.cache.load(signal);
  for (let i = 0; i < 50; i++) {
    const written = await cluster.maps.insert({ namespace: 'a', name: `m${i}` }, map(`m${i}`), signal);
    const found = await cluster.maps.find({ namespace: 'a', name: `m${i}` }, { want: 'newest' }, signal);
    assert.equal(found?.revision, written.revision);
    assert.equal(found?.object, written.object, 'the written object is the cached one');
  }
});

test('a cache that fills while others write misses nothing', async ({ signal }) => {
  const store = memoryStore();
  await using writer = await open({ store });
  await fill(writer.maps, 20, signal);
  await using reader = await open({ store });
  const [, listing] = await Promise.all([
    (async () => {
      for (let i = 0; i < 20; i++) {
        await writer.maps.insert(
          { namespace: 'b', name: `n${i}` },
          { metadata: { name: `n${i}`, namespace: 'b' } },
          signal,
        );
      }
    })(),
    reader.maps.cache.load(signal),
  ]);
  assert.equal(listing, undefined);
  await reader.registry.feed.fresh({ signal, withinMs: 1_000 });
  assert.deepEqual([reader.maps.cache.size, reader.maps.cache.count('b')], [40, 20]);
});

test('objects come in the order of their keys, from any of them on', async ({ signal }) => {
  await using cluster = await open();
  for (const [namespace, name] of [
    ['b', 'x'],
    ['a-b', 'y'],
    ['a', 'z'],
    ['a', 'b'],
    ['a', 'm'],
  ] as const) {
    await cluster.maps.insert({ namespace, name }, { metadata: { namespace, name } }, signal);
  }
  await cluster.maps.cache.load(signal);
  const scan = (namespace: string | undefined, from?: string) => {
    const keys: string[] = [];
    cluster.maps.cache.scan(
      namespace,
      from === undefined ? undefined : cluster.maps.layout.prefix + from,
      ({ key }) => keys.push(key.slice(cluster.maps.layout.prefix.length)) > 0,
    );
    return keys;
  };
  const { entries } = await cluster.store.list(cluster.maps.layout.prefix, { signal });
  assert.deepEqual(
    scan(undefined),
    entries.map(({ key }) => key.slice(cluster.maps.layout.prefix.length)),
  );
  assert.deepEqual(scan(undefined, 'a/b\0'), ['a/m', 'a/z', 'b/x']);
  assert.deepEqual(scan('a', 'a/m'), ['a/m', 'a/z']);
});

test('all watchers are told the same events in the same order, and share each record', async ({ signal }) => {
  await using cluster = await open();
  const one = anyWatcher(await cluster.maps.watch(query(signal)));
  const two = anyWatcher(await cluster.maps.watch(query(signal)));
  await fill(cluster.maps, 3, signal);
  await cluster.registry.feed.fresh({ signal, withinMs: 1_000 });
  const [a, b] = [one.take(10), two.take(10)];
  assert.deepEqual(
    a.map((record) => (record as WatchRecord).item.name),
    ['m0', 'm1', 'm2'],
  );
  for (const [i, record] of a.entries()) assert.equal(record, b[i]);
});

test('a watcher that stops reading is ended once the log has passed it, and holds nothing', async ({ signal }) => {
  await using cluster = await open();
  await cluster.maps.cache.load(signal);
  await fill(cluster.maps, 1, signal);
  const slow = anyWatcher(await cluster.maps.watch(query(signal, { after: 1n as never })));
  for (let i = 0; i <= eventsMax; i++) {
    const stored = await cluster.maps.get({ namespace: 'a', name: 'm0' }, { want: 'any' }, signal);
    await cluster.maps.replace(stored, map('m0', String(i)), signal);
    await cluster.registry.feed.fresh({ signal, withinMs: 1_000 });
  }
  assert.deepEqual(slow.take(10), []);
  assert.ok(hasReason(slow.ended, 'Expired'));
});

test('only watchers whose field can match are woken', async ({ signal }) => {
  await using cluster = await open();
  const onNode = async (node: string) => {
    const selection = selectionOf(Pod, { fieldSelector: `spec.nodeName=${node}` });
    return cluster.pods.watch({ ...query(signal), selection });
  };
  const [first, second] = [await onNode('n1'), await onNode('n2')];
  let woken = 0;
  second.take(1);
  second.onReady(() => woken++);
  woken = 0;
  second.take(1);
  const pod: Pod = { metadata: { name: 'p', namespace: 'a' }, spec: { nodeName: 'n1', containers: [] } };
  await cluster.pods.insert({ namespace: 'a', name: 'p' }, pod, signal);
  assert.deepEqual(await next(anyWatcher(first)), ['ADDED p@1']);
  assert.equal(woken, 0);
});

test('bookmarks come once a minute and say how far the whole server is', async ({ signal }) => {
  const clock = new VirtualClock();
  await using cluster = await open({ clock });
  const watcher = anyWatcher(await cluster.maps.watch(query(signal, { allowBookmarks: true })));
  watcher.take(1);
  await cluster.pods.insert(
    { namespace: 'a', name: 'p' },
    { metadata: { name: 'p', namespace: 'a' }, spec: { containers: [] } },
    signal,
  );
  await clock.advance(60_000);
  assert.deepEqual(await next(watcher), ['BOOKMARK 1']);
});

test('a version from the future is too large, after a moment for it to come', async ({ signal }) => {
  const clock = new VirtualClock();
  await using cluster = await open({ clock });
  const refused = assert.rejects(
    cluster.maps.watch(query(signal, { after: 99n as never })),
    (error) => hasReason(error, 'Timeout') && error.details?.causes?.[0]?.reason === 'ResourceVersionTooLarge',
  );
  await clock.advance(3_000);
  await refused;
  const waited = cluster.maps.watch(query(signal, { after: 1n as never }));
  await fill(cluster.maps, 1, signal);
  await waited;
});
