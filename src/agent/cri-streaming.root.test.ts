import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { systemClock } from '#lib/clock.ts';
import type { ExecOptions, Session } from '#client/client.ts';
import { hasReason } from '#machinery/status-error.ts';
import { criStreaming } from './cri-streaming.ts';
import { startTestAgent, testPod, type TestAgent } from './testing/test-agent.ts';

const signal = AbortSignal.timeout(120_000);
const ref = { namespace: 'default', name: 'web' };
let node: TestAgent;
before(async () => {
  node = await startTestAgent();
  await node.create(
    testPod('web', {
      hostNetwork: true,
      containers: [
        {
          name: 'main',
          image: node.image,
          imagePullPolicy: 'IfNotPresent',
          stdin: true,
          command: ['sh', '-c', 'trap "exit 0" TERM; while read line; do echo "got $line"; echo "err $line" >&2; done'],
        },
      ],
    }),
  );
  await node.until('web', (pod) => pod?.status?.phase === 'Running', 'running');
});
after(() => node[Symbol.asyncDispose]());

const exec = (command: readonly string[], more: Partial<ExecOptions> = {}): Promise<Session> =>
  node.agent.streams.exec(ref, { command, stdin: false, stdout: true, stderr: true, tty: false, signal, ...more });
const textOf = (stream: Session['stdout']) => (stream === undefined ? Promise.resolve('') : text(stream));

test('exec gives stdout, stderr and the exit code of a command in a container', async () => {
  const session = await exec(['sh', '-c', 'echo out; echo err >&2; exit 3']);
  const [out, err, status] = await Promise.all([textOf(session.stdout), textOf(session.stderr), session.done]);
  assert.deepEqual([out, err], ['out\n', 'err\n']);
  assert.equal(status.status, 'Failure');
  assert.equal(status.reason, 'NonZeroExitCode');
  assert.deepEqual(status.details?.causes, [{ reason: 'ExitCode', message: '3' }]);
  const quiet = await exec(['true']);
  assert.equal(await textOf(quiet.stdout), '');
  assert.equal((await quiet.done).status, 'Success');
});

test('the end of stdin reaches the command while its output goes on', async () => {
  const session = await exec(['sh', '-c', 'cat; echo end'], { stdin: true });
  session.stdin?.write('a');
  session.stdin?.end('b\n');
  assert.equal(await textOf(session.stdout), 'ab\nend\n');
  assert.equal((await session.done).status, 'Success');
});

test('megabytes pass both ways unharmed', async () => {
  const content = Buffer.alloc(20_000_000, 'tutti ');
  const session = await exec(['cat'], { stdin: true });
  session.stdin?.end(content);
  assert.ok(session.stdout);
  assert.ok((await buffer(session.stdout)).equals(content));
});

test('a terminal has the size it is given', async () => {
  const session = await exec(['sh', '-c', 'sleep 0.3; stty size || busybox stty size'], {
    tty: true,
    stdin: true,
    stderr: false,
  });
  session.resize(91, 17);
  assert.match(await textOf(session.stdout), /17 91/);
});

test('a command that cannot be started says so in its outcome', async () => {
  const session = await exec(['/no/such/command']);
  await Promise.all([textOf(session.stdout), textOf(session.stderr)]);
  const status = await session.done;
  assert.equal(status.status, 'Failure');
  assert.match(status.message ?? '', /no such file/);
});

test('close() ends a session at once, and its outcome says that it was cut off', async () => {
  const session = await exec(['sleep', '60']);
  session.close();
  assert.equal((await session.done).status, 'Failure');
});

test('attach takes part in what the container reads and writes', async () => {
  const session = await node.agent.streams.attach(ref, { stdin: true, stdout: true, stderr: true, tty: false, signal });
  session.stdin?.write('hello\n');
  const first = async (stream: Session['stdout']) => {
    if (stream === undefined) return '';
    for await (const chunk of stream as AsyncIterable<Buffer>) return chunk.toString();
    return '';
  };
  assert.deepEqual(await Promise.all([first(session.stdout), first(session.stderr)]), ['got hello\n', 'err hello\n']);
  session.close();
});

test('a forwarded port is a connection, and an unused port an error', async () => {
  const server = createServer((socket) => {
    socket.once('data', (said) => socket.end(`you said ${said.toString()}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const stream = await node.agent.streams.portForward(ref, port, { signal });
    stream.write('ping');
    assert.equal(await text(stream), 'you said ping');
  } finally {
    server.close();
  }
  for (let n = 0; n < 10; n++) {
    const refused = await node.agent.streams.portForward(ref, port, { signal });
    await assert.rejects(text(refused), (error: unknown) => hasReason(error, 'ServiceUnavailable'));
  }
});

test('a runtime that points elsewhere than to this machine is not followed', async () => {
  const streaming = criStreaming(systemClock);
  await assert.rejects(streaming.port('http://192.0.2.1:80/portforward/x', 80, { signal }), /not this machine/);
  await assert.rejects(streaming.port('https://127.0.0.1:1/x', 80, { signal }), /not this machine/);
});
