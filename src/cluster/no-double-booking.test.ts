import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import type { Informers } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import { abortController, systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { unavailable } from '#machinery/status-error.ts';
import { Random } from '#scheduler/testing/random.ts';
import { ControlPlane } from './control-plane.ts';
import { startCluster, type TestCluster } from './test-cluster.ts';

/** For a longer look: `TUTTI_CHAOS_PODS=20000 node --test src/cluster/no-double-booking.test.ts`. */
const podCount = Number(process.env['TUTTI_CHAOS_PODS'] ?? 1500);
const seed = Math.trunc(performance.timeOrigin % 2 ** 31);

const coresPerNode = 8;
/** Every eighth pod, arriving last, has two others leave: so many ordinary ones must go, or find no room. */
const urgentCount = Math.floor(podCount / 8);
const ordinaryCount = podCount - urgentCount;
/** Ordinary pods ask for one core and fill the nodes to the brim; of those that leave nobody makes new ones. */
const nodeCount = Math.ceil(ordinaryCount / coresPerNode);
const urgentCores = 2;
const killEveryMs = { least: 40, most: 400 };
const flapEveryMs = 50;
/** Within this time after the last arrival everything has its place. */
const settleMsMax = 30_000 + podCount * 10;

test(`no node is overbooked and no pod lost while schedulers die and nodes flap: ${podCount} pods (seed ${seed})`, async (t) => {
  const random = new Random(seed);
  await using cluster = await startCluster({
    nodes: [{ count: nodeCount, cpu: `${coresPerNode}` }],
    clock: 'system',
    controlled: false,
    podStartMs: 3_600_000,
  });
  const { client, signal } = cluster;
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } }, { signal });
  for (const [name, value] of Object.entries({ ordinary: 1, urgent: 100 })) {
    await client.create(PriorityClass, { metadata: { name }, value }, { signal });
  }
  const books = keepBooks(cluster);
  let over = false;
  let generations = 0;
  const killing = (async () => {
    while (!over) {
      generations++;
      await using _ = mortalScheduler(client);
      const lifeMs = killEveryMs.least + random.below(killEveryMs.most - killEveryMs.least);
      await setTimeout(lifeMs);
    }
  })();
  const flapping = (async () => {
    while (!over) {
      await flap(cluster, `sim-${String(1 + random.below(nodeCount)).padStart(5, '0')}`, random);
      await setTimeout(flapEveryMs);
    }
  })();
  await createAll(cluster, ordinaryCount, 'ordinary', 1);
  await cluster.until(() => books.bound.size >= ordinaryCount * 0.9, { withinMs: settleMsMax });
  await createAll(cluster, urgentCount, 'urgent', urgentCores);
  await cluster.until(() => books.boundOf('urgent') === urgentCount, { withinMs: settleMsMax, what: 'urgent pods' });
  over = true;
  await Promise.all([killing, flapping]);
  for (const { metadata, spec } of (await client.list(Node, { signal })).items) {
    if (spec.unschedulable === true)
      await client.patch(
        Node,
        { name: metadata?.name ?? '' },
        { type: 'merge', patch: { spec: { unschedulable: null } } },
        { signal },
      );
  }
  await using _ = mortalScheduler(client);
  // Whoever has no place now must be one for whom there is none.
  const free = () => nodeCount * coresPerNode - [...books.used.values()].reduce((sum, cores) => sum + cores, 0);
  const waiting = () => books.alive.size - books.bound.size;
  await cluster.until(() => waiting() === 0 || free() === 0, {
    withinMs: settleMsMax,
    what: 'every pod to have its place',
  });
  assert.deepEqual(books.wrongs, []);
  assert.equal(books.alive.size + books.gone.size, podCount);
  assert.deepEqual(
    [...books.gone].filter((name) => name.startsWith('urgent')),
    [],
  );
  const stored = (await client.list(Pod, { namespace: 'default', signal })).items;
  const perNode = Map.groupBy(
    stored.filter(({ spec }) => spec.nodeName !== undefined),
    ({ spec }) => spec.nodeName,
  );
  for (const [node, pods] of perNode) {
    const cores = pods.reduce((sum, pod) => sum + coresOf(pod), 0);
    assert.ok(cores <= coresPerNode, `${node} has ${cores} of ${coresPerNode} cores taken`);
  }
  assert.ok(generations > 5, `only ${generations} schedulers lived`);
  t.diagnostic(`${generations} schedulers, ${books.gone.size} pods preempted, ${waiting()} left waiting`);
});

const coresOf = (pod: Pod) => Number(pod.spec.containers[0]?.resources?.requests?.['cpu'] ?? 0);

/** Follows every write in its order: what is wrong at any moment is noticed, not only at the end. */
function keepBooks(cluster: TestCluster) {
  const used = new Map<string, number>();
  const bound = new Map<string, { readonly name: string; readonly node: string; readonly cores: number }>();
  const alive = new Set<string>();
  const gone = new Set<string>();
  const wrongs: string[] = [];
  (cluster.cache as unknown as Informers).on(Pod, ({ type, object }) => {
    const { uid = '', name = '' } = object.metadata ?? {};
    const node = object.spec.nodeName;
    const known = bound.get(uid);
    if (type === 'DELETED') {
      alive.delete(name);
      gone.add(name);
      bound.delete(uid);
      if (known !== undefined) used.set(known.node, (used.get(known.node) ?? 0) - known.cores);
      return;
    }
    alive.add(name);
    if (known !== undefined && known.node !== node) wrongs.push(`${name} was moved from ${known.node} to ${node}`);
    if (node === undefined || known !== undefined) return;
    const cores = coresOf(object);
    bound.set(uid, { name, node, cores });
    const now = (used.get(node) ?? 0) + cores;
    used.set(node, now);
    if (now > coresPerNode) wrongs.push(`${node} has ${now} of ${coresPerNode} cores taken, by ${name} last`);
  });
  const boundOf = (prefix: string) => [...bound.values()].filter(({ name }) => name.startsWith(prefix)).length;
  return { used, bound, boundOf, alive, gone, wrongs };
}

async function createAll({ client, signal }: TestCluster, count: number, priorityClassName: string, cores: number) {
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  const creator = async () => {
    for (const index of numbers) {
      const containers = [{ name: 'main', image: 'web:1', resources: { requests: { cpu: `${cores}` } } }];
      const metadata = { name: `${priorityClassName}-${index}`, namespace: 'default' };
      await client.create(Pod, { metadata, spec: { containers, priorityClassName } }, { signal });
      await setTimeout(1);
    }
  };
  await Promise.all(Array.from({ length: 8 }, creator));
}

/** A node is closed and opened again, or goes and comes back with what runs on it. */
async function flap({ client, signal }: TestCluster, name: string, random: Random): Promise<void> {
  if (random.chance(2)) {
    for (const unschedulable of [true, null]) {
      await client.patch(Node, { name }, { type: 'merge', patch: { spec: { unschedulable } } }, { signal });
      await setTimeout(random.below(100));
    }
    return;
  }
  const node = await client.get(Node, { name }, { signal });
  await client.delete(Node, { name }, { signal });
  await setTimeout(random.below(100));
  const { labels = {} } = node.metadata ?? {};
  const created = await client.create(Node, { ...node, metadata: { name, labels } }, { signal });
  await client.update(Node, { ...created, status: node.status ?? {} }, { signal, subresource: 'status' });
}

/**
 * A scheduler that dies in the midst of whatever it does: requests on their way may still take effect, but it hears of
 * none. Its successor comes once they have ended, as after a lease has run out.
 */
function mortalScheduler(client: Client): AsyncDisposable {
  let dead = false;
  const inFlight = new Set<Promise<unknown>>();
  const dies = () => {
    if (dead) throw unavailable('this scheduler is dead');
  };
  const mortal = (inner: Client): Client =>
    new Proxy(inner, {
      get(target, property) {
        const member: unknown = Reflect.get(target, property);
        if (property === 'as') return (user: Parameters<Client['as']>[0]) => mortal(target.as(user));
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          dies();
          const reply: unknown = Reflect.apply(member, target, args);
          if (!(reply instanceof Promise)) return reply;
          const heard = reply.finally(dies);
          const end = () => void inFlight.delete(ended);
          const ended: Promise<void> = reply.then(end, end);
          inFlight.add(ended);
          return heard;
        };
      },
    });
  const control = new ControlPlane({ client: mortal(client), clock: systemClock, log: silentLog, controllers: [] });
  const stop = abortController();
  const running = [control.follow(stop.signal), control.lead(stop.signal)];
  return {
    async [Symbol.asyncDispose]() {
      dead = true;
      stop.abort();
      await Promise.all([...running, ...inFlight]);
    },
  };
}
