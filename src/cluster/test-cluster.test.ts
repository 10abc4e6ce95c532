import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { HttpClient } from '#client/http-client.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { systemClock } from '#lib/clock.ts';
import { startCluster, type TestCluster } from './test-cluster.ts';

const web = { namespace: 'default', name: 'web' };

function deploymentOf(replicas: number, cpu = '1', annotations: Record<string, string> = {}): Deployment {
  return {
    metadata: web,
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' }, annotations },
        spec: { containers: [{ name: 'main', image: 'web:1', resources: { requests: { cpu } } }] },
      },
    },
  };
}

const readyReplicas = async ({ client, signal }: TestCluster) =>
  (await client.get(Deployment, web, { signal })).status?.readyReplicas ?? 0;

test('a Deployment becomes ready pods on pretend nodes, evenly spread', async () => {
  await using cluster = await startCluster({ nodes: 3 });
  await cluster.client.create(Deployment, deploymentOf(6), { signal: cluster.signal });
  await cluster.until(async () => (await readyReplicas(cluster)) === 6, { what: 'six ready replicas' });
  const perNode = Object.values(Object.groupBy(cluster.cache.list(Pod), ({ spec }) => spec.nodeName ?? ''));
  assert.deepEqual(
    perNode.map((pods) => pods?.length),
    [2, 2, 2],
  );
});

test('virtual time stands still until it is advanced', async () => {
  await using cluster = await startCluster({ nodes: 1, podStartMs: 60_000 });
  await cluster.client.create(Deployment, deploymentOf(1), { signal: cluster.signal });
  await cluster.advance(59_000);
  assert.equal(await readyReplicas(cluster), 0);
  await cluster.advance(2_000);
  assert.equal(await readyReplicas(cluster), 1);
});

test('why() tells the reasons of every node, and what would help', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 2, cpu: '2' }] });
  await cluster.client.create(Deployment, deploymentOf(1, '3'), { signal: cluster.signal });
  await cluster.until(() => cluster.cache.list(Pod).some(({ status }) => status?.conditions?.[0]?.status === 'False'));
  const [pod] = cluster.cache.list(Pod);
  assert.match(pod?.status?.conditions?.[0]?.message ?? '', /^0\/2 nodes are available: 2 Insufficient cpu\. /);
  const why = cluster.why({ namespace: 'default', name: pod?.metadata?.name ?? '' });
  assert.deepEqual(why?.wouldFit, ['2 nodes would if 1 of cpu were added to its capacity']);
});

test('it serves HTTPS with a kubeconfig, and disposing of it leaves nothing behind', async () => {
  let path: string;
  {
    await using cluster = await startCluster({ nodes: 2, clock: 'system' });
    const served = await cluster.serve();
    path = served.kubeconfigPath;
    const { server } = await loadKubeconfig([path]);
    await using client = new HttpClient({ server, clock: systemClock, userAgent: 'test' });
    const nodes = await client.list(Node, { signal: cluster.signal });
    assert.deepEqual(
      nodes.items.map(({ metadata }) => metadata?.name),
      ['sim-00001', 'sim-00002'],
    );
  }
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('two clusters live in one process and know nothing of each other', async () => {
  await using one = await startCluster({ nodes: 1 });
  await using two = await startCluster({ nodes: 2 });
  await one.client.create(Deployment, deploymentOf(1), { signal: one.signal });
  await one.until(async () => (await readyReplicas(one)) === 1);
  assert.equal(two.cache.list(Pod).length, 0);
});

test('pods of a node that plays dead are replaced elsewhere, in virtual minutes and real milliseconds', async () => {
  await using cluster = await startCluster({ nodes: 3 });
  const { client, signal, cache } = cluster;
  await client.create(Deployment, deploymentOf(3), { signal });
  await cluster.until(async () => (await readyReplicas(cluster)) === 3);
  const lost = cache.list(Pod)[0]?.spec.nodeName ?? '';
  cluster.nodes.stop(lost);
  const elsewhere = () =>
    cache.list(Pod).filter(({ spec, metadata, status }) => {
      const ready = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True');
      return spec.nodeName !== lost && metadata?.deletionTimestamp === undefined && ready === true;
    });
  await cluster.until(() => elsewhere().length === 3, { what: 'three ready pods elsewhere', withinMs: 15 * 60_000 });
});

test('why() is also a subresource of the pod, over HTTPS', async () => {
  await using cluster = await startCluster({ nodes: 1, clock: 'system' });
  await cluster.client.create(Deployment, deploymentOf(1), { signal: cluster.signal });
  await cluster.until(async () => (await readyReplicas(cluster)) === 1);
  const name = cluster.cache.list(Pod)[0]?.metadata?.name ?? '';
  const { server } = await loadKubeconfig([(await cluster.serve()).kubeconfigPath]);
  await using client = new HttpClient({ server, clock: systemClock, userAgent: 'test' });
  const options = { subresource: 'why', signal: cluster.signal };
  const answer: object = await client.get(Pod, { namespace: 'default', name }, options);
  assert.equal('summary' in answer && typeof answer.summary, 'string');
  await assert.rejects(client.get(Pod, { namespace: 'default', name: 'nobody' }, options), { reason: 'NotFound' });
});

test('pods that come and go over capacity fill the nodes exactly, and never beyond', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 5, cpu: '4' }] });
  const { client, signal, cache } = cluster;
  const create = (index: number) =>
    client.create(
      Pod,
      {
        metadata: { name: `pod-${index}`, namespace: 'default' },
        spec: { containers: [{ name: 'main', image: 'web', resources: { requests: { cpu: '1' } } }] },
      },
      { signal },
    );
  const bound = () => cache.list(Pod).filter(({ spec }) => spec.nodeName !== undefined);
  const mostOnANode = () =>
    Math.max(
      ...Object.values(Object.groupBy(bound(), ({ spec }) => spec.nodeName ?? '')).map((pods) => pods?.length ?? 0),
    );
  for (let index = 0; index < 40; index++) await create(index);
  await cluster.until(() => bound().length === 20, { what: 'twenty bound pods' });
  for (let round = 0; round < 20; round++) {
    const victim = bound()[(round * 7) % 20]?.metadata?.name ?? '';
    await client.delete(Pod, { namespace: 'default', name: victim }, { signal, gracePeriodSeconds: 0 });
    await create(100 + round);
    await cluster.until(() => bound().length === 20 && cache.list(Pod).length === 40, { what: `round ${round}` });
    assert.equal(mostOnANode(), 4);
  }
});
