import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { limits } from './http-server.ts';
import { testServer } from './testing.ts';

/** Sends `text` over TLS as HTTP/1.1 and reads until the server closes. */
async function raw(server: { url: string; ca: { certificate: string } }, text: string): Promise<string> {
  const { port } = new URL(server.url);
  const socket = connectTls({
    host: '127.0.0.1',
    port: Number(port),
    ca: server.ca.certificate,
    ALPNProtocols: ['http/1.1'],
  });
  socket.on('error', () => undefined);
  let reply = '';
  socket.on('data', (chunk: Buffer) => (reply += chunk.toString()));
  socket.write(text);
  await once(socket, 'close');
  return reply;
}

async function isWell(server: { url: string; ca: { certificate: string } }): Promise<void> {
  assert.match(
    await raw(server, 'GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
    /^HTTP\/1\.1 200 OK[^]*ok$/,
  );
}

test('headers that are too long are refused, over both protocols', async () => {
  await using server = await testServer();
  const long = 'x'.repeat(limits.headerBytesMax + 1);
  assert.match(await raw(server, `GET /readyz HTTP/1.1\r\nhost: x\r\nx: ${long}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  const session = connectHttp2(server.url, { ca: server.ca.certificate });
  session.on('error', () => undefined);
  try {
    const stream = session.request({ ':path': '/readyz', x: long });
    const outcome = await once(stream, 'response').then(
      ([headers]) => (headers as { ':status': number })[':status'],
      () => 'refused',
    );
    assert.ok(outcome === 431 || outcome === 'refused', String(outcome));
  } finally {
    session.destroy();
  }
  await isWell(server);
});

test('what is no HTTP at all is answered and closed', async () => {
  await using server = await testServer();
  assert.match(await raw(server, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
  await isWell(server);
});

test('a client that opens and cancels streams without end loses its connection, nobody else does', async () => {
  await using server = await testServer();
  const session = connectHttp2(server.url, { ca: server.ca.certificate });
  session.on('error', () => undefined);
  await once(session, 'connect');
  const closed = new Promise((resolve) => session.once('close', resolve));
  for (let sent = 0; sent < 50 * limits.resetsBurst && !session.destroyed; sent++) {
    const stream = session.request({ ':path': '/readyz', ':method': 'POST' }, { endStream: false });
    stream.on('error', () => undefined);
    stream.once('ready', () => stream.close(constants.NGHTTP2_CANCEL));
    if (sent % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  await isWell(server);
});

test('an HTTP/2 connection with nothing under way is let go, one with a watch is not', async () => {
  await using server = await testServer({ keepAliveMs: 200 });
  const idle = connectHttp2(server.url, { ca: server.ca.certificate });
  const busy = connectHttp2(server.url, { ca: server.ca.certificate });
  const watch = busy.request({ ':path': '/api/v1/configmaps?watch=true', authorization: 'Bearer admin' });
  await once(watch, 'response');
  await once(idle, 'close');
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(busy.closed, false);
  busy.destroy();
});
