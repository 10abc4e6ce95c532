import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { HttpClient } from '#client/http-client.ts';
import { systemClock } from '#lib/clock.ts';
import { hasReason } from '#machinery/status-error.ts';
import { startPodServer, type PodServer } from './pod-server.ts';

const signal = AbortSignal.timeout(60_000);
let server: PodServer;
before(async () => {
  server = await startPodServer();
});
after(() => server[Symbol.asyncDispose]());

interface Conversation {
  readonly protocol: string;
  readonly messages: readonly (Buffer | string)[];
  readonly code: number;
}

const execPath = (command: readonly string[], more = '') =>
  `/api/v1/namespaces/default/pods/web/exec?${command.map((word) => `command=${encodeURIComponent(word)}`).join('&')}${more}`;

function open(path: string, protocols: readonly string[]): WebSocket {
  const { pki } = server;
  return new WebSocket(server.url.replace('https', 'wss') + path, [...protocols], {
    ca: pki.authority,
    cert: pki.admin.certificate,
    key: pki.admin.key,
    perMessageDeflate: false,
  });
}

/** Says `input` and listens until the server closes. */
async function converse(path: string, protocols: readonly string[], input: readonly (Buffer | string)[] = []) {
  const socket = open(path, protocols);
  const messages: (Buffer | string)[] = [];
  socket.on('message', (data: Buffer, isBinary) => messages.push(isBinary ? data : data.toString()));
  await once(socket, 'open');
  for (const message of input) socket.send(message);
  const [code] = (await once(socket, 'close')) as [number];
  return { protocol: socket.protocol, messages, code } satisfies Conversation;
}

/** The bytes of one channel, joined. */
function channel({ messages }: Conversation, number: number): string {
  return messages
    .map((message) => {
      if (typeof message !== 'string') return message[0] === number ? message.subarray(1).toString() : '';
      return message[0] === String(number) ? Buffer.from(message.slice(1), 'base64').toString() : '';
    })
    .join('');
}

const command = ['sh', '-c', 'echo out; echo err >&2; exit 3'];

for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io']) {
  test(`exec over ${protocol} ends with the Status on channel 3 and code 1000`, async () => {
    const conversation = await converse(execPath(command), [protocol]);
    assert.equal(conversation.protocol, protocol);
    assert.equal(channel(conversation, 1), 'out\n');
    assert.equal(channel(conversation, 2), 'err\n');
    const status = JSON.parse(channel(conversation, 3)) as { reason: string; details: { causes: unknown } };
    assert.equal(status.reason, 'NonZeroExitCode');
    assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '3' }]);
    assert.equal(conversation.code, 1000);
  });
}

for (const protocols of [['channel.k8s.io'], ['base64.channel.k8s.io'], []]) {
  test(`exec over ${protocols[0] ?? 'no subprotocol'} tells failures as text and success not at all`, async () => {
    const failed = await converse(execPath(command), protocols);
    assert.equal(channel(failed, 1), 'out\n');
    assert.match(channel(failed, 3), /exit code: exit status 3/);
    assert.equal(channel(await converse(execPath(['true']), protocols), 3), '');
  });
}

test('the first message comes at once, empty, so that a client knows that its command runs', async () => {
  const conversation = await converse(execPath(['sleep', '0.1']), ['v4.channel.k8s.io']);
  assert.deepEqual(conversation.messages[0], Buffer.of(1));
});

test('of several subprotocols the first that is known is taken', async () => {
  const conversation = await converse(execPath(['true']), [
    'v9.channel.k8s.io',
    'v4.channel.k8s.io',
    'v5.channel.k8s.io',
  ]);
  assert.equal(conversation.protocol, 'v4.channel.k8s.io');
});

test('closing channel 0 is the end of stdin in v5', async () => {
  const input = [Buffer.from('\0hello '), Buffer.from('\0you\n'), Buffer.of(255, 0)];
  const conversation = await converse(
    execPath(['sh', '-c', 'cat; echo end'], '&stdin=true'),
    ['v5.channel.k8s.io'],
    input,
  );
  assert.equal(channel(conversation, 1), 'hello you\nend\n');
});

test('sizes that are none, unknown channels and empty messages harm nobody', async () => {
  const input = [
    Buffer.from('\x04{"Width":80,"Height":24}'),
    Buffer.from('\x04nonsense'),
    Buffer.of(77, 1),
    Buffer.alloc(0),
    Buffer.of(255, 0),
  ];
  server.local.sizes.length = 0;
  const conversation = await converse(execPath(['cat'], '&stdin=true&tty=true'), ['v5.channel.k8s.io'], input);
  assert.equal(conversation.code, 1000);
  assert.deepEqual(server.local.sizes, [[80, 24]]);
});

test('subprotocols that nobody knows are refused before anything runs', async () => {
  const socket = open(execPath(['true']), ['v9.channel.k8s.io']);
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number; headers: Record<string, string> },
  ];
  assert.equal(response.statusCode, 403);
  assert.match(response.headers['x-accepted-stream-protocol-versions'] ?? '', /v5\.channel\.k8s\.io/);
  socket.on('error', () => {});
  socket.terminate();
});

for (const [what, path, complaint] of [
  ['no command', '/api/v1/namespaces/default/pods/web/exec?stdout=true', /needs a command/],
  ['nothing to attach to', `${execPath(['true'])}&stdout=false&stderr=false`, /at least 1 of stdin, stdout, stderr/],
  ['a container that is not there', `${execPath(['true'])}&container=x`, /container x is not valid for pod web/],
  ['no port', '/api/v1/namespaces/default/pods/web/portforward', /"ports" is required/],
  ['a bad port', '/api/v1/namespaces/default/pods/web/portforward?ports=0', /port must be between 1 and 65535/],
] as const) {
  test(`a request with ${what} gets a Status instead of an upgrade`, async () => {
    const socket = open(path, ['v4.channel.k8s.io']);
    const [, response] = (await once(socket, 'unexpected-response')) as [
      unknown,
      NodeJS.ReadableStream & { statusCode: number },
    ];
    assert.equal(response.statusCode, 400);
    const status = JSON.parse(await text(response)) as { kind: string; message: string };
    assert.equal(status.kind, 'Status');
    assert.match(status.message, complaint);
    socket.on('error', () => {});
    socket.terminate();
  });
}

test("Tutti's own client runs commands, reads logs and forwards ports", async () => {
  const { pki } = server;
  await using client = new HttpClient({
    server: { url: server.url, ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key },
    clock: systemClock,
    userAgent: 'test',
  });
  const pod = { namespace: 'default', name: 'web' };
  const session = await client.exec(pod, {
    command: ['sh', '-c', 'cat; exit 2'],
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
    signal,
  });
  session.stdin?.end('said');
  assert.ok(session.stdout);
  assert.equal(await text(session.stdout), 'said');
  assert.equal((await session.done).details?.causes?.[0]?.message, '2');

  server.local.logText = 'log\n';
  assert.equal(await text(await client.logs(pod, { signal })), 'log\n');
  await assert.rejects(client.logs(pod, { signal, container: 'x' }), (error: unknown) =>
    hasReason(error, 'BadRequest'),
  );
  await assert.rejects(client.logs(pod, { signal, tailLines: -1 }), (error: unknown) => hasReason(error, 'Invalid'));

  const upper = createServer((socket) => void socket.once('data', (data) => socket.end(data.toString().toUpperCase())));
  upper.listen(0, '127.0.0.1');
  await once(upper, 'listening');
  const { port } = upper.address() as AddressInfo;
  const connection = await client.portForward(pod, port, { signal });
  connection.write('shout');
  assert.equal(await text(connection), 'SHOUT');
  upper.close();
  await once(upper, 'close');
  const refused = await client.portForward(pod, port, { signal });
  await assert.rejects(text(refused), /ECONNREFUSED/);
});

test('a client that does not read holds the command back instead of filling memory', async () => {
  const socket = open(execPath(['sh', '-c', 'head -c 400000000 /dev/zero']), ['v5.channel.k8s.io']);
  await once(socket, 'open');
  socket.pause();
  const start = process.memoryUsage.rss();
  let most = 0;
  for (let n = 0; n < 10; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    most = Math.max(most, process.memoryUsage.rss() - start);
  }
  assert.equal(server.local.runningCount, 1, 'the command waits');
  assert.ok(most < 100_000_000, `memory grew by ${most} bytes`);
  socket.terminate();
  await once(socket, 'close');
});
