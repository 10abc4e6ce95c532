import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { systemClock } from '#lib/clock.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testServer } from '../testing.ts';
import { Fairness } from './fairness.ts';

const maps = '/api/v1/configmaps';

/** One connection of one caller, which sends requests one after the other. */
function caller(server: { readonly url: string; readonly ca: { readonly certificate: string } }, token: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: server.ca.certificate });
  return {
    async get(path: string): Promise<number> {
      const asked = request(`${server.url}${path}`, { agent, headers: { authorization: `Bearer ${token}` } });
      asked.end();
      const [reply] = (await once(asked, 'response')) as [IncomingMessage];
      reply.resume();
      await once(reply, 'end');
      return reply.statusCode ?? 0;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** How many requests of an elephant on 64 connections are served, on average, while a mouse waits for one of its own. */
async function overtaken(fairness: Fairness | undefined, signal: AbortSignal): Promise<number> {
  await using server = await testServer({ fairness });
  const client = new InProcessClient(server.api, { user: admin });
  for (let i = 0; i < 100; i++) {
    await client.create(
      ConfigMap,
      { metadata: { namespace: 'n', name: `m${i}` }, data: { k: 'x'.repeat(200) } },
      { signal },
    );
  }
  using stack = new DisposableStack();
  const own = <T extends Disposable>(value: T) => stack.use(value);
  let served = 0;
  let over = false;
  const elephants = Array.from({ length: 64 }, async () => {
    const elephant = own(caller(server, 'user:elephant'));
    while (!over) {
      assert.ok([200, 429].includes(await elephant.get(`${maps}?labelSelector=a!%3Db`)));
      served++;
    }
  });
  const mouse = own(caller(server, 'user:mouse'));
  while (served < 128) await new Promise((resolve) => setImmediate(resolve));
  const before = served;
  const rounds = 12;
  for (let i = 0; i < rounds; i++) assert.equal(await mouse.get('/api/v1/namespaces/n/configmaps/m1'), 200);
  const between = served - before;
  over = true;
  await Promise.all(elephants);
  return between / rounds;
}

test('an elephant on 64 connections holds a mouse up by a few of its requests, and by all of them without fairness', async ({
  signal,
}) => {
  const fair = await overtaken(new Fairness({ seats: 240, clock: systemClock }), signal);
  const unfair = await overtaken(undefined, signal);
  assert.ok(fair < unfair / 2, `overtaken by ${fair.toFixed(1)} with fairness, ${unfair.toFixed(1)} without`);
});

test('a watch takes a seat to begin with and none for as long as it lasts', async () => {
  const fairness = new Fairness({ seats: 1, clock: systemClock });
  await using server = await testServer({ fairness });
  const agent = new Agent({ keepAlive: true, ca: server.ca.certificate });
  const watches: IncomingMessage[] = [];
  for (let i = 0; i < 5; i++) {
    const asked = request(`${server.url}${maps}?watch=true`, { agent, headers: { authorization: 'Bearer user:w' } });
    asked.end();
    const [reply] = (await once(asked, 'response')) as [IncomingMessage];
    assert.equal(reply.statusCode, 200);
    watches.push(reply);
  }
  using other = caller(server, 'user:w');
  assert.equal(await other.get(maps), 200);
  assert.deepEqual(
    [...fairness.levels].map(({ seats }) => seats).filter((seats) => seats > 0),
    [],
  );
  for (const watch of watches) watch.destroy();
  agent.destroy();
});
