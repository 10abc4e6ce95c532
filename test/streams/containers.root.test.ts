import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { startTestAgent, testPod, type TestAgent } from '#agent/testing/test-agent.ts';
import { outcomeOf } from '../support/command.ts';
import { unless } from '../support/needs.ts';
import { until } from '../support/until.ts';
import { startPodServer, type PodServer } from './pod-server.ts';

const skip = unless('root', 'containerd', 'cni', 'kubectl');
let agent: TestAgent;
let server: PodServer;
let folder: string;
const stack = new AsyncDisposableStack();
before(async () => {
  if (skip !== false) return;
  folder = await mkdtemp(path.join(tmpdir(), 'kubectl-containers-'));
  stack.defer(() => rm(folder, { recursive: true }));
  agent = stack.use(await startTestAgent());
  await agent.create(
    testPod('web', {
      containers: [
        {
          name: 'main',
          image: agent.image,
          imagePullPolicy: 'IfNotPresent',
          command: [
            'sh',
            '-c',
            'trap "exit 0" TERM; busybox ln -s busybox /bin/tar; mkdir /www; echo page > /www/index.html; ' +
              'httpd -p 127.0.0.1:8080 -h /www; n=0; while :; do n=$((n+1)); echo "tick $n"; sleep 0.2; done',
          ],
        },
      ],
    }),
  );
  await agent.until('web', (pod) => pod?.status?.phase === 'Running', 'running');
  server = stack.use(await startPodServer(agent.agent.streams));
  await writeFile(path.join(folder, 'kubeconfig'), server.kubeconfig);
});
after(() => stack[Symbol.asyncDispose]());

const envOf = (transport: string) => ({
  KUBECONFIG: path.join(folder, 'kubeconfig'),
  KUBECACHEDIR: path.join(folder, 'cache'),
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: String(transport === 'WebSocket'),
  KUBECTL_PORT_FORWARD_WEBSOCKETS: String(transport === 'WebSocket'),
});

for (const transport of ['WebSocket', 'SPDY']) {
  const kubectl = (args: readonly string[], input?: string) =>
    outcomeOf('kubectl', args, { env: envOf(transport), timeoutMs: 30_000, ...(input === undefined ? {} : { input }) });

  test(`kubectl exec over ${transport} runs a command in a container`, { skip }, async () => {
    const outcome = await kubectl(
      ['exec', '-i', 'web', '--', 'sh', '-c', 'cat; hostname; echo no >&2; exit 7'],
      'in\n',
    );
    assert.deepEqual(outcome, { code: 7, stdout: 'in\nweb\n', stderr: 'no\ncommand terminated with exit code 7\n' });
    const missing = await kubectl(['exec', 'web', '--', '/no/such/program']);
    assert.notEqual(missing.code, 0);
    assert.match(missing.stderr, /no such file/);
  });

  test(`kubectl exec -it over ${transport} gives a terminal in a container`, { skip }, async () => {
    const command = 'stty cols 91 rows 17; kubectl exec -it web -- sh -c "sleep 0.3; busybox stty size; exit 4"';
    const outcome = await outcomeOf('script', ['-qec', command, '/dev/null'], { env: envOf(transport) });
    assert.match(outcome.stdout, /17 91/);
    assert.equal(outcome.code, 4);
  });

  test(`kubectl cp over ${transport} carries a file into a container and back`, { skip }, async () => {
    const content = randomBytes(3_000_000);
    const [source, back] = [path.join(folder, 'source'), path.join(folder, `back-${transport}`)];
    await writeFile(source, content);
    assert.deepEqual(await kubectl(['cp', source, `web:/tmp/${transport}`]), { code: 0, stdout: '', stderr: '' });
    const out = await kubectl(['cp', `web:/tmp/${transport}`, back]);
    assert.equal(out.code, 0, out.stderr);
    assert.ok((await readFile(back)).equals(content));
  });

  test(`kubectl port-forward over ${transport} reaches what listens on a pod's own loopback`, { skip }, async () => {
    const forwarder = spawn('kubectl', ['port-forward', 'pod/web', ':8080'], {
      env: { ...process.env, ...envOf(transport) },
    });
    try {
      const [line] = (await once(forwarder.stdout, 'data')) as [Buffer];
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]);
      for (let n = 0; n < 3; n++) {
        const socket = connect({ port, host: '127.0.0.1' });
        socket.write('GET / HTTP/1.0\r\n\r\n');
        assert.match(await text(socket), /200 OK[^]*page/);
      }
    } finally {
      forwarder.kill('SIGKILL');
    }
  });
}

test('kubectl port-forward tells when nobody listens in the container', { skip }, async () => {
  const forwarder = spawn('kubectl', ['port-forward', 'pod/web', ':8081'], {
    env: { ...process.env, ...envOf('SPDY') },
  });
  try {
    const complaint = text(forwarder.stderr);
    const [line] = (await once(forwarder.stdout, 'data')) as [Buffer];
    const socket = connect({ port: Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]), host: '127.0.0.1' });
    socket.on('error', () => {});
    assert.match(await complaint, /error forwarding port 8081 to pod/);
  } finally {
    forwarder.kill('SIGKILL');
  }
});

test('kubectl logs -f follows a container', { skip }, async () => {
  const child = spawn('kubectl', ['logs', '-f', '--tail=1', 'web'], { env: { ...process.env, ...envOf('WebSocket') } });
  try {
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    await until('some lines', () => (shown.match(/^tick \d+$/gm)?.length ?? 0) >= 4);
    const numbers = [...shown.matchAll(/^tick (\d+)$/gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
      'no line is lost or repeated',
    );
  } finally {
    child.kill('SIGKILL');
  }
});
