import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { load } from './support/load.ts';
import { unless } from './support/needs.ts';
import { Tutti } from './support/tutti.ts';
import { until } from './support/until.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');
const rolloutArgs = ['rollout', 'status', 'deployment/web', '--timeout=60s'];
const requestsMin = 200;
const podRequestsMin = 50;

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: rollout:1
        command: [httpd, -f, -p, "8080", -h, /www]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
`;

/** Made after the service, whose address is then in its environment. */
const clientManifest = `
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: client
    image: rollout:1
    command: [sh, -c, "for i in 1 2; do while :; do wget -q -O /dev/null http://$WEB_SERVICE_HOST/ && echo ok || echo FAILED; usleep 5000; done & done; wait"]
`;

let cluster: Tutti;
before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up();
  for (const version of ['1', '2'])
    await cluster.busyboxImage(`rollout:${version}`, { 'www/index.html': `version ${version}\n` });
  await cluster.apply(manifest);
  await cluster.kubectl(rolloutArgs, { timeoutMs: 70_000 });
  await cluster.apply(clientManifest);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/client', '--timeout=30s']);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

/** Requests of the pod so far. */
async function podRequests(): Promise<{ succeeded: number; failures: readonly string[] }> {
  const lines = (await cluster.kubectl(['logs', 'client', '--timestamps'])).split('\n');
  return {
    succeeded: lines.filter((line) => line.endsWith(' ok')).length,
    failures: lines.filter((line) => line !== '' && !line.endsWith(' ok')),
  };
}

/** Does `change` under load from host and pod, and asserts that every single request was answered. */
async function answersThrough(t: TestContext, change: () => Promise<unknown>, loopback = true): Promise<void> {
  const { clusterIP, ports } = JSON.parse(
    await cluster.kubectl(['get', 'service', 'web', '-o', 'jsonpath={.spec}']),
  ) as { clusterIP: string; ports: readonly [{ nodePort: number }] };
  const node = await cluster.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}']);
  const urls = [clusterIP, `${node}:${ports[0].nodePort}`, ...(loopback ? [`127.0.0.1:${ports[0].nodePort}`] : [])].map(
    (host) => `http://${host}/`,
  );
  const earlier = await podRequests();
  const loads = urls.flatMap((url) =>
    [true, false].map((keepAlive) => ({ url, keepAlive, load: load(url, { atOnce: 2, keepAlive }) })),
  );
  const enough = () => loads.every((each) => each.load.succeeded >= requestsMin);
  try {
    await change();
    await until('enough requests', enough);
  } finally {
    await Promise.all(loads.map((each) => each.load.stop()));
  }
  const fromPod = await podRequests();
  const succeeded = loads.reduce((sum, each) => sum + each.load.succeeded, 0);
  t.diagnostic(`${succeeded} requests of the host, ${fromPod.succeeded - earlier.succeeded} of a pod`);
  assert.deepEqual(
    loads.flatMap(({ url, keepAlive, load: { failures } }) =>
      failures.slice(0, 5).map((failure) => `${url} ${keepAlive ? 'kept' : 'new'}: ${failure}`),
    ),
    [],
  );
  assert.deepEqual(fromPod.failures.slice(0, 5), []);
  assert.ok(fromPod.succeeded - earlier.succeeded >= podRequestsMin);
}

const imagesOf = () =>
  cluster.kubectl([
    'get',
    'pods',
    '-l',
    'app=web',
    '-o',
    'jsonpath={range .items[*]}{.spec.containers[0].image} {end}',
  ]);

test('a rolling update under load fails no request', { skip }, async (t) => {
  await answersThrough(t, async () => {
    await cluster.kubectl(['set', 'image', 'deployment/web', 'web=rollout:2']);
    await cluster.kubectl(rolloutArgs, { timeoutMs: 70_000 });
    await until('old pods gone', async () => (await imagesOf()).trim() === 'rollout:2 rollout:2 rollout:2');
  });
});

test('"rollout undo" under load fails no request', { skip }, async (t) => {
  await answersThrough(t, async () => {
    await cluster.kubectl(['rollout', 'undo', 'deployment/web']);
    await cluster.kubectl(rolloutArgs, { timeoutMs: 70_000 });
    await until('old pods gone', async () => (await imagesOf()).trim() === 'rollout:1 rollout:1 rollout:1');
  });
});

test('scaling down and deleting a pod under load fail no request', { skip }, async (t) => {
  await answersThrough(t, async () => {
    await cluster.kubectl(['scale', 'deployment/web', '--replicas=2']);
    const [first] = (await cluster.kubectl(['get', 'pods', '-l', 'app=web', '-o', 'name'])).split('\n');
    await cluster.kubectl(['delete', first!]);
    await cluster.kubectl(rolloutArgs, { timeoutMs: 70_000 });
  });
});

test('a kill -9 and restart of the server under load fails no request', { skip }, async (t) => {
  // Node ports on loopback pass through the server's process, which the kernel does for all other addresses.
  const loopback = false;
  const restart = async () => {
    await cluster.kill('SIGKILL');
    await cluster.start();
  };
  await answersThrough(t, restart, loopback);
});
