import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { unless } from '#test/support/needs.ts';
import { freePort } from '#test/support/tutti.ts';
import { storeContract } from './contract.ts';
import { EncryptedStore } from './encryption/encrypted-store.ts';
import { newKey } from './encryption/key-ring.ts';
import { etcdStore } from './etcd.ts';
import { StoreUnavailable } from './store.ts';

const missing = unless('etcd');
const dir = mkdtempSync(path.join(tmpdir(), 'tutti-etcd-'));
let etcd: ChildProcess | undefined;
let endpoint = '';
let stores = 0;

/** Starts etcd on the data that is there and waits until it serves. */
async function start(): Promise<void> {
  const args = [
    '--data-dir',
    path.join(dir, 'data'),
    '--listen-client-urls',
    endpoint,
    '--advertise-client-urls',
    endpoint,
  ];
  const peer = `http://127.0.0.1:${await freePort()}`;
  etcd = spawn(
    'etcd',
    [
      ...args,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      `default=${peer}`,
    ],
    {
      stdio: 'ignore',
    },
  );
  const failed = once(etcd, 'exit').then(() => assert.fail('etcd ended before it served'));
  const served = (async () => {
    for (;;) {
      try {
        const store = await etcdStore({ endpoints: [endpoint] }, { signal: AbortSignal.timeout(20_000) });
        return await store[Symbol.asyncDispose]();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  })();
  await Promise.race([served, failed]);
}

async function stop(): Promise<void> {
  if (etcd === undefined || etcd.exitCode !== null) return;
  etcd.kill('SIGKILL');
  await once(etcd, 'exit');
}

before(async () => {
  if (missing !== false) return;
  endpoint = `http://127.0.0.1:${await freePort()}`;
  await start();
});
after(async () => {
  await stop();
  rmSync(dir, { recursive: true, force: true });
});

const open = () =>
  etcdStore(
    { endpoints: ['http://127.0.0.1:1', endpoint], keyPrefix: `/test-${stores++}` },
    { signal: AbortSignal.timeout(10_000) },
  );

if (missing === false) storeContract('etcd', open);
else void test('etcd: the store contract', { skip: missing });

test('etcd: nothing of a sealed value stands in its files', { skip: missing }, async ({ signal }) => {
  const key = newKey();
  const rules = [{ prefix: '/secret/', writeKey: key, readsPlain: true }];
  await using store = new EncryptedStore(await open(), { rules, keys: [key] });
  const put = (at: string, text: string) =>
    store.commit([{ do: 'put', key: at, value: new TextEncoder().encode(text) }], { signal });
  for (let i = 0; i < 20; i++) await put(`/secret/${i}`, `CANARY-sealed-${i}`);
  await put('/open/1', 'CANARY-open');
  const filesWith = (needle: string) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .filter((entry) => readFileSync(path.join(entry.parentPath, entry.name)).includes(needle));
  assert.deepEqual(filesWith('CANARY-sealed'), []);
  assert.notDeepEqual(filesWith('CANARY-open'), []); // the search looks where it should
  const { entries } = await store.list('/secret/', { signal });
  assert.deepEqual(new TextDecoder().decode(entries[0]!.value), 'CANARY-sealed-0');
});

test('etcd: an engine that dies is reported as unreachable, and found again', { skip: missing }, async ({ signal }) => {
  await using store = await open();
  const write = () => store.commit([{ do: 'put', key: '/a', value: new Uint8Array([1]) }], { signal });
  const at = await write();
  await stop();
  await assert.rejects(write(), (error) => error instanceof StoreUnavailable && error.reason === 'unreachable');
  await start();
  assert.ok((await write()) > at);
});

test('etcd: nothing that listens is an error within a bounded time', { skip: missing }, async () => {
  const opening = etcdStore({ endpoints: ['http://127.0.0.1:1'] }, { signal: AbortSignal.timeout(10_000) });
  await assert.rejects(opening, (error) => error instanceof StoreUnavailable && error.reason === 'unreachable');
});
