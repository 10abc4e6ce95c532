import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { Reservation } from '#api/tutti-scheduling/reservation.ts';
import { startCluster, type TestCluster } from '../test-cluster.ts';
import { takeSnapshot } from './snapshot.ts';
import { kindNamed, whatIf } from './what-if.ts';

const web = { namespace: 'default', name: 'web' };
const labels = { app: 'web' };
function deployment(replicas: number, cpu: string): Deployment {
  const containers = [{ name: 'main', image: 'web:1', resources: { requests: { cpu } } }];
  return {
    metadata: web,
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  };
}

/** Two nodes of four cores with four ready pods of one core each. */
async function running(): Promise<TestCluster> {
  const cluster = await startCluster({ nodes: [{ count: 2, cpu: '4' }], startsAt: Date.now() }); // as the twin does
  await cluster.client.create(Deployment, deployment(4, '1'), { signal: cluster.signal });
  await cluster.until(async () => (await cluster.client.get(Deployment, web, cluster)).status?.readyReplicas === 4, {
    what: 'four ready replicas',
  });
  return cluster;
}
const first = 'sim-00001';
const second = 'sim-00002';
const nodesOf = (pods: readonly { readonly node?: string }[]) => pods.map(({ node }) => node);

test('draining a node moves its pods to the others, and the original stays as it is', async () => {
  await using cluster = await running();
  const before = await cluster.client.list(Pod, cluster);
  const outcome = await whatIf(
    await takeSnapshot(cluster.client, cluster.signal),
    [{ do: 'drain', nodes: [first] }],
    cluster.signal,
  );
  const [change, ...more] = outcome.workloads;
  assert.deepEqual(more, []);
  assert.equal(change?.workload, 'Deployment default/web');
  assert.deepEqual(
    [nodesOf(change.removed), nodesOf(change.created)],
    [
      [first, first],
      [second, second],
    ],
  );
  assert.deepEqual([outcome.unplaced, outcome.kept], [[], []]);
  assert.deepEqual((await cluster.client.list(Pod, cluster)).items, before.items);
  assert.equal((await cluster.client.get(Node, { name: first }, cluster)).spec?.unschedulable, undefined);
});

test('what finds no room says what is short and what would help', async () => {
  await using cluster = await running();
  const snapshot = await takeSnapshot(cluster.client, cluster.signal);
  const scale = { do: 'scale', kind: Deployment, ref: web, replicas: 10 } as const;
  const tight = await whatIf(snapshot, [scale], cluster.signal);
  assert.equal(tight.workloads[0]?.created.length, 6);
  assert.equal(tight.unplaced.length, 2);
  assert.deepEqual(tight.unplaced[0]?.dimensions, { 'Insufficient cpu': 2 });
  assert.match(tight.unplaced[0].wouldFit.join(), /^2 nodes would if 1 of cpu were freed/);
  const roomy = await whatIf(
    snapshot,
    [scale, { do: 'add', shape: { count: 1, cpu: '4', namePrefix: 'new-' } }],
    cluster.signal,
  );
  assert.deepEqual(roomy.unplaced, []);
  assert.ok(nodesOf(roomy.workloads[0]?.created ?? []).includes('new-00001'));
});

test('a node that is lost takes its pods along; they come back where there is room', async () => {
  await using cluster = await running();
  const outcome = await whatIf(
    await takeSnapshot(cluster.client, cluster.signal),
    [{ do: 'remove', nodes: [second] }],
    cluster.signal,
  );
  assert.deepEqual(nodesOf(outcome.workloads[0]?.created ?? []), [first, first]);
});

test('room that is reserved is not there in a rehearsal either', async () => {
  await using cluster = await running();
  const reservation: Reservation = {
    metadata: { name: 'offer', namespace: 'default' },
    spec: { nodeName: first, holder: 'test', timeoutSeconds: 86_400 },
  };
  await cluster.client.create(Reservation, reservation, cluster);
  await cluster.until(
    async () =>
      (await cluster.client.get(Reservation, { name: 'offer', namespace: 'default' }, cluster)).status?.phase ===
      'Held',
  );
  const outcome = await whatIf(
    await takeSnapshot(cluster.client, cluster.signal),
    [{ do: 'remove', nodes: [second] }],
    cluster.signal,
  );
  assert.deepEqual(nodesOf(outcome.workloads[0]?.created ?? []), [undefined, undefined]);
});

test('a disruption budget keeps pods on a drained node, and is named', async () => {
  await using cluster = await running();
  const budget: PodDisruptionBudget = {
    metadata: web,
    spec: { minAvailable: 4, selector: { matchLabels: labels } },
  };
  await cluster.client.create(PodDisruptionBudget, budget, cluster);
  await cluster.until(
    async () => (await cluster.client.get(PodDisruptionBudget, web, cluster)).status?.currentHealthy === 4,
  );
  const outcome = await whatIf(
    await takeSnapshot(cluster.client, cluster.signal),
    [{ do: 'drain', nodes: [first] }],
    cluster.signal,
  );
  assert.deepEqual(outcome.workloads, []);
  assert.equal(outcome.kept.length, 2);
  assert.match(outcome.kept[0]?.reason ?? '', /The disruption budget web needs 4 healthy pods and has 4 currently/);
});

test('kindNamed() finds what can be scaled, and says what can', () => {
  for (const word of ['deployment', 'deployments', 'deploy', 'apps/v1/Deployment']) {
    assert.equal(kindNamed(word), Deployment, word);
  }
  assert.throws(
    () => kindNamed('pod'),
    /a v1 Pod has no replicas; replicationcontroller, deployment, replicaset, statefulset have/,
  );
  assert.throws(() => kindNamed('thing'), /"thing" names no kind/);
});
