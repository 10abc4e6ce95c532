import { Resolver } from 'node:dns/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Pod } from '#api/core/pod.ts';
import { connect } from '#cmd/connect.ts';
import type { Client } from '#client/client.ts';
import { run } from '#test/support/command.ts';
import { benchImage, loadBenchImage } from './image.ts';
import { percentile, type Benchmark, type Row } from './row.ts';
import { realNodeMissing, Server, skipped } from './server.ts';

const names = ['pod.start-p50', 'pod.start-p99', 'pod.start-api-loaded-p50', 'pod.dns-api-loaded-p99'];
const pods = 40;
const podsUnderLoad = 10;
const podMsMax = 30_000;
const dnsService = '10.96.0.10';
const askEveryMs = 5;

/** Milliseconds from sending the pod's creation to the event that says it runs. */
async function startPod(client: Client, name: string): Promise<number> {
  const signal = AbortSignal.timeout(podMsMax);
  const pod: Pod = {
    metadata: { namespace: 'default', name },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: 'main', image: benchImage, imagePullPolicy: 'Never', command: ['/bin/busybox', 'sleep', '3600'] },
      ],
    },
  };
  const start = performance.now();
  const created = await client.create(Pod, pod, { signal });
  const from = created.metadata?.resourceVersion;
  const events = client.watch(Pod, {
    namespace: 'default',
    fieldSelector: `metadata.name=${name}`,
    ...(from === undefined ? {} : { resourceVersion: from }),
    signal,
  });
  for await (const event of events) {
    if (event.type === 'MODIFIED' && event.object.status?.phase === 'Running') return performance.now() - start;
  }
  throw new Error(`Pod "${name}" was not seen running`);
}

async function startPods(client: Client, prefix: string, count: number): Promise<readonly number[]> {
  const waits: number[] = [];
  for (let index = 0; index < count; index++) {
    const name = `${prefix}-${index}`;
    waits.push(await startPod(client, name));
    await client.delete(Pod, { namespace: 'default', name }, { signal: AbortSignal.timeout(podMsMax) });
  }
  return waits;
}

/** How long the cluster's DNS server lets a question wait, asked every few milliseconds until `signal` aborts. */
async function askUntil(signal: AbortSignal): Promise<readonly number[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([dnsService]);
  const waits: number[] = [];
  while (!signal.aborted) {
    const start = performance.now();
    await resolver.resolve4('kubernetes.default.svc.cluster.local');
    waits.push(performance.now() - start);
    await setTimeout(askEveryMs);
  }
  return waits;
}

/** Pods one after the other on a node whose image is there; then the same while 2,000 objects a second are created. */
async function starts(): Promise<readonly Row[]> {
  const missing = realNodeMissing();
  if (missing !== false) return skipped(names, missing);
  await using server = await Server.up();
  await loadBenchImage(server);
  await using client = await connect(server.dataDir);
  await startPods(client, 'warm', 2);
  const quiet = await startPods(client, 'quiet', pods);

  const program = path.join(import.meta.dirname, 'api-load.ts');
  const stop = new AbortController();
  const args = [
    '--disable-warning=ExperimentalWarning',
    program,
    path.join(server.dataDir, 'kubeconfig'),
    'create-paced',
  ];
  const load = run(process.execPath, args).finally(() => stop.abort());
  const asking = askUntil(stop.signal);
  const loaded = await startPods(client, 'loaded', podsUnderLoad);
  const [answers] = await Promise.all([asking, load]);
  const ms = (name: string, values: readonly number[], share: number, budget?: number): Row => ({
    name,
    value: percentile(values, share),
    unit: 'ms',
    ...(budget === undefined ? {} : { budget }),
    samples: values.length,
  });
  return [
    ms('pod.start-p50', quiet, 0.5, 700),
    ms('pod.start-p99', quiet, 0.99, 5000),
    ms('pod.start-api-loaded-p50', loaded, 0.5),
    ms('pod.dns-api-loaded-p99', answers, 0.99, 10),
  ];
}

export const benchmarks: readonly Benchmark[] = [{ names, run: starts }];
