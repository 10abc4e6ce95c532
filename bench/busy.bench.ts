import { setTimeout } from 'node:timers/promises';
import { RawApi } from '#test/support/api.ts';
import { Tutti } from '#test/support/tutti.ts';
import { percentile, type Benchmark, type Row } from './row.ts';

const nodes = 1_000;
const pods = 10_000;
const getEveryMs = 10;
const boundMsMax = 60_000;

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'wide' },
  spec: {
    replicas: pods,
    selector: { matchLabels: { app: 'wide' } },
    template: { metadata: { labels: { app: 'wide' } }, spec: { containers: [{ name: 'main', image: 'web:1' }] } },
  },
};

/** How long one object takes to get while a whole Deployment is made, bound and reported as running. */
async function getWhileBinding(): Promise<readonly Row[]> {
  await using cluster = await Tutti.up(['--sim', '--nodes', `${nodes}`]);
  using api = await RawApi.open(cluster.kubeconfig);
  await api.json('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);
  const start = performance.now();
  const took: number[] = [];
  let ready = 0;
  while (ready < pods) {
    if (performance.now() - start > boundMsMax) throw new Error(`Only ${ready} of ${pods} pods are ready`);
    const asked = performance.now();
    const { body } = await api.send('GET', '/apis/apps/v1/namespaces/default/deployments/wide');
    took.push(performance.now() - asked);
    ready = (body as { readonly status?: { readonly readyReplicas?: number } }).status?.readyReplicas ?? 0;
    await setTimeout(getEveryMs);
  }
  return [
    { name: 'api.get-while-binding', value: percentile(took, 0.99), unit: 'ms', budget: 100, samples: took.length },
    { name: 'api.10k-pods-ready', value: performance.now() - start, unit: 'ms', samples: 1 },
  ];
}

export const benchmarks: readonly Benchmark[] = [
  { names: ['api.get-while-binding', 'api.10k-pods-ready'], run: getWhileBinding },
];
