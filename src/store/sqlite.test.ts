import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { storeContract } from './contract.ts';
import { sqliteStore } from './sqlite.ts';
import { Expired, StoreUnavailable, revision, type Store } from './store.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function temporaryDirectory() {
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-store-'));
  return {
    dir,
    file: path.join(dir, 'state.db'),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** A store whose directory goes with it. */
async function open(): Promise<Store> {
  const place = temporaryDirectory();
  const store = await sqliteStore(place.file);
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      place[Symbol.dispose]();
    },
  };
}

storeContract('sqlite', open);

test('a reopened store has its entries, revisions and history', async ({ signal }) => {
  using place = temporaryDirectory();
  let first;
  {
    await using store = await sqliteStore(place.file);
    first = await store.commit([{ do: 'put', key: '/a', value: bytes('1') }], { signal });
    await store.commit([{ do: 'put', key: '/b', value: bytes('2') }], { signal });
    await store.commit([{ do: 'delete', key: '/b' }], { signal });
  }
  await using store = await sqliteStore(place.file);
  assert.equal(await store.current({ signal }), revision(first + 2n));
  assert.deepEqual(
    (await store.list('/', { signal })).entries.map((entry) => entry.key),
    ['/a'],
  );
  for await (const changes of store.watch('/', { after: first, signal })) {
    assert.deepEqual(
      changes.map((change) => change.type),
      ['put', 'delete'],
    );
    break;
  }
});

test('compaction removes superseded rows and keeps the revision, also across a restart', async ({ signal }) => {
  using place = temporaryDirectory();
  let last;
  {
    await using store = await sqliteStore(place.file);
    for (let i = 0; i < 50; i++)
      await store.commit([{ do: 'put', key: `/k${i % 5}`, value: bytes(`${i}`) }], { signal });
    last = await store.commit([{ do: 'delete', key: '/k0' }], { signal });
    await store.compact(last, { signal });
    assert.equal((await store.list('/', { signal })).entries.length, 4);
  }
  {
    await using store = await sqliteStore(place.file);
    assert.equal(await store.current({ signal }), last);
    await assert.rejects(store.list('/', { signal, at: revision(last - 1n) }), Expired);
    await store.compact(await store.commit([{ do: 'put', key: '/z', value: bytes('z') }], { signal }), { signal });
  }
  const db = new DatabaseSync(place.file);
  const { n } = db.prepare('SELECT count(*) AS n FROM log').get() as { n: number };
  db.close();
  assert.ok(n <= 56, `${n} rows`);
});

test('space that compaction frees goes back to the disk', async ({ signal }) => {
  using place = temporaryDirectory();
  const value = new Uint8Array(4000);
  {
    await using store = await sqliteStore(place.file);
    const put = (i: number) => store.commit([{ do: 'put', key: `/k${i}`, value }], { signal });
    for (let i = 0; i < 4000; i += 100) await Promise.all(Array.from({ length: 100 }, (_, j) => put(i + j)));
    const gone = (i: number) => store.commit([{ do: 'delete', key: `/k${i}` }], { signal });
    for (let i = 0; i < 4000; i += 100) await Promise.all(Array.from({ length: 100 }, (_, j) => gone(i + j)));
    await store.compact(await store.current({ signal }), { signal });
  }
  const { size } = statSync(place.file);
  assert.ok(size < 8_000_000, `${size} bytes are left of 16 million`);
});

test('a database of a newer schema is refused by name', async () => {
  using place = temporaryDirectory();
  const db = new DatabaseSync(place.file);
  db.exec('PRAGMA user_version = 99');
  db.close();
  await assert.rejects(
    sqliteStore(place.file),
    (error) => error instanceof StoreUnavailable && /newer/.test(error.message),
  );
});

test('after a kill -9 every acknowledged commit is there', async ({ signal }) => {
  using place = temporaryDirectory();
  const program = `
    import { sqliteStore } from ${JSON.stringify(new URL('./sqlite.ts', import.meta.url).href)};
    const store = await sqliteStore(${JSON.stringify(place.file)});
    const signal = new AbortController().signal;
    let n = 0;
    const writer = async () => { for (;;) { const i = n++; await store.commit([{ do: 'put', key: '/n/' + i, value: new Uint8Array(1000) }], { signal }); console.log(i); } };
    await Promise.all(Array.from({ length: 8 }, writer));`;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const acknowledged: number[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(Number(line));
      if (acknowledged.length === 300 + round * 37) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await using store = await sqliteStore(place.file);
    const found = new Set((await store.list('/n/', { signal })).entries.map((entry) => Number(entry.key.slice(3))));
    assert.deepEqual(
      acknowledged.filter((i) => !found.has(i)),
      [],
    );
    assert.ok(acknowledged.length >= 300);
  }
});
