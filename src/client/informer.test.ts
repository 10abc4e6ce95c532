import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { abortController, VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { selectorFromLabels } from '#machinery/labels.ts';
import { unavailable } from '#machinery/status-error.ts';
import { FakeClient } from './testing/fake-client.ts';
import { SharedInformers } from './informer.ts';

function setup() {
  const clock = new VirtualClock();
  const client = new FakeClient(clock);
  const informers = new SharedInformers({ client, clock, log: silentLog, random: () => 0.5 });
  const stop = abortController();
  const events: string[] = [];
  const follow = () =>
    informers.on(ConfigMap, ({ type, object }) =>
      events.push(`${type} ${object.metadata?.name ?? ''} ${object.data?.['k'] ?? ''}`),
    );
  return { clock, client, informers, stop, events, follow, signal: stop.signal };
}

const configMap = (name: string, k: string, more: object = {}): ConfigMap => ({
  metadata: { name, namespace: 'ns', ...more },
  data: { k },
});

test('handlers hear of what is there and of every later change, in order', async () => {
  const { clock, client, informers, stop, events, follow, signal } = setup();
  await client.create(ConfigMap, configMap('a', '1'), { signal });
  follow();
  const running = informers.run(signal);
  await informers.synced(signal);
  await client.create(ConfigMap, configMap('b', '1'), { signal });
  await client.update(ConfigMap, configMap('a', '2'), { signal });
  await client.delete(ConfigMap, { namespace: 'ns', name: 'b' }, { signal });
  await clock.advance(0);
  assert.deepEqual(events, ['ADDED a 1', 'ADDED b 1', 'MODIFIED a 2', 'DELETED b 1']);
  assert.equal(informers.get(ConfigMap, 'ns/a')?.data?.['k'], '2');
  assert.equal(informers.get(ConfigMap, { namespace: 'ns', name: 'b' }), undefined);
  const late: string[] = [];
  informers.on(ConfigMap, ({ type, object }) => late.push(`${type} ${object.metadata?.name ?? ''}`));
  assert.deepEqual(late, ['ADDED a']);
  stop.abort();
  await running;
});

test('after Expired the cache is listed again and tells only what really changed', async () => {
  const { clock, client, informers, stop, events, follow, signal } = setup();
  for (const name of ['kept', 'changed', 'gone', 'replaced'])
    await client.create(ConfigMap, configMap(name, '1'), { signal });
  follow();
  const running = informers.run(signal);
  await informers.synced(signal);
  events.length = 0;
  client.hold();
  await client.update(ConfigMap, configMap('changed', '2'), { signal });
  await client.delete(ConfigMap, { namespace: 'ns', name: 'gone' }, { signal });
  await client.delete(ConfigMap, { namespace: 'ns', name: 'replaced' }, { signal });
  await client.create(ConfigMap, configMap('replaced', '3'), { signal });
  await client.create(ConfigMap, configMap('new', '1'), { signal });
  client.compact();
  client.release();
  await clock.advance(60_000);
  assert.deepEqual(events.toSorted(), [
    'ADDED new 1',
    'ADDED replaced 3',
    'DELETED gone 1',
    'DELETED replaced 1',
    'MODIFIED changed 2',
  ]);
  stop.abort();
  await running;
});

test('errors are retried with back-off until the cache is in step again', async () => {
  const { clock, client, informers, stop, events, follow, signal } = setup();
  await client.create(ConfigMap, configMap('a', '1'), { signal });
  const tries: number[] = [];
  let broken = true;
  client.onRequest = (verb) => {
    if (verb !== 'list' || !broken) return;
    tries.push(clock.now());
    throw unavailable('down');
  };
  follow();
  const running = informers.run(signal);
  await clock.advance(10_000);
  const waits = tries.map((at, i) => at - (tries[i - 1] ?? at)).slice(1);
  assert.deepEqual(waits.slice(0, 4), [75, 150, 300, 600]);
  broken = false;
  await clock.advance(30_000);
  assert.deepEqual(events, ['ADDED a 1']);
  stop.abort();
  await running;
});

const names = (objects: readonly ConfigMap[]) => objects.map(({ metadata }) => metadata?.name);

test('lists by namespace, by labels, by controlling owner and by named index', async () => {
  const { clock, client, informers, stop, signal } = setup();
  informers.index(ConfigMap, 'k', ({ data }) => (data?.['k'] === undefined ? [] : [data['k']]));
  const running = informers.run(signal);
  const owner = { metadata: { name: 'o', uid: 'u1' } };
  const ownerReferences = [{ apiVersion: 'v1', kind: 'X', name: 'o', uid: 'u1', controller: true }];
  await client.create(ConfigMap, configMap('a', 'x', { labels: { app: 'web' } }), { signal });
  await client.create(ConfigMap, configMap('b', 'y', { ownerReferences }), { signal });
  await client.create(ConfigMap, configMap('c', 'x', { namespace: 'other', labels: { app: 'web' } }), { signal });
  await clock.advance(0);
  assert.deepEqual(names(informers.list(ConfigMap, { namespace: 'ns' })), ['a', 'b']);
  assert.deepEqual(names(informers.list(ConfigMap, { selector: selectorFromLabels({ app: 'web' }) })), ['a', 'c']);
  assert.deepEqual(names(informers.ownedBy(ConfigMap, owner)), ['b']);
  assert.deepEqual(names(informers.byIndex(ConfigMap, 'k', 'x')), ['a', 'c']);
  await client.update(ConfigMap, { ...configMap('b', 'x') }, { signal });
  await clock.advance(0);
  assert.deepEqual(names(informers.ownedBy(ConfigMap, owner)), []);
  assert.deepEqual(names(informers.byIndex(ConfigMap, 'k', 'x')), ['a', 'c', 'b']);
  assert.deepEqual(names(informers.byIndex(ConfigMap, 'k', 'y')), []);
  stop.abort();
  await running;
});

test('a failing handler harms neither the cache nor other handlers', async () => {
  const { clock, client, informers, stop, events, follow, signal } = setup();
  informers.on(ConfigMap, () => {
    throw new Error('oops');
  });
  follow();
  const running = informers.run(signal);
  await client.create(ConfigMap, configMap('a', '1'), { signal });
  await clock.advance(0);
  assert.deepEqual(events, ['ADDED a 1']);
  stop.abort();
  await running;
});

test('reading a kind that is not held is a mistake, not an empty list', () => {
  const { informers } = setup();
  assert.throws(() => informers.list(ConfigMap), /does not hold configmaps/);
});
