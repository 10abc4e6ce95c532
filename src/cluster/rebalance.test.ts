import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { Event } from '#api/core/event.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import type { Explanation } from '#scheduler/explain.ts';
import { planMoves, rebalanceDefaults } from '#scheduler/rebalance/plan-moves.ts';
import { carryOut } from '#scheduler/rebalance/rebalancer.ts';
import { startCluster, type TestCluster, type TestClusterOptions } from './test-cluster.ts';

const labels = { app: 'web' };
const web = { namespace: 'default', name: 'web' };

/** Six replicas, all on the first of two nodes: the other was away. */
async function crowded(more: TestClusterOptions = {}): Promise<TestCluster> {
  const cluster = await startCluster({ nodes: 2, ...more });
  const { client } = cluster;
  const cordon = (unschedulable: boolean) =>
    client.patch(Node, { name: 'sim-00002' }, { type: 'merge', patch: { spec: { unschedulable } } }, cluster);
  await cordon(true);
  const containers = [{ name: 'main', image: 'x', resources: { requests: { cpu: '1' } } }];
  await client.create(
    Deployment,
    {
      metadata: web,
      spec: {
        replicas: 6,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    },
    cluster,
  );
  await cluster.until(async () => (await client.get(Deployment, web, cluster)).status?.readyReplicas === 6);
  await cordon(false);
  await cluster.advance(rebalanceDefaults.ageMsMin);
  return cluster;
}

const perNode = (cluster: TestCluster) => Object.groupBy(cluster.cache.list(Pod), ({ spec }) => spec.nodeName ?? '');
const plan = (cluster: TestCluster) =>
  planMoves(
    {
      nodes: cluster.cache.list(Node),
      pods: cluster.cache.list(Pod),
      why: async (pod): Promise<Explanation | undefined> => cluster.why(pod),
    },
    { ...rebalanceDefaults, gainMin: 0.1, now: cluster.clock.now() },
  );

test('passes move pods back to a node that returned, until it is not worth it any more', async () => {
  await using cluster = await crowded();
  let made = 0;
  for (let pass = 0; pass < 10; pass++) {
    const { moves } = await plan(cluster);
    for (const move of moves) made += Number(await carryOut(cluster.client, move, cluster.signal));
    await cluster.advance(rebalanceDefaults.ageMsMin + 60_000);
  }
  assert.deepEqual(
    Object.values(perNode(cluster)).map((pods) => pods?.length),
    [3, 3],
  );
  assert.equal(made, 3);
  assert.deepEqual((await plan(cluster)).moves, []);
});

test('a rebalancing cluster does so by itself, and says so in events', async () => {
  const rebalance = { ...rebalanceDefaults, gainMin: 0.1, intervalMs: 60_000 };
  await using cluster = await crowded({ rebalance });
  const even = () =>
    Object.values(perNode(cluster)).every((pods) => pods?.length === 3) && perNode(cluster)['sim-00002'] !== undefined;
  await cluster.until(even, { withinMs: 3_600_000, what: 'three pods on each node' });
  const { items } = await cluster.client.list(Event, { namespace: 'default', signal: cluster.signal });
  const told = items.filter(({ reason }) => reason === 'Rebalanced');
  assert.equal(told.length, 3);
  assert.match(
    told[0]?.message ?? '',
    /^Evicted from sim-00001: \d of 6 replicas are on node sim-00001; the scheduler now prefers sim-00002/,
  );
});

test('a disruption budget is kept', async () => {
  await using cluster = await crowded();
  const budget = { metadata: web, spec: { minAvailable: 6, selector: { matchLabels: labels } } };
  await cluster.client.create(PodDisruptionBudget, budget, cluster);
  await cluster.advance(10_000);
  const { moves } = await plan(cluster);
  assert.equal(moves.length, 1);
  assert.equal(await carryOut(cluster.client, moves[0]!, cluster.signal), false);
  assert.equal(cluster.cache.list(Pod).length, 6);
});
