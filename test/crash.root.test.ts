import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { unless } from './support/needs.ts';
import { Tutti } from './support/tutti.ts';
import { until } from './support/until.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');
const rounds = 3;
const resumeMsMax = 3_000;

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: steady}
spec:
  replicas: 2
  selector: {matchLabels: {app: steady}}
  template:
    metadata: {labels: {app: steady}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: crash:1
        command: [sh, -c, "while :; do sleep 1; done"]
        readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1}
`;

interface PodView {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly containerId: string;
  readonly startedAt: string | undefined;
}

let cluster: Tutti;
before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up();
  await cluster.busyboxImage('crash:1');
  await cluster.apply(manifest);
  await cluster.kubectl(['rollout', 'status', 'deployment/steady', '--timeout=60s'], { timeoutMs: 70_000 });
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

async function podViews(): Promise<readonly PodView[]> {
  const { items } = JSON.parse(await cluster.kubectl(['get', 'pods', '-l', 'app=steady', '-o', 'json'])) as {
    items: readonly {
      metadata: { name: string };
      status: {
        containerStatuses: readonly [
          { ready: boolean; restartCount: number; containerID: string; state: { running?: { startedAt: string } } },
        ];
      };
    }[];
  };
  return items.map(({ metadata: { name }, status }) => {
    const [{ ready, restartCount, containerID, state }] = status.containerStatuses;
    return { name, ready, restartCount, containerId: containerID, startedAt: state.running?.startedAt };
  });
}

/** The host's id of a container's first process. Container runtimes put the container's id into its control group. */
function pidOf(containerId: string): number {
  const id = containerId.replace(/^.*:\/\//, '');
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const own = pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id);
    } catch {
      return false; // it has ended meanwhile
    }
  });
  assert.ok(own.length > 0, `no process of container ${id}`);
  return Math.min(...own);
}

const containerdPid = () =>
  Number(readFileSync(path.join(cluster.dataDir, 'containerd', 'containerd.pid'), 'utf8').split(' ')[0]);

test('kill -9 of the server touches no container, and a watch goes on', { skip }, async (t) => {
  const earlier = await podViews();
  const processes = earlier.map(({ containerId }) => pidOf(containerId));
  const runtime = containerdPid();
  let slowestMs = 0;
  for (let round = 0; round < rounds; round++) {
    const version = await cluster.kubectl(['get', 'pods', '-o', 'jsonpath={.metadata.resourceVersion}']);
    await cluster.kubectl(['label', 'pods', '-l', 'app=steady', `round=r${round}`, '--overwrite']);
    await cluster.kill('SIGKILL');
    slowestMs = Math.max(slowestMs, await cluster.start());
    const events = await cluster.kubectl([
      'get',
      '--raw',
      `/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=1&labelSelector=round%3Dr${round}&resourceVersion=${version}`,
    ]);
    const names = new Set(
      events
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { object: { metadata: { name: string } } }).object.metadata.name),
    );
    assert.deepEqual([...names].toSorted(), earlier.map(({ name }) => name).toSorted());
  }
  t.diagnostic(`slowest restart until the node was ready: ${Math.round(slowestMs)} ms`);
  await until('all ready', async () => (await podViews()).every(({ ready }) => ready));
  assert.deepEqual(await podViews(), earlier);
  assert.deepEqual(
    earlier.map(({ containerId }) => pidOf(containerId)),
    processes,
  );
  assert.equal(containerdPid(), runtime);
  assert.ok(slowestMs <= resumeMsMax, `a restart took ${slowestMs} ms`);
});

test('a container that is killed behind our back is restarted', { skip }, async () => {
  const [victim, other] = await podViews();
  process.kill(pidOf(victim!.containerId), 'SIGKILL');
  const now = await until('the container is restarted', async () => {
    const views = await podViews();
    return views.find(({ name, restartCount, ready }) => name === victim!.name && restartCount === 1 && ready);
  });
  assert.notEqual(now.containerId, victim!.containerId);
  assert.deepEqual(
    (await podViews()).find(({ name }) => name === other!.name),
    other,
  );
  const last = await cluster.kubectl([
    'get',
    'pod',
    victim!.name,
    '-o',
    'jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}',
  ]);
  assert.equal(last, '137');
});

test('containerd that is killed comes back, and its containers have not noticed', { skip }, async () => {
  const earlier = await podViews();
  const old = containerdPid();
  process.kill(old, 'SIGKILL');
  await until('a new containerd', () => containerdPid() !== old);
  await until('exec works again', async () => {
    const { code } = await cluster.kubectlOutcome(['exec', earlier[0]!.name, '--', 'true']);
    return code === 0;
  });
  await until('all ready', async () => (await podViews()).every(({ ready }) => ready));
  assert.deepEqual(await podViews(), earlier);
  await cluster.kubectl(['run', 'later', '--image=crash:1', '--restart=Never', '--', 'sh', '-c', 'echo started']);
  await cluster.kubectl(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/later', '--timeout=30s']);
});

test('an image that does not exist is a reason in the pod and in its events', { skip }, async () => {
  await cluster.kubectl(['run', 'lost', '--image=127.0.0.1:1/nowhere:1', '--restart=Never']);
  const reason = await until('a reason', async () => {
    const text = await cluster.kubectl([
      'get',
      'pod',
      'lost',
      '-o',
      'jsonpath={.status.containerStatuses[0].state.waiting.reason} {.status.containerStatuses[0].state.waiting.message}',
    ]);
    return /^(ErrImagePull|ImagePullBackOff) ./.test(text) && text;
  });
  assert.match(reason, /127\.0\.0\.1:1\/nowhere:1/);
  const events = await until('an event', async () => {
    const text = await cluster.kubectl(['get', 'events', '--field-selector', 'involvedObject.name=lost', '-o', 'wide']);
    return /Failed/.test(text) && text;
  });
  assert.match(events, /ailed to pull image "127\.0\.0\.1:1\/nowhere:1"/);
  await cluster.kubectl(['delete', 'pod', 'lost', '--now']);
});

test('a host port that is taken keeps a pod waiting, and says so', { skip }, async () => {
  const pod = (name: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: "crash:1", command: [sleep, "1000"], ports: [{containerPort: 80, hostPort: 31999}]}]
`;
  await cluster.apply(pod('port-a'));
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/port-a', '--timeout=30s']);
  await cluster.apply(pod('port-b'));
  const message = await until('a reason', async () => {
    const text = await cluster.kubectl([
      'get',
      'pod',
      'port-b',
      '-o',
      'jsonpath={.status.phase} {.status.conditions[?(@.type=="PodScheduled")].reason} {.status.conditions[?(@.type=="PodScheduled")].message}',
    ]);
    return text.startsWith('Pending Unschedulable') && text;
  });
  assert.match(message, /0\/1 nodes are available: 1 node\(s\) didn't have free ports for the requested pod ports/);
  await cluster.kubectl(['delete', 'pod', 'port-a', '--now']);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/port-b', '--timeout=30s']);
});
