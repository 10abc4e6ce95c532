import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Pod } from '#api/core/pod.ts';
import { hasReason } from '#machinery/status-error.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store } from '#store/store.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testApi } from '../testing.ts';
import { Layout } from './layout.ts';

const layout = new Layout(ConfigMap);
const key = (name: string) => layout.key({ namespace: 'a', name });
const map = (name: string, data: Record<string, string> = {}) => ({ metadata: { namespace: 'a', name }, data });
const write = (store: Store, name: string, text: string, signal: AbortSignal) =>
  store.commit([{ do: 'put', key: key(name), value: new TextEncoder().encode(text) }], { signal });

/** Every value inside `value`, replaced by each of some of other types. */
function* corruptions(value: unknown, path: readonly string[] = []): Generator<{ path: string; text: string }> {
  const whole = value as Record<string, unknown>;
  const withAt = (at: readonly string[], put: unknown): unknown => {
    const copy = structuredClone(whole);
    let parent = copy;
    for (const part of at.slice(0, -1)) parent = parent[part] as Record<string, unknown>;
    parent[at.at(-1)!] = put;
    return copy;
  };
  const visit = function* (node: unknown, at: readonly string[]): Generator<{ path: string; text: string }> {
    if (at.length > 0) {
      for (const other of [null, 7, 'x', [], {}, [null], { x: { y: 1 } }, true]) {
        yield { path: `${at.join('.')} = ${JSON.stringify(other)}`, text: JSON.stringify(withAt(at, other)) };
      }
    }
    if (typeof node !== 'object' || node === null) return;
    for (const [name, child] of Object.entries(node)) yield* visit(child, [...at, name]);
  };
  yield* visit(value, path);
}

test('whatever becomes of one stored object, the others are listed, watched and changed', async ({ signal }) => {
  const store = memoryStore();
  await using api = await testApi({ store });
  const client = new InProcessClient(api, { user: admin });
  await client.create(ConfigMap, map('good', { n: '0' }), { signal });
  await client.create(ConfigMap, map('victim', { k: 'v' }), { signal });
  const sound = JSON.parse(Buffer.from((await store.get(key('victim'), { signal }))!.value).toString()) as object;
  let isolated = 0;
  const garbage = [
    '',
    'null',
    '[]',
    '7',
    '{"metadata":',
    '\u0000\u0001',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{',
  ];
  const all = [...garbage.map((text) => ({ path: text, text })), ...corruptions(sound)];
  for (const [round, { path, text }] of all.entries()) {
    await write(store, 'victim', text, signal);
    const good = await client.get(ConfigMap, { namespace: 'a', name: 'good' }, { signal });
    await client.update(ConfigMap, { ...good, data: { n: `${round}` } }, { signal });
    const { items } = await client.list(ConfigMap, { signal });
    assert.equal(items.find(({ metadata }) => metadata?.name === 'good')?.data?.['n'], `${round}`, path);
    if (items.length === 2) continue; // what it became is a ConfigMap all the same
    isolated++;
    await assert.rejects(client.get(ConfigMap, { namespace: 'a', name: 'victim' }, { signal }), (error) => {
      return hasReason(error, 'InternalError') && error.message.includes('/registry/core/configmaps/a/victim');
    });
  }
  assert.ok(isolated > 50, `${isolated} of ${all.length} made it unreadable`);
});

test('a list says what it leaves out, a watch ends it, and what is written anew is there again', async ({ signal }) => {
  const store = memoryStore();
  await using api = await testApi({ store });
  const client = new InProcessClient(api, { user: admin });
  await client.create(ConfigMap, map('victim', { k: 'v' }), { signal });
  const warnings: string[] = [];
  const context = { user: admin, signal, userAgent: '', warn: (text: string) => void warnings.push(text) };
  const target = { kind: ConfigMap, namespace: 'a' };
  const events: string[] = [];
  const seen = (async () => {
    for await (const event of client.watch(ConfigMap, { signal })) {
      if (event.type === 'ERROR' || event.type === 'BOOKMARK') continue;
      events.push(`${event.type} ${event.object.metadata?.name}`);
      if (events.length === 3) return;
    }
  })();
  await api.list(target, {}, context);
  assert.deepEqual(warnings, []);
  await write(store, 'victim', '{"kind":"nothing"', signal);
  assert.equal((await api.list(target, {}, context)).items.length, 0);
  assert.match(warnings.join(), /\/registry\/core\/configmaps\/a\/victim cannot be read and is left out/);
  await write(
    store,
    'victim',
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'victim', namespace: 'a' } }),
    signal,
  );
  await seen;
  assert.deepEqual(events, ['ADDED victim', 'DELETED victim', 'ADDED victim']);
});

test('what cannot be read is deleted by those alone who may delete without reading', async ({ signal }) => {
  const store = memoryStore();
  const mayNot = new Set<string>();
  await using api = await testApi({
    store,
    authorizer: { authorize: async ({ verb }) => ({ allowed: !mayNot.has(verb), reason: '' }) },
  });
  const ref = { namespace: 'a', name: 'victim' };
  const context = { user: admin, signal, userAgent: '', warn: () => undefined };
  await write(store, 'victim', '{', signal);
  const remove = (ignoresReadErrors: boolean) =>
    api.delete({ kind: ConfigMap, ...ref }, async () => ({ ignoresReadErrors }), { dryRun: false }, context);
  await assert.rejects(remove(false), /cannot be read/);
  mayNot.add('unsafe-delete-ignore-read-errors');
  await assert.rejects(remove(true), (error) => hasReason(error, 'Forbidden'));
  assert.notEqual(await store.get(key('victim'), { signal }), undefined);
  mayNot.clear();
  await remove(true);
  assert.equal(await store.get(key('victim'), { signal }), undefined);
});

test('an object under the key of another is not handed out as that other', () => {
  const pods = new Layout(Pod);
  const value = new TextEncoder().encode(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'b' },
      spec: { containers: [] },
    }),
  );
  const entry = { key: pods.key({ namespace: 'a', name: 'p' }), value, created: 1n as never, modified: 1n as never };
  assert.throws(() => pods.decode(entry), /says that it is \/registry\/core\/pods\/b\/p/);
});
