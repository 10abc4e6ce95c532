import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { StatsSummary } from '#client/stats-summary.ts';
import { VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { hasReason, unavailable } from '#machinery/status-error.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testApi } from '../testing.ts';
import { agentMetrics } from './agent-metrics.ts';
import { NodeMetrics, PodMetrics } from './kinds.ts';

const time = '2026-01-01T00:00:00Z';
const used = (nanoCores: number, bytes: number) => ({
  cpu: { time, usageNanoCores: nanoCores },
  memory: { time, workingSetBytes: bytes },
});

test('metrics.k8s.io tells what the agents that answer have measured, in one round for all who ask', async ({
  signal,
}) => {
  const clock = new VirtualClock();
  let asked = 0;
  let uid = '';
  const stats = async (nodeName: string): Promise<StatsSummary> => {
    asked++;
    if (nodeName === 'silent') throw unavailable('no answer');
    return {
      node: { nodeName, ...used(250_000_000, 1024 * 1024) },
      pods: [
        {
          podRef: { name: 'p', namespace: 'a', uid },
          startTime: time,
          containers: [{ name: 'c', ...used(1_000_000, 2048) }],
        },
        { podRef: { name: 'gone', namespace: 'a', uid: 'gone' }, startTime: time, containers: [] },
      ],
    };
  };
  const metrics = agentMetrics({ client: () => client, stats, clock, log: silentLog });
  await using api = await testApi({ clock, metrics });
  const client: InProcessClient = new InProcessClient(api, { user: admin });
  for (const name of ['n1', 'silent'])
    await client.create(Node, { metadata: { name, labels: { name } }, spec: {} }, { signal });
  const pod = await client.create(
    Pod,
    {
      metadata: { name: 'p', namespace: 'a', labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    },
    { signal },
  );
  uid = pod.metadata?.uid ?? '';

  const nodes = await client.list(NodeMetrics, { signal });
  assert.deepEqual(
    nodes.items.map(({ metadata, usage }) => [metadata?.name, usage]),
    [['n1', { cpu: '250000000n', memory: '1024Ki' }]],
  );
  const pods = await client.list(PodMetrics, { signal, namespace: 'a', labelSelector: 'app=web' });
  assert.deepEqual(
    pods.items.map(({ metadata, containers }) => [metadata?.name, containers]),
    [['p', [{ name: 'c', usage: { cpu: '1000000n', memory: '2Ki' } }]]],
  );
  assert.equal((await client.get(PodMetrics, { namespace: 'a', name: 'p' }, { signal })).timestamp, time);
  await assert.rejects(client.get(NodeMetrics, { name: 'silent' }, { signal }), (error) =>
    hasReason(error, 'NotFound'),
  );
  assert.equal(asked, 2);
  await clock.advance(11_000);
  await client.list(NodeMetrics, { signal });
  assert.equal(asked, 4);
});
