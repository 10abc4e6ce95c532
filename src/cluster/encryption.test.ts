import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { sealingOf } from '#store/encryption/encrypted-store.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store } from '#store/store.ts';
import { StartError } from './data-dir.ts';
import { Encryption, prefixOf } from './encryption.ts';

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tutti-keys-'));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const secret = (byte: number) => Buffer.alloc(32, byte).toString('base64');
/** A configuration in YAML, as operators write it. */
function configuration(name: string, resources: string, ...keys: readonly (readonly [string, string])[]): string {
  const file = path.join(dir, name);
  const lines = keys.map(([key, value]) => `            - name: ${key}\n              secret: ${value}\n`).join('');
  writeFileSync(
    file,
    `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: ${resources}\n    providers:\n      - aesgcm:\n          keys:\n${lines}      - identity: {}\n`,
  );
  return file;
}
const put = (store: Store, key: string, signal: AbortSignal) =>
  store.commit([{ do: 'put', key, value: new TextEncoder().encode('{}') }], { signal });

test('resources are named as upstream names them', () => {
  assert.deepEqual(
    ['secrets', 'deployments.apps', 'events.events.k8s.io', 'widgets.example.com', '*.apps', '*.', '*.*'].map(prefixOf),
    [
      '/registry/core/secrets/',
      '/registry/apps/deployments/',
      '/registry/core/events/',
      '/registry/example.com/widgets/',
      '/registry/apps/',
      '/registry/core/',
      '/registry/',
    ],
  );
  assert.deepEqual(['secretz', '*', '', 'a/b.example.com', '../x.y.z'].map(prefixOf), Array(5).fill(undefined));
});

test('an operator’s configuration encrypts what it names, and rotate follows its changes', async ({ signal }) => {
  const file = configuration('all.yaml', "['*.*']", ['one', secret(1)]);
  const open = (store: Store) => Encryption.open(store, { dataDir: dir, configurationFile: file, signal });
  const inner = memoryStore();
  const first = await open(inner);
  await put(first.store, '/registry/apps/deployments/a/d', signal);
  await put(inner, '/registry/core/pods/a/p', signal);
  configuration('all.yaml', "['*.*']", ['two', secret(2)], ['one', secret(1)]);
  const done = await first.rotate(signal);
  assert.deepEqual(done, { key: 'two', rewritten: 2, unreadable: [] });
  const { value } = (await inner.get('/registry/apps/deployments/a/d', { signal }))!;
  assert.deepEqual(sealingOf(value), { is: 'sealed', key: 'two' });
  assert.deepEqual((await first.status(signal)).values, [
    { prefix: '/registry/', plain: 0, sealed: { two: 2 }, unreadable: 0 },
  ]);
  // What was rotated away is needed no more, and the key in use is.
  configuration('all.yaml', "['*.*']", ['two', secret(2)]);
  await open(inner);
  configuration('all.yaml', "['*.*']", ['three', secret(3)]);
  await assert.rejects(open(inner), (error) => error instanceof StartError && error.message.includes('key "two"'));
});

test('another key under the same name is noticed before anything is written with it', async ({ signal }) => {
  const file = configuration('same.yaml', '[secrets]', ['key', secret(1)]);
  const inner = memoryStore();
  await Encryption.open(inner, { dataDir: dir, configurationFile: file, signal });
  configuration('same.yaml', '[secrets]', ['key', secret(2)]);
  const again = (abandonsLostKeys: boolean) =>
    Encryption.open(inner, { dataDir: dir, configurationFile: file, abandonsLostKeys, signal });
  await assert.rejects(again(false), /values encrypted with the key "key", which .*same\.yaml does not hold/);
  await again(true);
  await again(false); // and from then on the new one counts
});

test('keys of the data directory’s own are made once, kept, and rotated down to two', async ({ signal }) => {
  const inner = memoryStore();
  const own = path.join(dir, 'own');
  const open = () => Encryption.open(inner, { dataDir: own, signal });
  const first = await open();
  await put(first.store, '/registry/core/secrets/a/s', signal);
  const { keys } = await first.status(signal);
  assert.deepEqual((await (await open()).status(signal)).keys, keys);
  for (let i = 0; i < 3; i++) await first.rotate(signal);
  const now = await first.status(signal);
  assert.equal(now.keys.length, 2);
  assert.equal(now.keys.includes(keys[0]!), false);
  assert.deepEqual(now.values[0]?.sealed, { [now.keys[0]!]: 1 });
  const text = readFileSync(path.join(own, 'encryption', 'keys.json'), 'utf8');
  writeFileSync(path.join(own, 'encryption', 'keys.json'), text.replaceAll('"secret": "', '"secret": "!'));
  await assert.rejects(open(), (error) => {
    return error instanceof StartError && /secret: must be base64/.test(error.message) && !error.message.includes('!');
  });
});
