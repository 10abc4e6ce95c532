import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createDeflate, constants } from 'node:zlib';
import fc from 'fast-check';
import { dictionary } from './dictionary.ts';
import { dataHeader, encodeControl, FrameParser, SpdyProtocolError, type Frame } from './frame.ts';
import { encodeHeaders, HeaderReader, HeaderWriter, parseHeaders, type SpdyHeaders } from './header-block.ts';
import { SpdySession } from './session.ts';
import { streamBufferBytesMax, type SpdyStream } from './stream.ts';

const id = fc.integer({ min: 1, max: 0x7fff_ffff });
const word = fc.integer({ min: 0, max: 0xffff_ffff });
const block = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const controlFrame: fc.Arbitrary<Exclude<Frame, { type: 'data' | 'settings' }>> = fc.oneof(
  fc.record({
    type: fc.constant('syn-stream' as const),
    stream: id,
    block,
    fin: fc.boolean(),
    unidirectional: fc.boolean(),
  }),
  fc.record({ type: fc.constantFrom('syn-reply' as const, 'headers' as const), stream: id, block, fin: fc.boolean() }),
  fc.record({ type: fc.constant('rst-stream' as const), stream: id, status: word }),
  fc.record({ type: fc.constant('ping' as const), id: word }),
  fc.record({ type: fc.constant('goaway' as const), lastStream: id, status: word }),
  fc.record({ type: fc.constant('window-update' as const), stream: id, delta: id }),
);
const dataFrame = fc.record({ type: fc.constant('data' as const), stream: id, data: block, fin: fc.boolean() });

const turn = () => new Promise((resolve) => setImmediate(resolve));
const isProtocolError = (error: unknown) => error instanceof SpdyProtocolError;

/** Joins the pieces of one data frame, so that results do not depend on how bytes arrived. */
function joined(frames: readonly Frame[]): readonly unknown[] {
  const result: unknown[] = [];
  const texts = frames.map((frame) =>
    frame.type === 'data' ? { ...frame, data: frame.data.toString('hex') } : { ...frame },
  );
  for (const frame of texts) {
    const last = result.at(-1) as (typeof texts)[number] | undefined;
    if (frame.type === 'data' && last?.type === 'data' && last.stream === frame.stream && !last.fin) {
      result[result.length - 1] = { ...frame, data: `${last.data}${frame.data}` };
    } else result.push(frame);
  }
  return result;
}

test('FrameParser finds the same frames however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(controlFrame, dataFrame), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
      (frames, sizes) => {
        const bytes = Buffer.concat(
          frames.flatMap((frame) =>
            frame.type === 'data'
              ? [dataHeader(frame.stream, frame.data.length, frame.fin), frame.data]
              : [encodeControl(frame)],
          ),
        );
        const parser = new FrameParser();
        const found: Frame[] = [];
        for (let offset = 0, n = 0; offset < bytes.length; n++) {
          const size = sizes[n % sizes.length] ?? 1;
          found.push(...parser.push(bytes.subarray(offset, offset + size)));
          offset += size;
        }
        assert.deepEqual(joined(found), joined(frames));
      },
    ),
    { numRuns: 300 },
  );
});

test('FrameParser takes any bytes without failing otherwise than by SpdyProtocolError', () => {
  const start = fc.constantFrom(
    Buffer.of(0x80, 3, 0, 1),
    Buffer.of(0x80, 3, 0, 7),
    Buffer.of(0, 0, 0, 1),
    Buffer.alloc(0),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(start, fc.uint8Array({ maxLength: 60 })), { maxLength: 10 }), (chunks) => {
      const parser = new FrameParser();
      try {
        for (const [prefix, bytes] of chunks) for (const _ of parser.push(Buffer.concat([prefix, bytes])));
      } catch (error) {
        assert.ok(error instanceof SpdyProtocolError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('FrameParser refuses control frames that are too long before it has read them', () => {
  const header = Buffer.of(0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff);
  assert.throws(() => [...new FrameParser().push(header)], SpdyProtocolError);
});

test('headers come back as they were, and parseHeaders() survives any bytes', () => {
  const name = fc.stringMatching(/^[a-z-]{1,12}$/);
  const value = fc.stringMatching(/^[ -~]{0,20}$/);
  fc.assert(
    fc.property(fc.dictionary(name, fc.array(value, { minLength: 1, maxLength: 3 })), (headers) => {
      const map: SpdyHeaders = new Map(Object.entries(headers));
      assert.deepEqual(parseHeaders(encodeHeaders(map)), map);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        parseHeaders(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof SpdyProtocolError);
      }
    }),
  );
});

test('HeaderReader reads blocks that were compressed with the dictionary, and our own stored ones', async () => {
  const headers: SpdyHeaders = new Map([
    ['streamtype', ['stdin']],
    ['content-type', ['text/plain', 'b']],
  ]);
  const deflate = createDeflate({ dictionary });
  const reader = new HeaderReader();
  for (let n = 0; n < 3; n++) {
    const output: Buffer[] = [];
    const collect = (chunk: Buffer) => void output.push(chunk);
    deflate.on('data', collect);
    deflate.write(encodeHeaders(headers));
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    deflate.off('data', collect);
    assert.deepEqual(await reader.read(Buffer.concat(output)), headers);
  }
  const [writer, second] = [new HeaderWriter(), new HeaderReader()];
  for (let n = 0; n < 3; n++) assert.deepEqual(await second.read(writer.write(headers)), headers);
  reader.close();
  second.close();
  deflate.destroy();
});

test('HeaderReader refuses a block that grows beyond its bound, and one that is no zlib', async () => {
  const deflate = createDeflate({ dictionary });
  const bomb = buffer(deflate);
  deflate.end(Buffer.alloc(10_000_000));
  await assert.rejects(new HeaderReader().read(await bomb), isProtocolError);
  await assert.rejects(new HeaderReader().read(Buffer.from('not compressed')), isProtocolError);
});

function pair(onStream: (stream: SpdyStream) => void, streamsMax?: number) {
  const [left, right] = duplexPair({ highWaterMark: 64 * 1024 });
  const client = new SpdySession(left, { role: 'client' });
  const server = new SpdySession(right, {
    role: 'server',
    onStream,
    ...(streamsMax === undefined ? {} : { streamsMax }),
  });
  const close = async () => {
    client.destroy();
    server.destroy();
    await Promise.all([client.closed, server.closed]);
  };
  return { client, server, left, right, [Symbol.asyncDispose]: close };
}
const headersOf = (record: Record<string, string>): SpdyHeaders =>
  new Map(Object.entries(record).map(([name, value]) => [name, [value]]));

test('a stream carries data both ways, and each side ends on its own', async ({ signal }) => {
  await using sessions = pair((stream) => {
    stream.write(`hello ${stream.header('streamtype')}: `);
    void text(stream).then((all) => stream.end(all.toUpperCase()));
  });
  const stream = await sessions.client.open(headersOf({ streamType: 'data' }), signal);
  stream.write('a');
  stream.end('b');
  assert.equal(await text(stream), 'hello data: AB');
  while (sessions.client.streamCount + sessions.server.streamCount > 0) await turn();
});

test('bulk data passes on many streams at once, unharmed', async ({ signal }) => {
  await using sessions = pair((stream) => stream.pipe(stream));
  const size = 3_000_000;
  await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const stream = await sessions.client.open(headersOf({ port: String(index) }), signal);
      const content = Buffer.alloc(size, index);
      stream.end(content);
      assert.ok((await buffer(stream)).equals(content));
    }),
  );
});

test('a reader that is behind holds its sender back within bounds', async ({ signal }) => {
  let received: SpdyStream | undefined;
  await using sessions = pair((stream) => (received = stream));
  const stream = await sessions.client.open(headersOf({ streamtype: 'stdin' }), signal);
  let sent = 0;
  const chunk = Buffer.alloc(100_000);
  const write = () => {
    for (; sent < 50_000_000; sent += chunk.length) if (!stream.write(chunk)) return stream.once('drain', write);
    return undefined;
  };
  write();
  let before = -1;
  while (before !== sent) {
    before = sent;
    for (let n = 0; n < 20; n++) await turn();
  }
  assert.ok(sent < 3_000_000, `${sent} bytes were taken`);
  assert.ok((received?.readableLength ?? 0) < 2 * streamBufferBytesMax);
});

test('after a reset what has arrived can still be read, writing fails, and the session goes on', async ({ signal }) => {
  const received: SpdyStream[] = [];
  await using sessions = pair((stream) => {
    received.push(stream);
    if (stream.header('streamtype') === 'bad') stream.write('last words', () => stream.destroy());
    else stream.pipe(stream);
  });
  const bad = await sessions.client.open(headersOf({ streamtype: 'bad' }), signal);
  while (!received[0]?.destroyed) await turn();
  await turn();
  assert.equal(await text(bad), 'last words');
  const written = await new Promise((resolve) => void bad.write('x', resolve));
  assert.ok(written instanceof Error);
  const good = await sessions.client.open(headersOf({ streamtype: 'good' }), signal);
  good.end('still here');
  assert.equal(await text(good), 'still here');
});

test('what had arrived completely can be read after the session is gone', async ({ signal }) => {
  const size = streamBufferBytesMax / 2;
  await using sessions = pair((stream) => void stream.end(Buffer.alloc(size)));
  const stream = await sessions.client.open(headersOf({ streamtype: 'stdout' }), signal);
  while (stream.readableLength < size) await turn();
  for (let n = 0; n < 5; n++) await turn();
  sessions.right.end();
  await sessions.client.closed;
  assert.equal((await buffer(stream)).length, size);
});

test('a stream that is reset before it was accepted is refused', async ({ signal }) => {
  await using sessions = pair((stream) => void stream.destroy());
  await assert.rejects(sessions.client.open(headersOf({ streamtype: 'bad' }), signal), /reset/);
});

test('streams beyond the limit, or refused by the application, are refused', async ({ signal }) => {
  await using sessions = pair((stream) => {
    if (stream.header('streamtype') === 'unwanted') throw new Error('no');
  }, 1);
  await assert.rejects(sessions.client.open(headersOf({ streamtype: 'unwanted' }), signal), /reset/);
  await sessions.client.open(headersOf({ streamtype: 'a' }), signal);
  await assert.rejects(sessions.client.open(headersOf({ streamtype: 'b' }), signal), /status 3/);
});

test('open() gives up when its signal aborts', async () => {
  const [left] = duplexPair();
  const client = new SpdySession(left, { role: 'client' });
  const controller = new AbortController();
  const opening = client.open(new Map(), controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(opening, /enough/);
  client.destroy();
  await client.closed;
});

test('pings are answered, and a peer that speaks of windows gets its updates', async () => {
  const [left, right] = duplexPair();
  const server = new SpdySession(right, { role: 'server', onStream: (stream) => stream.resume() });
  const frames: Frame[] = [];
  const parser = new FrameParser();
  left.on('data', (chunk: Buffer) => frames.push(...parser.push(chunk)));
  left.write(encodeControl({ type: 'ping', id: 7 }));
  left.write(encodeControl({ type: 'window-update', stream: 0, delta: 1 }));
  left.write(
    encodeControl({
      type: 'syn-stream',
      stream: 1,
      block: new HeaderWriter().write(new Map()),
      fin: false,
      unidirectional: false,
    }),
  );
  left.write(Buffer.concat([dataHeader(1, 3, false), Buffer.from('abc')]));
  while (frames.length < 4) await turn();
  assert.deepEqual(
    frames.filter(({ type }) => type !== 'syn-reply'),
    [
      { type: 'ping', id: 7 },
      { type: 'window-update', stream: 1, delta: 3 },
      { type: 'window-update', stream: 0, delta: 3 },
    ],
  );
  server.destroy();
  await server.closed;
});

test('a peer that asks for answers without reading them is let go', async () => {
  const [left, right] = duplexPair();
  const server = new SpdySession(right, { role: 'server' });
  for (let n = 0; n < 20_000 && !right.destroyed; n++) {
    left.write(encodeControl({ type: 'ping', id: 2 * n + 1 }));
    if (n % 100 === 0) await turn();
  }
  assert.match(String(await server.closed), /does not read/);
});

test('the end of the session ends its streams with an error, also while a reader is behind', async ({ signal }) => {
  let received: SpdyStream | undefined;
  await using sessions = pair((stream) => (received = stream));
  const stream = await sessions.client.open(headersOf({ streamtype: 'stdin' }), signal);
  stream.write(Buffer.alloc(5 * streamBufferBytesMax));
  while ((received?.readableLength ?? 0) <= streamBufferBytesMax) await turn();
  sessions.right.destroy();
  sessions.left.destroy();
  await sessions.server.closed;
  await sessions.client.closed;
  assert.ok(received?.destroyed);
  assert.ok(stream.destroyed);
});

test('a peer that breaks the protocol is told so and let go', async () => {
  const [left, right] = duplexPair();
  const server = new SpdySession(right, { role: 'server', onStream: () => {} });
  left.write(
    encodeControl({
      type: 'syn-stream',
      stream: 2,
      block: new HeaderWriter().write(new Map()),
      fin: false,
      unidirectional: false,
    }),
  );
  const frames = [...new FrameParser().push(await buffer(left))];
  assert.deepEqual(frames, [{ type: 'goaway', lastStream: 0, status: 1 }]);
  left.end();
  assert.match(String(await server.closed), /stream 2 cannot be opened/);
});

test('any bytes from a peer end in an orderly way', async () => {
  const bytes = fc.array(
    fc.oneof(
      controlFrame.map((frame) => encodeControl(frame)),
      dataFrame.map(({ stream, data, fin }) => Buffer.concat([dataHeader(stream, data.length, fin), data])),
      block,
    ),
    { maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (chunks) => {
      const [left, right] = duplexPair();
      const server = new SpdySession(right, { role: 'server', onStream: (stream) => stream.pipe(stream) });
      left.resume();
      for (const chunk of chunks) left.write(chunk);
      left.end();
      await server.closed;
      assert.equal(server.streamCount, 0);
    }),
    { numRuns: 300 },
  );
});
