import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { outcomeOf, type CommandOptions } from '../support/command.ts';
import { unless } from '../support/needs.ts';
import { until } from '../support/until.ts';
import { startPodServer, type PodServer } from './pod-server.ts';

const skip = unless('kubectl');
let server: PodServer;
let folder: string;
before(async () => {
  server = await startPodServer();
  folder = await mkdtemp(path.join(tmpdir(), 'kubectl-streams-'));
  await writeFile(path.join(folder, 'kubeconfig'), server.kubeconfig);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

type Transport = 'WebSocket' | 'SPDY';
const transports: readonly Transport[] = ['WebSocket', 'SPDY'];
const envOf = (transport: Transport) => ({
  KUBECONFIG: path.join(folder, 'kubeconfig'),
  KUBECACHEDIR: path.join(folder, 'cache'),
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: String(transport === 'WebSocket'),
  KUBECTL_PORT_FORWARD_WEBSOCKETS: String(transport === 'WebSocket'),
});
const kubectl = (transport: Transport, args: readonly string[], options: CommandOptions = {}) =>
  outcomeOf('kubectl', args, { timeoutMs: 30_000, ...options, env: envOf(transport) });

for (const transport of transports) {
  test(`kubectl exec over ${transport} gives both outputs and the exit code`, { skip }, async () => {
    const outcome = await kubectl(transport, ['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.equal(outcome.stdout, 'out\n');
    assert.equal(outcome.stderr, 'err\ncommand terminated with exit code 3\n');
    assert.equal(outcome.code, 3);
    const fine = await kubectl(transport, ['exec', 'web', '--', 'true']);
    assert.deepEqual(fine, { code: 0, stdout: '', stderr: '' });
  });

  test(`kubectl exec -i over ${transport} hands stdin and its end to the command`, { skip }, async () => {
    const outcome = await kubectl(transport, ['exec', '-i', 'web', '--', 'sh', '-c', 'wc -c; echo done'], {
      input: 'x'.repeat(3_000_000),
    });
    assert.deepEqual(outcome, { code: 0, stdout: '3000000\ndone\n', stderr: '' });
  });

  test(`kubectl exec -i over ${transport} ends with a command that does not read its input`, { skip }, async () => {
    const outcome = await kubectl(transport, ['exec', '-i', 'web', '--', 'sh', '-c', 'exit 5'], {
      input: 'x'.repeat(3_000_000),
    });
    assert.equal(outcome.code, 5);
  });

  test(
    `kubectl exec -it over ${transport} has a terminal of the right size`,
    { skip: skip || (existsSync('/usr/bin/script') ? false : 'needs script') },
    async () => {
      server.local.sizes.length = 0;
      const command = 'stty cols 77 rows 33; kubectl exec -it web -- sh -c "echo hello; sleep 0.2; exit 4"';
      const outcome = await outcomeOf('script', ['-qec', command, '/dev/null'], { env: envOf(transport) });
      assert.match(outcome.stdout, /hello/);
      assert.equal(outcome.code, 4);
      assert.deepEqual(server.local.sizes[0], [77, 33]);
    },
  );

  test(`kubectl cp over ${transport} carries files both ways unharmed`, { skip }, async () => {
    const content = randomBytes(5_000_000);
    const [source, target, back] = ['source', 'target', 'back'].map((name) => path.join(folder, transport + name));
    await mkdir(source ?? '');
    await writeFile(path.join(source ?? '', 'file'), content);
    assert.equal((await kubectl(transport, ['cp', source ?? '', `web:${target}`])).code, 0);
    assert.ok((await readFile(path.join(target ?? '', 'file'))).equals(content));
    assert.equal((await kubectl(transport, ['cp', `web:${target}/file`, back ?? ''])).code, 0);
    assert.ok((await readFile(back ?? '')).equals(content));
  });

  test(`a refusal over ${transport} reaches the user of kubectl`, { skip }, async () => {
    const missing = await kubectl(transport, ['exec', 'web', '--', '/no/such/program']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /cannot start \/no\/such\/program/);
    const container = await kubectl(transport, ['exec', 'web', '-c', 'nope', '--', 'true']);
    assert.match(container.stderr, /container nope is not valid for pod web/);
  });

  test(`a command ends when its kubectl over ${transport} is killed`, { skip }, async () => {
    const child = spawn('kubectl', ['exec', 'web', '--', 'sleep', '600'], {
      env: { ...process.env, ...envOf(transport) },
    });
    await until('the command runs', () => server.local.runningCount > 0);
    child.kill('SIGKILL');
    await until('the command is gone', () => server.local.runningCount === 0);
  });

  test(`kubectl port-forward over ${transport} carries many connections at once`, { skip }, async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket).on('error', () => {}));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    const forwarder = spawn('kubectl', ['port-forward', 'pod/web', `:${port}`], {
      env: { ...process.env, ...envOf(transport) },
    });
    try {
      const [line] = (await once(forwarder.stdout, 'data')) as [Buffer];
      const local = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]);
      await Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          const content = Buffer.alloc(1_000_000, index);
          const socket = connect({ port: local, host: '127.0.0.1', allowHalfOpen: true });
          socket.end(content);
          assert.ok((await buffer(socket)).equals(content), `connection ${index}`);
        }),
      );
    } finally {
      forwarder.kill('SIGKILL');
      echo.close();
    }
  });

  test(`kubectl port-forward over ${transport} tells when nobody listens`, { skip }, async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const forwarder = spawn('kubectl', ['port-forward', 'pod/web', `:${port}`], {
      env: { ...process.env, ...envOf(transport) },
    });
    try {
      const complaint = text(forwarder.stderr);
      const [line] = (await once(forwarder.stdout, 'data')) as [Buffer];
      const socket = connect({ port: Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]), host: '127.0.0.1' });
      socket.on('error', () => {});
      assert.match(await complaint, /error forwarding port \d+ to pod web: .*ECONNREFUSED/);
    } finally {
      forwarder.kill('SIGKILL');
    }
  });
}

test('kubectl attach shows what the container writes and hands it what is typed', { skip }, async () => {
  const child = spawn('kubectl', ['attach', '-i', 'web'], { env: { ...process.env, ...envOf('WebSocket') } });
  const shown = text(child.stdout);
  child.stdin.write('typed\n');
  const [typed] = (await once(server.local.attachedInput, 'data')) as [Buffer];
  assert.equal(typed.toString(), 'typed\n');
  server.local.attached.end('written\n');
  assert.match(await shown, /written\n/);
});

test('kubectl logs passes its options on, and follows until it is stopped', { skip }, async () => {
  server.local.logText = 'one\ntwo\n';
  const args = ['logs', 'web', '--tail=2', '--timestamps', '--since=1m', '--limit-bytes=100', '--previous'];
  assert.equal((await kubectl('WebSocket', args)).stdout, 'one\ntwo\n');
  const { signal: _, ...options } = server.local.logOptions ?? { signal: undefined };
  assert.deepEqual(options, {
    container: 'main',
    follow: false,
    previous: true,
    timestamps: true,
    sinceSeconds: 60,
    tailLines: 2,
    limitBytes: 100,
  });
  const child = spawn('kubectl', ['logs', '-f', 'web'], { env: { ...process.env, ...envOf('WebSocket') } });
  let shown = '';
  child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  await until('the first lines', () => shown === 'one\ntwo\n');
  server.local.following.write('three\n');
  await until('the next line', () => shown === 'one\ntwo\nthree\n');
  child.kill('SIGKILL');
  await until('the log is let go', () => server.local.following.destroyed);
  const bad = await kubectl('WebSocket', ['logs', 'web', '-c', 'nope']);
  assert.match(bad.stderr, /container nope is not valid for pod web/);
});
