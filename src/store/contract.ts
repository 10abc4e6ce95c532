import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abortController } from '#lib/clock.ts';
import { Conflict, Expired, Future, revision, type Change, type Revision, type Store } from './store.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

/** `put a=1@3` or `delete a@4`: a change on one line. */
const line = (change: Change) =>
  change.type === 'put' ? `put ${change.entry.key}=${text(change.entry.value)}` : `delete ${change.key}`;

async function take(watch: AsyncIterable<readonly Change[]>, count: number): Promise<Change[]> {
  const taken: Change[] = [];
  for await (const batch of watch) {
    taken.push(...batch);
    if (taken.length >= count) break;
  }
  return taken;
}

const put = (store: Store, key: string, value: string, expect?: Revision | 'absent') =>
  store.commit([{ do: 'put', key, value: bytes(value), ...(expect === undefined ? {} : { expect }) }], {
    signal: AbortSignal.timeout(10_000),
  });

/** What every implementation of `Store` must do; `open()` gives an empty one. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  const it = (title: string, body: (store: Store, signal: AbortSignal) => Promise<void>) => {
    void test(`${name}: ${title}`, async ({ signal }) => {
      await using store = await open();
      await body(store, signal);
    });
  };

  it('get() gives what was last committed, with the revisions that created and modified it', async (store, signal) => {
    const first = await put(store, '/a', '1');
    const second = await put(store, '/a', '2');
    assert.ok(second > first);
    const entry = await store.get('/a', { signal });
    assert.deepEqual(
      { value: text(entry!.value), created: entry!.created, modified: entry!.modified },
      { value: '2', created: first, modified: second },
    );
    assert.equal(await store.get('/b', { signal }), undefined);
  });

  it('commit() refuses a guard that does not hold and writes nothing of the transaction', async (store, signal) => {
    const before = await put(store, '/a', '1');
    const failing = store.commit(
      [
        { do: 'put', key: '/b', value: bytes('x') },
        { do: 'put', key: '/a', value: bytes('x'), expect: 'absent' },
      ],
      { signal },
    );
    await assert.rejects(
      failing,
      (error) => error instanceof Conflict && error.key === '/a' && text(error.current!.value) === '1',
    );
    assert.equal(await store.get('/b', { signal }), undefined);
    assert.equal(await store.current({ signal }), before);
    await assert.rejects(put(store, '/a', '2', revision(before + 7n)), Conflict);
    await assert.rejects(
      put(store, '/none', '2', before),
      (error) => error instanceof Conflict && error.current === undefined,
    );
    await put(store, '/a', '2', before);
  });

  it('commit() applies several writes as one revision', async (store, signal) => {
    await put(store, '/old', 'x');
    const at = await store.commit(
      [
        { do: 'put', key: '/a', value: bytes('1') },
        { do: 'put', key: '/b', value: bytes('2') },
        { do: 'delete', key: '/old' },
      ],
      { signal },
    );
    const page = await store.list('/', { signal });
    assert.deepEqual(
      page.entries.map((entry) => [entry.key, entry.modified]),
      [
        ['/a', at],
        ['/b', at],
      ],
    );
    assert.equal(page.revision, at);
  });

  it('deleting an absent key changes nothing, deleting with a stale guard is refused', async (store, signal) => {
    const before = await put(store, '/a', '1');
    assert.equal(await store.commit([{ do: 'delete', key: '/gone' }], { signal }), before);
    await put(store, '/a', '2');
    await assert.rejects(store.commit([{ do: 'delete', key: '/a', expect: before }], { signal }), Conflict);
  });

  it('a key made anew after a deletion has a new creation revision', async (store, signal) => {
    await put(store, '/a', '1');
    await store.commit([{ do: 'delete', key: '/a' }], { signal });
    const again = await put(store, '/a', '2', 'absent');
    assert.equal((await store.get('/a', { signal }))!.created, again);
  });

  it('list() pages in key order under a prefix and stays at its revision while others write', async (store, signal) => {
    for (const key of ['/p/c', '/p/a', '/q/x', '/p/b']) await put(store, key, key);
    const first = await store.list('/p/', { signal, limit: 2 });
    assert.deepEqual(
      first.entries.map((entry) => entry.key),
      ['/p/a', '/p/b'],
    );
    assert.deepEqual([first.more, first.count], [true, 3]);
    await put(store, '/p/bb', 'later');
    await put(store, '/p/c', 'changed');
    await store.commit([{ do: 'delete', key: '/p/a' }], { signal });
    const rest = await store.list('/p/', { signal, at: first.revision, from: '/p/b\u0000', limit: 10 });
    assert.deepEqual(
      rest.entries.map((entry) => [entry.key, text(entry.value)]),
      [['/p/c', '/p/c']],
    );
    assert.equal(rest.more, false);
    const all = await store.list('/p/', { signal, at: first.revision });
    assert.deepEqual(
      all.entries.map((entry) => entry.key),
      ['/p/a', '/p/b', '/p/c'],
    );
  });

  it('list() orders keys outside ASCII by their bytes', async (store, signal) => {
    for (const key of ['/é', '/z', '/日']) await put(store, key, 'x');
    assert.deepEqual(
      (await store.list('/', { signal })).entries.map((entry) => entry.key),
      ['/z', '/é', '/日'],
    );
  });

  it('watch() replays every commit after a revision and then follows, in order and without gaps', async (store, signal) => {
    const after = await put(store, '/p/a', '1');
    await put(store, '/p/b', '2');
    await put(store, '/other', 'x');
    const watch = store.watch('/p/', { after, signal });
    const taken = take(watch, 4);
    await put(store, '/p/a', '3');
    await store.commit([{ do: 'delete', key: '/p/b' }], { signal });
    await put(store, '/p/b', '4');
    const changes = await taken;
    assert.deepEqual(changes.map(line), ['put /p/b=2', 'put /p/a=3', 'delete /p/b', 'put /p/b=4']);
    const deleted = changes[2]!;
    assert.equal(deleted.type === 'delete' && text(deleted.previous.value), '2');
    for (let i = 1; i < changes.length; i++) assert.ok(changes[i]!.revision > changes[i - 1]!.revision);
  });

  it('watch() delivers a transaction as changes of one revision', async (store, signal) => {
    const after = await put(store, '/a', '0');
    const taken = take(store.watch('/', { after, signal }), 2);
    const at = await store.commit(
      [
        { do: 'put', key: '/x', value: bytes('1') },
        { do: 'put', key: '/y', value: bytes('2') },
      ],
      { signal },
    );
    assert.deepEqual(
      (await taken).map((change) => change.revision),
      [at, at],
    );
  });

  it('watch() ends quietly when its signal aborts', async (store) => {
    const controller = abortController();
    const after = await put(store, '/a', '1');
    const ended = (async () => {
      const seen: string[] = [];
      for await (const batch of store.watch('/', { after, signal: controller.signal })) {
        seen.push(...batch.map(line));
        controller.abort();
      }
      return seen;
    })();
    await put(store, '/b', '2');
    assert.deepEqual(await ended, ['put /b=2']);
  });

  it('two watchers see the same changes in the same order under concurrent writers', async (store, signal) => {
    const after = await put(store, '/start', '');
    const watchers = [1, 2].map(() => take(store.watch('/k/', { after, signal }), 200));
    await Promise.all(
      Array.from({ length: 10 }, async (_, writer) => {
        for (let i = 0; i < 20; i++) await put(store, `/k/${writer}`, `${i}`);
      }),
    );
    const [one, two] = (await Promise.all(watchers)).map((changes) => changes.map(line));
    assert.equal(one!.length, 200);
    assert.deepEqual(one, two);
  });

  it('compact() makes older lists and watches expire, and keeps what is newer', async (store, signal) => {
    const old = await put(store, '/a', '1');
    await put(store, '/a', '2');
    const kept = await put(store, '/b', '3');
    await put(store, '/a', '4');
    await store.compact(kept, { signal });
    await assert.rejects(store.list('/', { signal, at: old }), Expired);
    await assert.rejects(async () => void (await take(store.watch('/', { after: old, signal }), 1)), Expired);
    const page = await store.list('/', { signal, at: kept });
    assert.deepEqual(
      page.entries.map((entry) => [entry.key, text(entry.value)]),
      [
        ['/a', '2'],
        ['/b', '3'],
      ],
    );
    assert.deepEqual((await take(store.watch('/', { after: kept, signal }), 1)).map(line), ['put /a=4']);
  });

  it('a revision that has not come yet is refused as Future', async (store, signal) => {
    const at = await put(store, '/a', '1');
    await assert.rejects(store.list('/', { signal, at: revision(at + 10n) }), Future);
  });

  it('a compare-and-commit counter counts every increment of concurrent writers', async (store, signal) => {
    await put(store, '/n', '0');
    const increment = async () => {
      for (;;) {
        const entry = (await store.get('/n', { signal }))!;
        try {
          return await put(store, '/n', `${Number(text(entry.value)) + 1}`, entry.modified);
        } catch (error) {
          if (!(error instanceof Conflict)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, increment));
    assert.equal(text((await store.get('/n', { signal }))!.value), '20');
  });
}
