import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ConfigMap } from '#api/core/config-map.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testServer } from '../testing.ts';
import { watchesPerUserMax } from './watch-handler.ts';

type Server = Awaited<ReturnType<typeof testServer>>;
const watch = '/api/v1/namespaces/n/configmaps?watch=true';

/** A watch over HTTP/1.1 whose client reads its head and then nothing more. */
async function stalledWatch(server: Server): Promise<TLSSocket> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: Number(new URL(server.url).port),
    ca: server.ca.certificate,
    ALPNProtocols: ['http/1.1'],
  });
  socket.on('error', () => undefined);
  socket.write(`GET ${watch} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer user:slow\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  return socket;
}

/** The same over HTTP/2: the client lets the window of its stream fill up. */
async function stalledStream(session: ClientHttp2Session): Promise<void> {
  const stream = session.request({ ':path': watch, authorization: 'Bearer user:slow' });
  stream.on('error', () => undefined);
  await once(stream, 'response');
  stream.pause();
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 30_000;
  while (!holds()) {
    assert.ok(Date.now() < end, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('watches whose clients take nothing are cut off, hold little, and keep nobody from their events', async ({
  signal,
}) => {
  const stalled = 1_000;
  const overHttp1 = 60;
  const events = 400;
  const eventBytes = 32 * 1024;
  await using server = await testServer({ stalledMs: 1_500 });
  const client = new InProcessClient(server.api, { user: admin });
  const { cache } = server.api.registry.of(ConfigMap);
  const sockets = await Promise.all(Array.from({ length: overHttp1 }, () => stalledWatch(server)));
  const idle = Array.from({ length: 20 }, () => connectHttp2(server.url, { ca: server.ca.certificate }));
  for (let index = 0; index < stalled - overHttp1; index++) await stalledStream(idle[index % idle.length]!);
  const session = connectHttp2(server.url, { ca: server.ca.certificate });
  const good = session.request({ ':path': watch, authorization: 'Bearer user:good' });
  let text = '';
  let lines = 0;
  good.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    for (const byte of chunk) if (byte === 0x0a) lines++;
  });
  await once(good, 'response');
  assert.equal(cache.watchers, stalled + 1);
  const before = process.memoryUsage().arrayBuffers;
  let highest = before;
  await client.create(ConfigMap, { metadata: { namespace: 'n', name: 'm' } }, { signal });
  for (let i = 0; i < events; i++) {
    const patch = { type: 'merge', patch: { data: { i: `${i}`, text: 'x'.repeat(eventBytes) } } } as const;
    await client.patch(ConfigMap, { namespace: 'n', name: 'm' }, patch, { signal });
    await new Promise((resolve) => setImmediate(resolve));
    highest = Math.max(highest, process.memoryUsage().arrayBuffers);
  }
  await until(() => lines > events, 'the good watch to have everything');
  const seen = text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { object: ConfigMap }).object.data?.['i']);
  assert.deepEqual(seen, [undefined, ...Array.from({ length: events }, (_, i) => `${i}`)]);
  await until(() => cache.watchers === 1, 'the stalled watches to be cut off');
  // All of it for each of them would be 13 GB.
  assert.ok(highest - before < 200 * 1024 * 1024, `${Math.round((highest - before) / 1024 / 1024)} MB of buffers`);
  session.destroy();
  for (const each of [...sockets, ...idle]) each.destroy();
});

test('a list that its client does not take is cut off with the time of its request', async () => {
  await using server = await testServer();
  const client = new InProcessClient(server.api, { user: admin });
  const signal = AbortSignal.timeout(30_000);
  for (let i = 0; i < 30; i++) {
    await client.create(
      ConfigMap,
      { metadata: { namespace: 'n', name: `m${i}` }, data: { text: 'x'.repeat(1024 * 1024) } },
      { signal },
    );
  }
  const socket = connectTls({
    host: '127.0.0.1',
    port: Number(new URL(server.url).port),
    ca: server.ca.certificate,
    ALPNProtocols: ['http/1.1'],
  });
  socket.on('error', () => undefined);
  socket.write('GET /api/v1/configmaps HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admin\r\n\r\n');
  await once(socket, 'data');
  socket.pause();
  // What the end of its time does to a request, the end of the server does, too.
  await server[Symbol.asyncDispose]();
  socket.destroy();
});

test('one user has no more watches than one may, and others have theirs', async () => {
  await using server = await testServer();
  const sessions = Array.from({ length: Math.ceil(watchesPerUserMax / 900) + 1 }, () =>
    connectHttp2(server.url, { ca: server.ca.certificate }),
  );
  let next = 0;
  const open = async (user: string) => {
    const stream = sessions[next++ % sessions.length]!.request({
      ':path': watch,
      authorization: `Bearer user:${user}`,
    });
    stream.on('error', () => undefined);
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    return headers;
  };
  for (let i = 0; i < watchesPerUserMax; i += 200) {
    const codes = await Promise.all(Array.from({ length: 200 }, () => open('many')));
    assert.ok(codes.every((headers) => headers[':status'] === 200));
  }
  const refused = await open('many');
  assert.deepEqual([refused[':status'], refused['retry-after']], [429, '1']);
  assert.equal((await open('other'))[':status'], 200);
  for (const session of sessions) session.destroy();
});
