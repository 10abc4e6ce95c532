import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { text as collect } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { Event } from '#api/core/event.ts';
import { ConfigMap } from '#api/core/config-map.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { Service } from '#api/core/service.ts';
import type * as core from '#api/core/types.generated.ts';
import { unavailable } from '#machinery/status-error.ts';
import { openCri } from './cri/cri.ts';
import { labels } from './cri-names.ts';
import { startTestAgent, testNode, testPod, type TestAgent } from './testing/test-agent.ts';

const signal = new AbortController().signal;
/** Ends at once on SIGTERM, and never by itself. */
const serve = 'trap "exit 0" TERM; while :; do sleep 0.1; done';
let node: TestAgent;
before(async () => {
  node = await startTestAgent();
});
after(() => node[Symbol.asyncDispose]());

const container = (command: string, more: Partial<core.Container> = {}): core.Container => ({
  name: 'main',
  image: node.image,
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', command],
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  ...more,
});
const isReady = (pod: Pod | undefined) =>
  pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
const stateOf = (pod: Pod | undefined, name = 'main') =>
  [...(pod?.status?.containerStatuses ?? []), ...(pod?.status?.initContainerStatuses ?? [])].find(
    (status) => status.name === name,
  );
const finished = (pod: Pod | undefined) => pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed';

const waits = (reason: string) => (pod: Pod | undefined) => stateOf(pod)?.state?.waiting?.reason === reason;

/** Runs a pod to its end and gives its status and log. */
async function runToEnd(name: string, spec: core.PodSpec, metadata?: Pod['metadata']) {
  await node.create(testPod(name, { restartPolicy: 'Never', ...spec }, metadata));
  const pod = await node.until(name, finished, 'finished');
  return { pod, status: pod?.status, log: await node.logs(name) };
}

test('The agent registers its node with labels, capacity and a Ready condition, and renews its lease', async () => {
  const found = await waitFor(() => {
    const registered = node.client.all(Node)[0];
    return registered?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
      ? registered
      : undefined;
  });
  assert.equal(found.metadata?.name, testNode);
  assert.equal(found.metadata?.labels?.['kubernetes.io/os'], 'linux');
  assert.ok(Number(found.status?.capacity?.['cpu']) > 0);
});

test('A pod becomes a running container with an address and a log, and is gone soon after its deletion', async () => {
  await node.create(testPod('web', { containers: [container(`echo hello; echo oops >&2; ${serve}`)] }));
  const pod = await node.until('web', isReady, 'ready');
  assert.match(pod?.status?.podIP ?? '', /^10\./);
  assert.equal(pod?.status?.qosClass, 'BestEffort');
  const lines = (await node.logs('web')).split('\n').toSorted();
  assert.deepEqual(lines, ['', 'hello', 'oops']);
  await node.client.delete(Pod, { namespace: 'default', name: 'web' }, { signal });
  await node.until('web', (found) => found === undefined, 'gone');
});

test('Environment, downward API, config, secrets and tokens reach a container', async () => {
  await node.client.create(
    ConfigMap,
    { metadata: { name: 'conf', namespace: 'default' }, data: { color: 'blue', 'a.txt': 'file A' } },
    { signal },
  );
  const data = { password: Buffer.from('s3cret').toString('base64') };
  await node.client.create(Secret, { metadata: { name: 'sec', namespace: 'default' }, data }, { signal });
  const service = {
    metadata: { name: 'db', namespace: 'default' },
    spec: { clusterIP: '10.96.1.1', ports: [{ port: 5432 }] },
  };
  await node.client.create(Service, service, { signal });
  const command = [
    'echo $COLOR $PRE_color $PASSWORD $NAME $IP $BOTH $LIMIT $DB_SERVICE_HOST:$DB_SERVICE_PORT',
    'cat /conf/a.txt; echo; cat /all/pw /all/token /all/labels; echo',
    'stat -c %a /all/pw /conf/a.txt; cat /sub.txt; echo; cat /etc/hosts; cat /etc/resolv.conf; hostname',
  ].join('; ');
  const { log, status } = await runToEnd(
    'env',
    {
      hostAliases: [{ ip: '1.2.3.4', hostnames: ['alias.test'] }],
      volumes: [
        { name: 'conf', configMap: { name: 'conf' } },
        {
          name: 'all',
          projected: {
            defaultMode: 0o640,
            sources: [
              { secret: { name: 'sec', items: [{ key: 'password', path: 'pw', mode: 0o400 }] } },
              { serviceAccountToken: { path: 'token' } },
              { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
            ],
          },
        },
      ],
      containers: [
        container(command, {
          env: [
            { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'conf', key: 'color' } } },
            { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'sec', key: 'password' } } },
            { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'BOTH', value: '$(COLOR)-$(NAME)-$$(X)' },
            { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
          ],
          envFrom: [{ prefix: 'PRE_', configMapRef: { name: 'conf' } }],
          resources: { limits: { memory: '64Mi' } },
          volumeMounts: [
            { name: 'conf', mountPath: '/conf' },
            { name: 'all', mountPath: '/all' },
            { name: 'conf', mountPath: '/sub.txt', subPath: 'a.txt' },
          ],
        }),
      ],
    },
    { labels: { app: 'env' } },
  );
  assert.equal(status?.phase, 'Succeeded', log);
  assert.match(log, /^blue blue s3cret env 10\.\S+ blue-env-\$\(X\) 64 10\.96\.1\.1:5432$/m);
  assert.match(log, /^file A$/m);
  assert.match(log, /^s3crettoken-\d+app="env"$/m);
  assert.match(log, /^1\.2\.3\.4\talias\.test$/m);
  assert.match(log, /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m);
  assert.match(log, /^nameserver 10\.96\.0\.10$/m);
  assert.match(log, /^options ndots:5$/m);
});

test('A running container sees changes of its ConfigMap', async () => {
  const create = { metadata: { name: 'live', namespace: 'default' }, data: { value: 'one' } };
  await node.client.create(ConfigMap, create, { signal });
  const command = 'cat /live/value; while [ "$(cat /live/value)" = one ]; do sleep 0.1; done; cat /live/value';
  await node.create(
    testPod('live', {
      restartPolicy: 'Never',
      volumes: [{ name: 'live', configMap: { name: 'live' } }],
      containers: [container(command, { volumeMounts: [{ name: 'live', mountPath: '/live' }] })],
    }),
  );
  await node.until('live', isReady, 'ready');
  await node.client.patch(
    ConfigMap,
    { namespace: 'default', name: 'live' },
    { type: 'merge', patch: { data: { value: 'two' } } },
    { signal },
  );
  await node.until('live', finished, 'finished');
  assert.equal(await node.logs('live'), 'onetwo');
});

test('Init containers run in order, a sidecar starts before the main container and ends after it', async () => {
  const shared = { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] };
  const note = (text: string) => `echo ${text} >> /shared/order`;
  const { status, log } = await runToEnd('order', {
    volumes: [{ name: 'shared', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
    initContainers: [
      container(note('first'), { name: 'first', ...shared }),
      container(`${note('sidecar')}; ${serve}`, { name: 'sidecar', restartPolicy: 'Always', ...shared }),
      container(note('second'), { name: 'second', ...shared }),
    ],
    containers: [container(`${note('main')}; cat /shared/order`, shared)],
  });
  assert.equal(log, 'first\nsidecar\nsecond\nmain\n');
  assert.equal(status?.phase, 'Succeeded');
  assert.equal(stateOf({ status } as Pod, 'sidecar')?.state?.terminated?.exitCode, 0);
});

test('A container that fails is restarted at once, then backed off, with its message and last state shown', async () => {
  const command = 'echo because > /dev/termination-log; exit 3';
  await node.create(testPod('crash', { containers: [container(command)] }));
  const pod = await node.until(
    'crash',
    (found) => stateOf(found)?.state?.waiting?.reason === 'CrashLoopBackOff',
    'in back-off',
  );
  const status = stateOf(pod);
  assert.equal(status?.restartCount, 1);
  assert.match(
    status?.state?.waiting?.message ?? '',
    /^back-off 10s restarting failed container=main pod=crash_default\(/,
  );
  const { exitCode, reason, message } = status?.lastState?.terminated ?? {};
  assert.deepEqual({ exitCode, reason, message }, { exitCode: 3, reason: 'Error', message: 'because\n' });
  assert.equal(pod?.status?.phase, 'Running');
  await waitFor(() =>
    node.client
      .all(Event)
      .find(({ reason: why, involvedObject }) => why === 'BackOff' && involvedObject.name === 'crash'),
  );
});

test('A container killed behind our back is restarted; its old log is still there as the previous one', async () => {
  await node.create(testPod('killed', { containers: [container(`echo started; ${serve}`)] }));
  const id = stateOf(await node.until('killed', isReady, 'ready'))?.containerID?.slice('containerd://'.length) ?? '';
  using cri = openCri(node.agent.runtimeSocket);
  await cri.call('StopContainer', { containerId: id, timeout: 0 }, { signal });
  const pod = await node.until('killed', (found) => stateOf(found)?.restartCount === 1 && isReady(found), 'restarted');
  assert.equal(stateOf(pod)?.lastState?.terminated?.exitCode, 137);
  const previous = await node.agent.streams.logs({ namespace: 'default', name: 'killed' }, { previous: true, signal });
  assert.equal(Buffer.concat((await previous.toArray()) as Buffer[]).toString(), 'started\n');
});

test('Restarting the agent restarts no container, and a pod deleted meanwhile is cleaned up', async () => {
  const readinessProbe = { exec: { command: ['true'] }, periodSeconds: 5 };
  for (const name of ['stays', 'goes']) {
    await node.create(testPod(name, { containers: [container(serve, { readinessProbe })] }));
  }
  const earlier = stateOf(await node.until('stays', isReady, 'ready'));
  const gone = await node.until('goes', isReady, 'ready');
  const restarting = node.restart();
  node.client.remove(Pod, { namespace: 'default', name: 'goes' });
  await restarting;
  await node.agent.adopted;
  const later = stateOf(node.client.all(Pod).find(({ metadata }) => metadata?.name === 'stays'));
  assert.deepEqual([later?.containerID, later?.restartCount, later?.ready], [earlier?.containerID, 0, true]);
  using cri = openCri(node.agent.runtimeSocket);
  const labelSelector = { [labels.uid]: gone?.metadata?.uid ?? '' };
  await waitFor(async () => {
    const { items } = await cri.call('ListPodSandbox', { filter: { labelSelector } }, { signal });
    return items.length === 0 ? true : undefined;
  });
});

test('Without the API containers are still restarted, and the API learns of it later', async () => {
  await node.create(testPod('alone', { containers: [container(serve)] }));
  const containerId =
    stateOf(await node.until('alone', isReady, 'ready'))?.containerID?.slice('containerd://'.length) ?? '';
  using cri = openCri(node.agent.runtimeSocket);
  node.client.onRequest = () => {
    throw unavailable('the API is down');
  };
  try {
    await cri.call('StopContainer', { containerId, timeout: 0 }, { signal });
    await waitFor(async () => {
      const { containers } = await cri.call(
        'ListContainers',
        { filter: { state: { state: 'CONTAINER_RUNNING' } } },
        { signal },
      );
      return containers.find(({ labels: own, metadata }) => own[labels.pod] === 'alone' && metadata?.attempt === 1);
    });
  } finally {
    node.client.onRequest = () => {};
  }
  await node.until('alone', (pod) => stateOf(pod)?.restartCount === 1 && isReady(pod), 'known to be restarted');
});

test('Liveness failures restart a container, readiness follows its probe, a startup probe holds both back', async () => {
  const exec = (command: string) => ({
    exec: { command: ['sh', '-c', command] },
    periodSeconds: 1,
    failureThreshold: 1,
  });
  await node.create(
    testPod('probed', {
      containers: [
        container(`sleep 0.3; touch /tmp/up; ${serve}`, {
          startupProbe: { ...exec('test -e /tmp/up'), failureThreshold: 30 },
          livenessProbe: exec('test ! -e /tmp/sick'),
          readinessProbe: exec('test -e /tmp/up'),
        }),
      ],
    }),
  );
  const pod = await node.until('probed', isReady, 'ready');
  using cri = openCri(node.agent.runtimeSocket);
  const containerId = stateOf(pod)?.containerID?.slice('containerd://'.length) ?? '';
  await cri.call('ExecSync', { containerId, cmd: ['touch', '/tmp/sick'], timeout: 5 }, { signal });
  const restarted = await node.until(
    'probed',
    (found) => stateOf(found)?.restartCount === 1 && isReady(found),
    'restarted',
  );
  assert.equal(stateOf(restarted)?.lastState?.terminated?.exitCode, 0);
});

test('An image that is not there and may not be pulled, or has no valid name, is said so', async () => {
  const spec = (image: string): core.PodSpec => ({ containers: [container('', { image, imagePullPolicy: 'Never' })] });
  await node.create(testPod('absent', spec('test.local/absent:1')));
  await node.create(testPod('invalid', spec('Not A Name')));
  const absent = await node.until('absent', waits('ErrImageNeverPull'), 'refused');
  await node.until('invalid', waits('InvalidImageName'), 'refused');
  assert.equal(absent?.status?.phase, 'Pending');
});

test('A registry that does not answer is told of, then backed off from', async () => {
  await node.create(testPod('pulls', { containers: [container('', { image: 'localhost:1/none:1' })] }));
  const pod = await node.until('pulls', waits('ErrImagePull'), 'refused');
  assert.match(stateOf(pod)?.state?.waiting?.message ?? '', /failed to pull image "localhost:1\/none:1": .*refused/);
  await node.until('pulls', waits('ImagePullBackOff'), 'backed off');
});

test('An ephemeral container looks into the processes of the container it targets; a new image restarts only its own', async () => {
  const ref = { namespace: 'default', name: 'debugged' };
  await node.create(testPod('debugged', { containers: [container(serve)] }));
  await node.until('debugged', isReady, 'ready');
  const { command: _, ...look } = container('', { name: 'look' });
  const ephemeralContainers = [{ ...look, command: ['cat', '/proc/1/cmdline'], targetContainerName: 'main' }];
  await node.client.patch(Pod, ref, { type: 'merge', patch: { spec: { ephemeralContainers } } }, { signal });
  await node.until(
    'debugged',
    (pod) => pod?.status?.ephemeralContainerStatuses?.[0]?.state?.terminated !== undefined,
    'looked into',
  );
  assert.match(await node.logs('debugged', 'look'), /trap/);
  await node.client.patch(
    Pod,
    ref,
    {
      type: 'merge',
      patch: { spec: { containers: [container('', { image: 'tutti.dev/pause:1', command: ['/pause'] })] } },
    },
    { signal },
  );
  const pod = await node.until(
    'debugged',
    (found) => stateOf(found)?.restartCount === 1 && isReady(found),
    'restarted',
  );
  assert.equal(stateOf(pod)?.image, 'tutti.dev/pause:1');
});

test('User, groups, capabilities, read-only root and no-new-privileges are those of the security context', async () => {
  const { log, status } = await runToEnd('secure', {
    securityContext: { runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, runAsNonRoot: true },
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [
      container(
        'echo bye > /dev/termination-log; id; touch /x || echo readonly; touch /data/y && stat -c %g /data/y; cat /proc/self/status',
        {
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
        },
      ),
    ],
  });
  assert.equal(status?.phase, 'Succeeded', log);
  assert.match(log, /^uid=1000 gid=2000 groups=(2000,)?3000$/m);
  assert.match(log, /^readonly$/m);
  assert.match(log, /^3000$/m);
  assert.match(log, /^NoNewPrivs:\s1$/m);
  assert.match(log, /^Seccomp:\s2$/m);
  assert.match(log, /^CapBnd:\s0000000000000000$/m);
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.message, 'bye\n');
});

test('A container that must not run as root, but would, is refused with the reason', async () => {
  await node.create(testPod('root', { containers: [container('id', { securityContext: { runAsNonRoot: true } })] }));
  const pod = await node.until(
    'root',
    (found) => stateOf(found)?.state?.waiting?.reason === 'CreateContainerConfigError',
    'refused',
  );
  assert.equal(stateOf(pod)?.state?.waiting?.message, 'container has runAsNonRoot and image will run as root');
});

test('A container that takes more memory than its limit is killed and called OOMKilled', async () => {
  const { status } = await runToEnd('hungry', {
    volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }],
    containers: [
      container('dd if=/dev/zero of=/m/x bs=1M count=64', {
        resources: { limits: { memory: '16Mi', cpu: '500m' } },
        volumeMounts: [{ name: 'm', mountPath: '/m' }],
      }),
    ],
  });
  assert.equal(status?.phase, 'Failed');
  assert.equal(status?.qosClass, 'Guaranteed');
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.reason, 'OOMKilled');
});

test('A pod past its deadline fails and its containers end', async () => {
  await node.create(testPod('late', { activeDeadlineSeconds: 3, containers: [container(serve)] }));
  const pod = await node.until('late', finished, 'finished');
  assert.equal(pod?.status?.phase, 'Failed');
  assert.equal(pod?.status?.reason, 'DeadlineExceeded');
  assert.notEqual(stateOf(pod)?.state?.terminated, undefined);
});

test('A preStop hook runs before the stop signal, within the grace period', async () => {
  await node.create(
    testPod('hooked', {
      restartPolicy: 'Never',
      volumes: [{ name: 'shared', hostPath: { path: node.dataDir, type: 'Directory' } }],
      containers: [
        container(`trap "echo term >> /shared/hook; exit 0" TERM; while :; do sleep 0.1; done`, {
          volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
          lifecycle: {
            postStart: { exec: { command: ['sh', '-c', 'echo start >> /shared/hook'] } },
            preStop: { exec: { command: ['sh', '-c', 'echo stop >> /shared/hook'] } },
          },
        }),
      ],
    }),
  );
  await node.until('hooked', isReady, 'ready');
  await node.client.delete(Pod, { namespace: 'default', name: 'hooked' }, { signal });
  await node.until('hooked', (pod) => pod === undefined, 'gone');
  assert.equal(await readFile(`${node.dataDir}/hook`, 'utf8'), 'start\nstop\nterm\n');
});

test('A subPath that a link leads out of its volume is refused', async () => {
  const volumes = [{ name: 'v', emptyDir: {} }];
  await node.create(
    testPod('escape', {
      restartPolicy: 'Never',
      volumes,
      initContainers: [
        container('ln -s /etc /v/out', { name: 'evil', volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
      ],
      containers: [container('ls /m', { volumeMounts: [{ name: 'v', mountPath: '/m', subPath: 'out' }] })],
    }),
  );
  const pod = await node.until(
    'escape',
    (found) => stateOf(found)?.state?.waiting?.reason === 'CreateContainerConfigError',
    'refused',
  );
  assert.match(stateOf(pod)?.state?.waiting?.message ?? '', /leads out of its volume/);
});

test('A containerd that is killed comes back and its containers never noticed', async () => {
  await node.create(testPod('steady', { containers: [container(serve)] }));
  const earlier = stateOf(await node.until('steady', isReady, 'ready'));
  const pid = Number((await readFile(`${node.dataDir}/containerd/containerd.pid`, 'utf8')).split(' ')[0]);
  process.kill(pid, 'SIGKILL');
  await node.create(testPod('afterwards', { containers: [container(serve)] }));
  await node.until('afterwards', isReady, 'ready');
  const later = stateOf(await node.until('steady', isReady, 'ready'));
  assert.equal(later?.containerID, earlier?.containerID);
  assert.equal(later?.restartCount, 0);
});

test('Pods may share the network and processes of the host, or processes among their containers', async () => {
  const { log: host } = await runToEnd('on-host', {
    hostNetwork: true,
    hostPID: true,
    containers: [container('cat /proc/1/comm; readlink /proc/self/ns/net')],
  });
  const comm = await readFile('/proc/1/comm', 'utf8');
  assert.ok(host.startsWith(comm));
  assert.equal(await readlink('/proc/self/ns/net'), host.trim().split('\n').at(-1));
  const { log: shared } = await runToEnd('shared', {
    shareProcessNamespace: true,
    containers: [
      container(
        'cat /proc/1/comm; sleep 0.1; sh -c "sleep 0.01 & exit"; sleep 0.2; cat /proc/*/stat | cut -d " " -f 3',
      ),
    ],
  });
  assert.ok(shared.startsWith('pause\n'));
  assert.ok(!/^Z$/m.test(shared), 'pause reaps orphans');
});

test('A log that grows too long is put aside, and is still read as one', async () => {
  const many =
    'i=0; while [ $i -lt 100 ]; do dd if=/dev/zero bs=1000 count=110 2>/dev/null | cat -v | cut -c1-110000; i=$((i+1)); done';
  await node.create(testPod('chatty', { containers: [container(`echo first; ${many}; echo last; ${serve}`)] }));
  const pod = await node.until('chatty', isReady, 'ready');
  const dir = `${node.dataDir}/pod-logs/default_chatty_${pod?.metadata?.uid}/main`;
  await waitFor(async () => ((await readdir(dir)).length > 1 ? true : undefined));
  const ref = { namespace: 'default', name: 'chatty' };
  const log = await text(await node.agent.streams.logs(ref, { signal }));
  assert.match(log, /^first\n[^]*\nlast\n$/);
});

test('A pod that outgrows the limit of its emptyDir is evicted', async () => {
  await node.create(
    testPod('fat', {
      volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }],
      containers: [
        container(`dd if=/dev/zero of=/v/x bs=1M count=3; ${serve}`, {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
    }),
  );
  const pod = await node.until('fat', finished, 'finished');
  assert.deepEqual([pod?.status?.phase, pod?.status?.reason], ['Failed', 'Evicted']);
  assert.equal(pod?.status?.message, 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ');
});

test('Commands run in a container, with their output, input and exit code; forwarded ports reach its servers', async () => {
  const ref = { namespace: 'default', name: 'shell' };
  await node.create(testPod('shell', { containers: [container(`httpd -p 8080 -h /etc; ${serve}`)] }));
  await node.until('shell', isReady, 'ready');
  const { streams } = node.agent;
  const options = { stdin: true, stdout: true, stderr: true, tty: false, signal };
  const session = await streams.exec(ref, { ...options, command: ['sh', '-c', 'cat; echo bad >&2; exit 3'] });
  session.stdin?.end('from outside');
  const [out, err, status] = await Promise.all([text(session.stdout), text(session.stderr), session.done]);
  assert.deepEqual([out, err, status.reason], ['from outside', 'bad\n', 'NonZeroExitCode']);
  assert.deepEqual(status.details?.causes, [{ reason: 'ExitCode', message: '3' }]);
  const socket = await streams.portForward(ref, 8080, { signal });
  socket.write('GET /passwd HTTP/1.0\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1\.[01] 200 OK[^]*nobody/);
  await assert.rejects(streams.exec({ namespace: 'default', name: 'none' }, { ...options, command: ['x'] }), {
    reason: 'NotFound',
  });
});

test('Stats show what containers and the node use', async () => {
  const stats = await node.agent.streams.stats({ signal });
  const pod = stats.pods.find(({ podRef }) => podRef.name === 'steady');
  assert.ok((pod?.containers[0]?.memory?.workingSetBytes ?? 0) > 0);
  assert.ok((stats.node.memory?.workingSetBytes ?? 0) > 0);
});

const text = (stream: Readable | undefined) => (stream === undefined ? Promise.resolve('') : collect(stream));

async function waitFor<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('not seen in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
