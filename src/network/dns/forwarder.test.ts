import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { VirtualClock, systemClock } from '#lib/clock.ts';
import { exchange, type Exchange } from './exchange.ts';
import { Forwarder } from './forwarder.ts';
import { parseUpstreams } from './upstreams.ts';
import { parseReply, questionOf, types } from './wire.ts';

const signal = AbortSignal.timeout(20_000);
const name = 'example.com';
const question = { question: questionOf(name, types.A), edns: undefined };
const answer = (code = 0, ttl = 60, flags = 0) =>
  encode({
    type: 'response',
    flags: flags | code,
    questions: [{ name, type: 'A' }],
    answers: code === 0 ? [{ name, type: 'A', ttl, data: '192.0.2.7' }] : [],
  });
const reply = (code = 0, ttl = 60) => parseReply(answer(code, ttl), question.question);
const servers = ['192.0.2.1', '192.0.2.2'].map((address) => ({ address, port: 53 }));

test('resolv.conf gives at most three servers, and never ourselves', () => {
  const text =
    '# x\nnameserver 10.96.0.10\nnameserver 1.1.1.1 # c\n nameserver fd00::1\nnameserver bad\nsearch a\nnameserver 8.8.8.8\nnameserver 9.9.9.9\n';
  assert.deepEqual(
    parseUpstreams(text, ['10.96.0.10']).map(({ address }) => address),
    ['1.1.1.1', 'fd00::1', '8.8.8.8'],
  );
});

test('an answer is kept until it expires, and its time to live counts down', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const forwarder = new Forwarder({ upstreams: () => servers, clock, exchange: async () => (asked++, reply()) });
  const ttl = async () => {
    const { answers = [] } = decode((await forwarder.ask(question, signal)) ?? Buffer.alloc(0));
    const [first] = answers;
    return first !== undefined && 'ttl' in first ? first.ttl : undefined;
  };
  assert.equal(await ttl(), 60);
  await clock.advance(20_000);
  assert.equal(await ttl(), 40);
  assert.equal(asked, 1);
  await clock.advance(41_000);
  assert.equal(await ttl(), 60);
  assert.equal(asked, 2);
});

test('a server that is silent or fails is followed by the next; a refusal is better than nothing', async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const byAddress =
    (first: Exchange): Exchange =>
    (server, q, s) => {
      seen.push(server.address);
      return server.address === '192.0.2.1' ? first(server, q, s) : Promise.resolve(reply());
    };
  const silent: Exchange = (_server, _question, stop) =>
    new Promise((_resolve, reject) => stop.addEventListener('abort', () => reject(new Error('late'))));
  const forwarder = new Forwarder({ upstreams: () => servers, clock, exchange: byAddress(silent) });
  const asking = forwarder.ask(question, signal);
  await clock.advance(2_000);
  assert.ok(await asking);
  assert.deepEqual(seen, ['192.0.2.1', '192.0.2.2']);
  const refusing = new Forwarder({ upstreams: () => servers, clock, exchange: async () => reply(5) });
  assert.equal(((await refusing.ask(question, signal))?.readUInt16BE(2) ?? 0) & 15, 5);
  assert.equal(await new Forwarder({ upstreams: () => [], clock, exchange: silent }).ask(question, signal), undefined);
});

test('equal questions share one exchange, so that a loop ends by itself', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const forwarder: Forwarder = new Forwarder({
    upstreams: () => servers.slice(0, 1),
    clock,
    exchange: async (_server, q, stop) => {
      asked++;
      const inner = forwarder.ask(q, stop); // the server asks us back
      return new Promise((_resolve, reject) => {
        stop.addEventListener('abort', () => reject(new Error('late')));
        void inner;
      });
    },
  });
  const all = Promise.all(Array.from({ length: 100 }, () => forwarder.ask(question, signal)));
  await clock.advance(10_000);
  assert.deepEqual(new Set(await all), new Set([undefined]));
  assert.equal(asked, 2);
});

test('over real sockets: forged replies are passed over, and a truncated one is asked for again over TCP', async () => {
  const tcp = createServer((socket) => {
    socket.on('data', (data) => {
      const whole = answer();
      data.copy(whole, 0, 2, 4);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(whole.length);
      socket.end(Buffer.concat([length, whole]));
    });
  });
  const udp = createSocket('udp4');
  try {
    await once(tcp.listen(0, '127.0.0.1'), 'listening');
    const { port } = tcp.address() as { port: number };
    await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
    udp.on('message', (query, from) => {
      const forged = answer();
      forged.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
      const truncated = encode({ type: 'response', flags: 0x0200, questions: [{ name, type: 'A' }] });
      query.copy(truncated, 0, 0, 2);
      for (const message of [Buffer.from('x'), forged, truncated]) udp.send(message, from.port, from.address);
    });
    const forwarder = new Forwarder({
      upstreams: () => [{ address: '127.0.0.1', port }],
      exchange,
      clock: systemClock,
    });
    const found = decode((await forwarder.ask(question, signal)) ?? Buffer.alloc(0));
    assert.equal(found.answers?.length, 1);
  } finally {
    udp.close();
    await new Promise((resolve) => tcp.close(resolve));
  }
});
