import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Job } from '#api/batch/job.ts';
import { Pod } from '#api/core/pod.ts';
import { Workload } from '#api/scheduling/workload.ts';
import { hasReason } from '#machinery/status-error.ts';
import { startCluster } from './test-cluster.ts';

test('the pods of a job that are a gang run together, or wait together', async () => {
  await using cluster = await startCluster({ nodes: [{ count: 2, cpu: '4' }] });
  const { client, signal } = cluster;
  const namespace = 'default';
  const gangOf = (name: string, minCount: number): Workload => ({
    metadata: { name, namespace },
    spec: { podGroups: [{ name: 'workers', policy: { gang: { minCount } } }] },
  });
  await assert.rejects(
    client.create(Workload, gangOf('none', 0), { signal }),
    (error) => hasReason(error, 'Invalid') && /minCount/.test(String(error)),
  );
  const job = (name: string, parallelism: number, cpu: string): Job => ({
    metadata: { name, namespace },
    spec: {
      parallelism,
      completions: parallelism,
      template: {
        spec: {
          workloadRef: { name, podGroup: 'workers' },
          restartPolicy: 'Never',
          containers: [{ name: 'main', image: 'trainer:1', resources: { requests: { cpu } } }],
        },
      },
    },
  });
  for (const [name, workers] of [
    ['first', 4],
    ['second', 3],
  ] as const) {
    await client.create(Workload, gangOf(name, workers), { signal });
    await client.create(Job, job(name, workers, '2'), { signal });
  }
  const placed = async (name: string) => {
    const { items } = await client.list(Pod, { namespace, labelSelector: `job-name=${name}`, signal });
    return items.filter(({ spec }) => spec.nodeName !== undefined).length;
  };
  await cluster.until(async () => (await placed('first')) + (await placed('second')) >= 3);
  await cluster.advance(60_000);
  const [runs, waits] = (await placed('first')) === 4 ? ['first', 'second'] : ['second', 'first'];
  assert.equal(await placed(waits), 0);
  const { items } = await client.list(Pod, { namespace, labelSelector: `job-name=${waits}`, signal });
  const why = cluster.why({ namespace, name: items[0]?.metadata?.name ?? '' });
  assert.match(
    why?.summary ?? '',
    /pods fit that must be placed together: 0\/2 nodes are available: 2 Insufficient cpu/,
  );
  await client.delete(Job, { namespace, name: runs }, { signal, propagationPolicy: 'Background' });
  await cluster.until(async () => (await placed(waits)) >= 3);
});
