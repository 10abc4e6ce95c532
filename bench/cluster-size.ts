/** Fills a cluster in this process with pretend nodes and running pods; prints what it holds in memory. */
import { setTimeout } from 'node:timers/promises';
import { Deployment } from '#api/apps/deployment.ts';
import { Pod } from '#api/core/pod.ts';
import { startCluster } from '#cluster/test-cluster.ts';

const [nodes = 5000, pods = 50_000] = process.argv.slice(2).map(Number);
const podsPerDeployment = 500;

await using cluster = await startCluster({ nodes, clock: 'system' });
const { client, signal } = cluster;
for (let index = 0; index < pods / podsPerDeployment; index++) {
  const name = `web-${index}`;
  const requests = { cpu: '100m', memory: '128Mi' };
  const deployment: Deployment = {
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: podsPerDeployment,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image: 'web:1', resources: { requests } }] },
      },
    },
  };
  await client.create(Deployment, deployment, { signal });
}
const running = () => cluster.cache.list(Pod).filter(({ status }) => status?.phase === 'Running').length;
while (running() < pods) await setTimeout(1000);
await setTimeout(5000); // late status writes and events
globalThis.gc?.();
await setTimeout(1000);
console.log(JSON.stringify({ megabytes: process.memoryUsage.rss() / 1e6, heap: process.memoryUsage().heapUsed / 1e6 }));
process.exit(0);
