import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { silentLog } from '#lib/log.ts';
import { parseBlock } from '../ipv4.ts';
import { clusterClients } from './clients.ts';
import { DnsServer } from './server.ts';

const address = '127.0.0.1';
const signal = AbortSignal.timeout(10_000);
const frame = (text: string) => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);

test('questions of one TCP connection are all answered, however they are cut', async () => {
  const respond = (message: Buffer) => (message.toString() === 'late' ? Promise.resolve(message) : message);
  await using server = await DnsServer.listen({ address, port: 0, respond, isAllowed: () => true, log: silentLog });
  const socket = connect(server.port, address);
  const stream = Buffer.concat([frame('one'), frame('late'), frame('two')]);
  for (const byte of stream) socket.write(Buffer.from([byte]));
  let received = '';
  for await (const chunk of socket) {
    received += String(chunk);
    if (received.length >= stream.length) break;
  }
  assert.deepEqual(
    ['one', 'late', 'two'].map((word) => received.includes(word)),
    [true, true, true],
  );
});

test('strangers get no answer over UDP and are hung up on over TCP', async () => {
  let asked = 0;
  const respond = (message: Buffer) => (asked++, message);
  await using server = await DnsServer.listen({
    address,
    port: 0,
    respond,
    isAllowed: () => asked > 0,
    log: silentLog,
  });
  const tcp = connect(server.port, address);
  tcp.on('error', () => {});
  await once(tcp, 'close', { signal });
  const udp = createSocket('udp4');
  udp.send('x', server.port, address);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(asked, 0);
  udp.close();
});

test('pods and the host itself may ask, nobody else', () => {
  const isAllowed = clusterClients([parseBlock('10.244.0.0/16')], () => 0);
  assert.deepEqual(['10.244.3.4', '127.0.0.1', '203.0.113.9', '::1'].map(isAllowed), [true, true, false, false]);
});
