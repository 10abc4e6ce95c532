import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Secret } from '#api/core/secret.ts';
import type { Controller } from './controller.ts';
import { TestCluster } from './testing/test-cluster.ts';

const ref = (name: string) => ({ metadata: { name, namespace: 'ns' } });

/** Makes a Secret for every ConfigMap, under a name of the server's choice: doing it twice would show. */
function secretMaker(more: Partial<Controller> = {}): Controller & { passes: number } {
  return {
    name: 'secret-maker',
    reconciles: ConfigMap,
    wakesOn: [],
    reads: [Secret],
    passes: 0,
    async reconcile(key, { cache, client, signal }) {
      this.passes++;
      const owner = cache.get(ConfigMap, key);
      if (owner === undefined) return;
      const made = cache.list(Secret).some(({ data }) => data?.['for'] === owner.metadata?.uid);
      if (made) return;
      const metadata = { namespace: 'ns', generateName: 'made-' };
      await client.create(Secret, { metadata, data: { for: owner.metadata?.uid ?? '' } }, { signal });
    },
    ...more,
  };
}

test('a key is not looked at again before the cache shows what was written for it', async () => {
  await using cluster = new TestCluster();
  const controller = secretMaker();
  await cluster.run([controller]);
  cluster.client.hold(Secret);
  await cluster.create(ConfigMap, ref('a'));
  await cluster.settle();
  for (let i = 0; i < 5; i++) {
    await cluster.change(ConfigMap, 'a', (each) => ({ ...each, data: { n: String(i) } }));
    await cluster.settle();
  }
  assert.deepEqual([cluster.client.all(Secret).length, controller.passes], [1, 1]);
  cluster.client.release();
  await cluster.settle();
  assert.equal(cluster.client.all(Secret).length, 1);
  assert.ok(controller.passes > 1);
});

test('the full pass finds what no event told of', async () => {
  await using cluster = new TestCluster();
  await cluster.run([secretMaker()]);
  await cluster.create(ConfigMap, ref('a'));
  await cluster.settle();
  const [secret] = cluster.client.all(Secret);
  cluster.client.remove(Secret, { namespace: 'ns', name: secret?.metadata?.name ?? '' }); // nothing wakes on that
  await cluster.settle();
  assert.equal(cluster.client.all(Secret).length, 0);
  await cluster.clock.advance(11 * 60_000);
  assert.equal(cluster.client.all(Secret).length, 1);
});

test('one key that always fails keeps no other from being worked on', async () => {
  await using cluster = new TestCluster();
  const seen: string[] = [];
  const controller: Controller = {
    name: 'failing',
    reconciles: ConfigMap,
    wakesOn: [],
    workersMax: 1,
    async reconcile(key) {
      seen.push(key);
      if (key === 'ns/bad') throw new Error('bad');
    },
  };
  await cluster.run([controller]);
  for (const name of ['bad', 'good', 'fine']) await cluster.create(ConfigMap, ref(name));
  await cluster.settle();
  assert.ok(seen.includes('ns/good') && seen.includes('ns/fine'));
  const tries = seen.filter((key) => key === 'ns/bad').length;
  assert.ok(tries > 3 && tries < 15, `${tries} tries in two seconds`);
});

test('a pass that hangs is aborted and tried again', async () => {
  await using cluster = new TestCluster();
  let hangs = 0;
  const controller: Controller = {
    name: 'hanging',
    reconciles: ConfigMap,
    wakesOn: [],
    async reconcile(_key, { signal }) {
      hangs++;
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    },
  };
  await cluster.run([controller]);
  await cluster.create(ConfigMap, ref('a'));
  await cluster.clock.advance(5 * 60_000);
  assert.ok(hangs >= 2);
});

test('spacing gathers many wake-ups into few passes, the first of them at once', async () => {
  await using cluster = new TestCluster();
  const controller = secretMaker({ spacingMs: 100 });
  await cluster.run([controller]);
  await cluster.create(ConfigMap, ref('a'));
  await cluster.clock.advance(0);
  assert.equal(controller.passes, 1);
  for (let i = 0; i < 50; i++) {
    await cluster.change(ConfigMap, 'a', (each) => ({ ...each, data: { n: String(i) } }));
    await cluster.clock.advance(2);
  }
  await cluster.settle();
  assert.ok(controller.passes <= 4, `${controller.passes} passes`);
});
