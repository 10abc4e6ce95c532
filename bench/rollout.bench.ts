import { get } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { Deployment } from '#api/apps/deployment.ts';
import { Service } from '#api/core/service.ts';
import { connect } from '#cmd/connect.ts';
import type { Client } from '#client/client.ts';
import { until } from '#test/support/until.ts';
import { benchImage, loadBenchImage } from './image.ts';
import type { Benchmark, Row } from './row.ts';
import { realNodeMissing, Server, skipped } from './server.ts';

const names = ['rollout.failed-requests', 'rollout.seconds'];
const replicas = 3;
const rollouts = 3;
const askers = 4;
const rolloutMsMax = 60_000;
const answerMsMax = 5_000;
const name = 'web';
const namespace = 'default';

/** Serves its own revision over HTTP, and ends at once when asked to: what is under way then would be cut. */
const deployment = (revision: number): Deployment => ({
  metadata: { namespace, name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          {
            name: 'main',
            image: benchImage,
            imagePullPolicy: 'Never',
            command: [
              '/bin/busybox',
              'sh',
              '-c',
              `echo ${revision} > /index.html; /bin/busybox httpd -f -p 8080 -h / & trap 'exit 0' TERM; wait`,
            ],
            ports: [{ containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/index.html', port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
});

interface Answers {
  asked: number;
  failed: number;
  readonly reasons: Map<string, number>;
}

/** Asks on new connections, one after the other, until `signal` aborts. */
async function ask(address: string, answers: Answers, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    answers.asked++;
    const failure = await new Promise<string | undefined>((resolve) => {
      const request = get(
        { host: address, port: 80, path: '/index.html', agent: false, timeout: answerMsMax },
        (reply) => {
          reply.resume();
          reply.on('end', () => resolve(reply.statusCode === 200 ? undefined : `status ${reply.statusCode}`));
          reply.on('error', (error) => resolve(error.message));
        },
      );
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', (error) => resolve(error.message));
    });
    if (failure === undefined) continue;
    answers.failed++;
    answers.reasons.set(failure, (answers.reasons.get(failure) ?? 0) + 1);
  }
}

/** Waits until every replica is of the newest template and available, and none of another is left. */
async function rolledOut(client: Client): Promise<void> {
  const isDone = async () => {
    const { metadata, status } = await client.get(
      Deployment,
      { namespace, name },
      { signal: AbortSignal.timeout(answerMsMax) },
    );
    return (
      status?.observedGeneration === metadata?.generation &&
      status?.updatedReplicas === replicas &&
      status.availableReplicas === replicas &&
      status.replicas === replicas
    );
  };
  await until('the rollout to end', isDone, rolloutMsMax);
}

async function rollout(): Promise<readonly Row[]> {
  const missing = realNodeMissing();
  if (missing !== false) return skipped(names, missing);
  await using server = await Server.up();
  await loadBenchImage(server);
  await using client = await connect(server.dataDir);
  const call = () => ({ signal: AbortSignal.timeout(answerMsMax) });
  await client.create(Deployment, deployment(0), call());
  const service: Service = {
    metadata: { namespace, name },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  const { spec } = await client.create(Service, service, call());
  await rolledOut(client);
  await setTimeout(500); // the proxy has heard of the endpoints

  const stop = new AbortController();
  const answers: Answers = { asked: 0, failed: 0, reasons: new Map() };
  const asking = Array.from({ length: askers }, () => ask(spec?.clusterIP ?? '', answers, stop.signal));
  const start = performance.now();
  for (let revision = 1; revision <= rollouts; revision++) {
    await client.update(Deployment, deployment(revision), call());
    await rolledOut(client);
  }
  const seconds = (performance.now() - start) / 1000 / rollouts;
  await setTimeout(1_000); // the last old pods are still ending
  stop.abort();
  await Promise.all(asking);
  for (const [reason, count] of answers.reasons) process.stderr.write(`rollout: ${count} × ${reason}\n`);
  return [
    { name: 'rollout.failed-requests', value: answers.failed, unit: 'requests', budget: 0, samples: answers.asked },
    { name: 'rollout.seconds', value: seconds, unit: 's', samples: rollouts },
  ];
}

export const benchmarks: readonly Benchmark[] = [{ names, run: rollout }];
