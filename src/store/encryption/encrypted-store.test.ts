import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { storeContract } from '../contract.ts';
import { memoryStore } from '../memory.ts';
import { sqliteStore } from '../sqlite.ts';
import type { Entry, Store } from '../store.ts';
import { configurationOf, ConfigurationError, planOf } from './configuration.ts';
import { EncryptedStore, sealingOf, type EncryptionPlan } from './encrypted-store.ts';
import { newKey, type KeyEncryptionKey } from './key-ring.ts';
import { rewriteAll } from './rewrite.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => new TextDecoder().decode(value);
const secrets = '/registry/core/secrets/';
const prefixOf = (resource: string) => (resource === 'secrets' ? secrets : resource === '*.*' ? '/' : undefined);
const planFor = (...keys: readonly KeyEncryptionKey[]): EncryptionPlan =>
  planOf(configurationOf(['secrets'], keys), prefixOf);
const put = (store: Store, key: string, value: string, signal: AbortSignal) =>
  store.commit([{ do: 'put', key, value: bytes(value) }], { signal });

storeContract('encrypted', async () => {
  const key = newKey();
  return new EncryptedStore(memoryStore(), planOf(configurationOf(['*.*'], [key]), prefixOf));
});

test('no part of a Secret stands in the files of the store, and everything else does', async ({ signal }) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-encrypted-'));
  try {
    const open = async (plan?: EncryptionPlan) => {
      const inner = await sqliteStore(path.join(dir, 'state.db'));
      return plan === undefined ? inner : new EncryptedStore(inner, plan);
    };
    const grep = (needle: string) =>
      readdirSync(dir).filter((name) => readFileSync(path.join(dir, name)).includes(needle));
    const plan = planFor(newKey());
    {
      await using store = await open(plan);
      for (let i = 0; i < 20; i++) await put(store, `${secrets}default/s${i}`, `{"data":"CANARY-${i}"}`, signal);
      await put(store, '/registry/core/configmaps/default/c', '{"data":"OPEN"}', signal);
      assert.equal(text((await store.get(`${secrets}default/s7`, { signal }))?.value), '{"data":"CANARY-7"}');
      assert.deepEqual(grep('CANARY-'), []); // also in the write-ahead log, while it is open
    }
    assert.deepEqual(grep('CANARY-'), []);
    assert.deepEqual(grep('OPEN'), ['state.db']);
    // The control: without the wrapper the same search finds them.
    {
      await using store = await open();
      await put(store, `${secrets}default/plain`, '{"data":"CANARY-plain"}', signal);
    }
    assert.notDeepEqual(grep('CANARY-'), []);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

/** Changes what lies below by hand. */
async function tamper(
  store: EncryptedStore,
  key: string,
  change: (value: Uint8Array) => Uint8Array,
  signal: AbortSignal,
) {
  const { value } = (await store.inner.get(key, { signal }))!;
  await store.inner.commit([{ do: 'put', key, value: change(Uint8Array.from(value)) }], { signal });
}

test('every flipped bit and every swapped value makes its own object unreadable and no other', async ({ signal }) => {
  await using store = new EncryptedStore(memoryStore(), planFor(newKey()));
  const [a, b] = [`${secrets}default/a`, `${secrets}default/b`];
  await put(store, b, '{"b":1}', signal);
  await put(store, a, '{"a":1}', signal);
  const { length } = (await store.inner.get(a, { signal }))!.value;
  const headLength = 'tutti:enc:v1:'.length;
  for (let at = headLength; at < length; at++) {
    await put(store, a, '{"a":1}', signal);
    await tamper(store, a, (value) => value.map((byte, index) => (index === at ? byte ^ 1 : byte)), signal);
    const { entries } = await store.list(secrets, { signal });
    assert.equal(entries[0]!.unreadable === undefined, false, `byte ${at}`);
    assert.deepEqual([text(entries[1]!.value), entries[1]!.unreadable], ['{"b":1}', undefined]);
  }
  for (let cut = headLength + 1; cut < length; cut += 7) {
    await put(store, a, '{"a":1}', signal);
    await tamper(store, a, (value) => value.slice(0, cut), signal);
    assert.notEqual((await store.get(a, { signal }))?.unreadable, undefined, `cut at ${cut}`);
  }
  const other = (await store.inner.get(b, { signal }))!.value;
  await tamper(store, a, () => other, signal);
  assert.match((await store.get(a, { signal }))?.unreadable ?? '', /belongs to another object/);
});

test('values in the clear stay readable with identity, and are refused without it', async ({ signal }) => {
  const inner = memoryStore();
  const key = newKey();
  await put(inner, `${secrets}default/old`, '{"old":1}', signal);
  await using store = new EncryptedStore(inner, planFor(key));
  assert.equal(text((await store.get(`${secrets}default/old`, { signal }))?.value), '{"old":1}');
  const strict = { rules: [{ prefix: secrets, writeKey: key, readsPlain: false }], keys: [key] };
  store.use(strict);
  assert.match((await store.get(`${secrets}default/old`, { signal }))?.unreadable ?? '', /no identity provider/);
});

test('after a change of keys old values are readable, and rewriteAll() brings them under the new key', async ({
  signal,
}) => {
  const [first, second] = [newKey(), newKey()];
  await using store = new EncryptedStore(memoryStore(), planFor(first));
  const keys = Array.from({ length: 230 }, (_, i) => `${secrets}ns${i % 7}/s${i}`);
  for (const key of keys) await put(store, key, `{"v":"${key}"}`, signal);
  await put(store.inner, `${secrets}ns0/plain`, '{"v":"plain"}', signal);
  store.use(planFor(second, first));
  await put(store, keys[3]!, '{"v":"newer"}', signal);
  await tamper(
    store,
    keys[5]!,
    (value) => value.map((byte, index) => (index === value.length - 1 ? byte ^ 1 : byte)),
    signal,
  );
  const writing = put(store, keys[9]!, '{"v":"meanwhile"}', signal);
  const done = await rewriteAll(store, [secrets], { signal });
  await writing;
  assert.deepEqual(done.unreadable, [keys[5]]);
  assert.ok(done.rewritten >= keys.length - 2, `${done.rewritten}`);
  const sealings = (await store.inner.list(secrets, { signal })).entries
    .filter(({ key }) => key !== keys[5])
    .map(({ value }) => sealingOf(value));
  assert.ok(sealings.every((sealing) => sealing.is === 'sealed' && sealing.key === second.name));
  const again = await rewriteAll(store, [secrets], { signal });
  assert.equal(again.rewritten, 0);
  store.use(planFor(second));
  assert.equal(text((await store.get(keys[4]!, { signal }))?.value), `{"v":"${keys[4]}"}`);
  assert.equal(text((await store.get(keys[9]!, { signal }))?.value), '{"v":"meanwhile"}');
});

test('an interrupted rewriteAll() leaves every value readable', async ({ signal }) => {
  const [first, second] = [newKey(), newKey()];
  await using store = new EncryptedStore(memoryStore(), planFor(first));
  for (let i = 0; i < 120; i++) await put(store, `${secrets}d/s${i}`, `{"v":${i}}`, signal);
  store.use(planFor(second, first));
  const stop = new AbortController();
  let commits = 0;
  const commit = store.inner.commit.bind(store.inner);
  store.inner.commit = async (...call) => {
    if (++commits === 2) stop.abort(new Error('the power is cut'));
    return commit(...call);
  };
  await assert.rejects(rewriteAll(store, [secrets], { signal: stop.signal }), /power is cut/);
  const sealings = (await store.inner.list(secrets, { signal })).entries.map(({ value }) => sealingOf(value));
  assert.equal(new Set(sealings.map((sealing) => sealing.is === 'sealed' && sealing.key)).size, 2);
  const { entries } = await store.list(secrets, { signal });
  assert.deepEqual(
    entries.map(({ value }: Entry) => text(value)).toSorted(),
    Array.from({ length: 120 }, (_, i) => `{"v":${i}}`).toSorted(),
  );
});

test('a configuration is taken as upstream writes it, and what is not offered is refused by name', () => {
  const secret = Buffer.alloc(32, 7).toString('base64');
  const of = (...providers: readonly object[]) =>
    planOf(
      {
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'EncryptionConfiguration',
        resources: [{ resources: ['secrets'], providers }],
      },
      prefixOf,
    );
  const aesgcm = {
    aesgcm: {
      keys: [
        { name: 'key2', secret },
        { name: 'key1', secret: Buffer.alloc(16, 1).toString('base64') },
      ],
    },
  };
  const { rules, keys } = of(aesgcm, { identity: {} });
  assert.deepEqual(
    rules.map(({ prefix, writeKey, readsPlain }) => [prefix, writeKey?.name, readsPlain]),
    [[secrets, 'key2', true]],
  );
  assert.deepEqual(
    keys.map(({ name }) => name),
    ['key2', 'key1'],
  );
  assert.equal(of({ identity: {} }, aesgcm).rules[0]?.writeKey, undefined);
  const complaints: readonly [object, RegExp][] = [
    [{ aescbc: { keys: [{ name: 'k', secret }] } }, /aescbc: AES-CBC does not notice/],
    [{ secretbox: { keys: [{ name: 'k', secret }] } }, /secretbox: .*use aesgcm/],
    [{ kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///x' } }, /kms: this server calls no KMS plugin/],
    [{ rot13: {} }, /unknown provider "rot13"/],
    [{ aesgcm: { keys: [{ name: 'k', secret: 'c2hvcnQ=' }] } }, /key "k" has 5 bytes; secrets have 16, 24, 32/],
    [{ aesgcm: { keys: [{ name: 'k', secret: 'HUSH-HUSH!' }] } }, /secret: must be base64/],
    [{ aesgcm: { keys: [] } }, /keys: must be a list/],
  ];
  for (const [provider, message] of complaints) {
    assert.throws(
      () => of(provider),
      (error) => error instanceof ConfigurationError && message.test(error.message) && !error.message.includes('HUSH'),
    );
  }
});
