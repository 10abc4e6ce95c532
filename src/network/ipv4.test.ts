import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, ipV4, property } from 'fast-check';
import { contains, formatBlock, formatIpv4, gatewayOf, isRoutableTarget, parseBlock, parseIpv4 } from './ipv4.ts';

test('every IPv4 address survives being parsed and formatted', () => {
  holds(property(ipV4(), (text) => formatIpv4(parseIpv4(text)) === text));
});

test('a block contains its first and last address and neither neighbour', () => {
  const block = parseBlock('10.244.3.77/24');
  assert.equal(formatBlock(block), '10.244.3.0/24');
  assert.equal(gatewayOf(block), '10.244.3.1');
  const inside = ['10.244.3.0', '10.244.3.255', '10.244.2.255', '10.244.4.0'].map((a) => contains(block, parseIpv4(a)));
  assert.deepEqual(inside, [true, true, false, false]);
  assert.equal(contains(parseBlock('0.0.0.0/0'), parseIpv4('255.255.255.255')), true);
});

test('what is no block of addresses is refused', () => {
  for (const text of ['', '10.0.0.0', '10.0.0.0/33', '10.0.0/8', '::/0', '10.0.0.0/8/8', '10.0.0.0/ 8']) {
    assert.throws(() => parseBlock(text), { reason: 'Invalid' }, text);
  }
});

test('services are never sent to loopback, link-local, multicast or unspecified addresses', () => {
  const refused = [
    '127.0.0.1',
    '169.254.169.254',
    '224.0.0.1',
    '255.255.255.255',
    '0.0.0.0',
    'fd00::1',
    '1.2.3.4; flush',
  ];
  assert.deepEqual(
    refused.map(isRoutableTarget),
    refused.map(() => false),
  );
  assert.equal(isRoutableTarget('192.0.2.7'), true);
});
