import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawApi } from './support/api.ts';
import { Tutti } from './support/tutti.ts';

const rounds = 50;
const writesPerRound = 20;
const writersAtOnce = 8;
/** The kill comes this long at most after the write it waits for; a write takes 2 to 10 ms. */
const laterMsMax = 5;
const configMaps = '/api/v1/namespaces/default/configmaps';

interface Stored {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data: { readonly value: string };
}

let cluster: Tutti;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
});
after(() => cluster[Symbol.asyncDispose]());

/** A seeded generator (mulberry32), so that a failure can be repeated: the seed is in the test's title. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const seed = Math.trunc(performance.timeOrigin % 2 ** 31);

test(`kill -9 at ${rounds} random points of ${rounds * writesPerRound} writes loses nothing acknowledged (seed ${seed})`, async (t) => {
  const random = randomOf(seed);
  /** The newest acknowledged value and revision of each object; and every value ever sent for it. */
  const acknowledged = new Map<string, { value: string; revision: bigint }>();
  const sent = new Map<string, Set<string>>();
  let highest = 0n;
  let slowestMs = 0;
  let unanswered = 0;

  for (let round = 0; round < rounds; round++) {
    using api = await RawApi.open(cluster.kubeconfig);
    const names = Array.from({ length: writesPerRound }, (_, i) => `w-${(round * writesPerRound + i) % 400}`);
    const write = async (name: string, i: number) => {
      const value = `${round}.${i} ${'x'.repeat(Math.trunc(random() * 2_000))}`;
      sent.set(name, (sent.get(name) ?? new Set()).add(value));
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } };
      const isNew = !acknowledged.has(name);
      const reply = await (isNew ? api.send('POST', configMaps, body) : api.send('PUT', `${configMaps}/${name}`, body));
      // A create that was cut off before its answer may have been stored all the same.
      if (isNew && reply.code === 409) return;
      assert.ok(reply.code < 300, reply.text);
      const { metadata } = reply.body as Stored;
      acknowledged.set(name, { value, revision: BigInt(metadata.resourceVersion) });
      if (BigInt(metadata.resourceVersion) > highest) highest = BigInt(metadata.resourceVersion);
    };
    const queue = names.map((name, i) => ({ name, i }));
    const killAfter = Math.trunc(random() * writesPerRound);
    const killTime = Promise.withResolvers<void>();
    let answered = 0;
    let isKilled = false;
    const writers = Array.from({ length: writersAtOnce }, async () => {
      for (let next = queue.shift(); next !== undefined && !isKilled; next = queue.shift()) {
        await write(next.name, next.i).catch((error: Error) => {
          if (!isKilled || error instanceof assert.AssertionError) return killTime.reject(error);
          unanswered++;
        });
        if (++answered >= killAfter) killTime.resolve();
      }
    });
    await killTime.promise;
    // Anywhere in what follows: while others are read, checked, flushed or answered.
    await new Promise((resolve) => setTimeout(resolve, random() * laterMsMax));
    isKilled = true;
    await cluster.kill('SIGKILL');
    await Promise.all(writers);

    slowestMs = Math.max(slowestMs, await cluster.start());
    using again = await RawApi.open(cluster.kubeconfig);
    const list = await again.json<{ metadata: { resourceVersion: string }; items: readonly Stored[] }>(
      'GET',
      configMaps,
    );
    const now = BigInt(list.metadata.resourceVersion);
    assert.ok(now >= highest, `round ${round}: resourceVersion went back from ${highest} to ${now}`);
    highest = now;
    const found = new Map(list.items.map((item) => [item.metadata.name, item]));
    for (const [name, { value, revision }] of acknowledged) {
      const item = found.get(name);
      assert.ok(item !== undefined, `round ${round}: ${name}, acknowledged at ${revision}, is lost`);
      const stored = BigInt(item.metadata.resourceVersion);
      assert.ok(stored >= revision, `round ${round}: ${name} went back from ${revision} to ${stored}`);
      if (stored === revision) assert.equal(item.data.value, value, `round ${round}: ${name} holds another value`);
      else assert.ok(sent.get(name)?.has(item.data.value), `round ${round}: ${name} holds what nobody wrote`);
    }
    // What was stored without an answer counts from now on.
    for (const [name, item] of found) {
      if (sent.has(name))
        acknowledged.set(name, { value: item.data.value, revision: BigInt(item.metadata.resourceVersion) });
    }
  }
  t.diagnostic(`slowest restart ${Math.round(slowestMs)} ms; ${unanswered} writes were cut off`);
  assert.ok(unanswered > 0, 'no kill hit a write: the test shows nothing');
});

test('a watch that a kill cuts off goes on from its resourceVersion and misses nothing', async () => {
  using api = await RawApi.open(cluster.kubeconfig);
  const { metadata } = await api.json<{ metadata: { resourceVersion: string } }>('GET', configMaps);
  const create = (client: RawApi, name: string) =>
    client.json('POST', configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: {} });
  await create(api, 'before-the-kill');
  await cluster.kill('SIGKILL');
  await cluster.start();
  using again = await RawApi.open(cluster.kubeconfig);
  await create(again, 'after-the-kill');
  const watch = await again.send(
    'GET',
    `${configMaps}?watch=1&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`,
  );
  const events = watch.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; object: Stored });
  assert.deepEqual(
    events.map(({ type, object }) => [type, object.metadata.name]),
    [
      ['ADDED', 'before-the-kill'],
      ['ADDED', 'after-the-kill'],
    ],
  );
});
