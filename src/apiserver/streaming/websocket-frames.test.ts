import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import { messageBytesMax } from '#client/channels.ts';
import { acceptWebSocket } from './upgrade.ts';

/** A server whose WebSockets are accepted as the API server accepts them, and what came over the last of them. */
async function frameServer() {
  const accepted: WebSocket[] = [];
  let messages = 0;
  const server = createServer();
  server.on('upgrade', (req, socket, head: Buffer) => {
    acceptWebSocket(req, socket, head, '', (webSocket) => {
      accepted.push(webSocket);
      webSocket.on('message', () => messages++);
      webSocket.on('error', () => undefined);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    accepted,
    get messages() {
      return messages;
    },
    async open(): Promise<Socket> {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.write(
        'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
      );
      await once(socket, 'data');
      return socket;
    },
    [Symbol.dispose]() {
      for (const webSocket of accepted) webSocket.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

const mask = Buffer.from([1, 2, 3, 4]);
const text = 0x1;
const binary = 0x2;
const ping = 0x9;

/** A frame by its first byte, and what its head says of its length. */
function frame(first: number, payload: Buffer, { length = payload.length, masked = true } = {}): Buffer {
  const bit = masked ? 0x80 : 0;
  const head =
    length < 126
      ? Buffer.from([first, bit | length])
      : length < 65_536
        ? Buffer.concat([Buffer.from([first, bit | 126]), Buffer.from([length >> 8, length & 0xff])])
        : Buffer.concat([Buffer.from([first, bit | 127]), bigEndian(BigInt(length))]);
  return Buffer.concat([
    head,
    masked ? mask : Buffer.alloc(0),
    payload.map((byte, i) => byte ^ (masked ? mask[i % 4]! : 0)),
  ]);
}

function bigEndian(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** Closes a WebSocket is ended with: the code of its Close frame, the last thing it sends. */
async function codeOf(socket: Socket, ...frames: readonly Buffer[]): Promise<number> {
  let last = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => (last = Buffer.concat([last, chunk])));
  const closed = once(socket, 'end');
  for (const each of frames) socket.write(each);
  await closed;
  const at = last.lastIndexOf(0x88);
  assert.ok(at >= 0, 'no Close frame came');
  return last.readUInt16BE(at + 2);
}

test('frames that are too long, out of order or no frames at all end their own connection, and are never gathered', async () => {
  using server = await frameServer();
  const some = Buffer.from('x');
  const cases: readonly [string, number, readonly Buffer[]][] = [
    ['a length beyond the limit', 1009, [frame(0x80 | binary, some, { length: messageBytesMax + 1 })]],
    ['a length beyond 2^53', 1009, [frame(0x80 | binary, some, { length: Number.MAX_SAFE_INTEGER })]],
    [
      'fragments beyond the limit',
      1009,
      Array.from({ length: 5 }, (_, i) => frame(i === 0 ? binary : 0, Buffer.alloc(messageBytesMax / 4))),
    ],
    [
      'many empty fragments',
      1008,
      [frame(binary, some), Buffer.concat(Array.from({ length: 20_000 }, () => frame(0, Buffer.alloc(0))))],
    ],
    ['a continuation of nothing', 1002, [frame(0x80, some)]],
    ['a message within a message', 1002, [frame(binary, some), frame(0x80 | text, some)]],
    ['a long ping', 1002, [frame(0x80 | ping, Buffer.alloc(126))]],
    ['a ping in fragments', 1002, [frame(ping, some)]],
    ['no mask', 1002, [frame(0x80 | binary, some, { masked: false })]],
    ['a reserved bit', 1002, [frame(0xc0 | binary, some)]],
    ['an unknown kind', 1002, [frame(0x83, some)]],
    ['no UTF-8', 1007, [frame(0x80 | text, Buffer.from([0xff]))]],
  ];
  for (const [name, code, frames] of cases) {
    assert.equal(await codeOf(await server.open(), ...frames), code, name);
  }
  assert.equal(server.messages, 0);
  const good = await server.open();
  good.write(frame(0x80 | binary, some));
  while (server.messages === 0) await new Promise((resolve) => setImmediate(resolve));
  good.destroy();
});

test('random bytes after the handshake end the connection or wait for more, and nothing else happens', async () => {
  using server = await frameServer();
  let seed = 7;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  for (let round = 0; round < 200; round++) {
    const socket = await server.open();
    socket.resume();
    socket.end(Buffer.from(Array.from({ length: 1 + Math.trunc(random() * 200) }, () => Math.trunc(random() * 256))));
    await once(socket, 'close');
  }
  assert.equal(server.accepted.length, 200);
});
