import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '#lib/log.ts';
import { unavailable } from '#machinery/status-error.ts';
import type { Frontend } from './frontend.ts';
import { FlowCleaner, staleFlows } from './stale-flows.ts';

const frontend = (protocol: 'tcp' | 'udp', address: string | undefined, ...ips: readonly string[]): Frontend => ({
  address,
  protocol,
  port: 53,
  affinitySeconds: undefined,
  backends: { targets: ips.map((ip) => ({ ip, port: 5353 })), whenEmpty: 'refuse' },
  outside: undefined,
});

test('UDP conversations with targets that went, and with none while there was none, are stale', () => {
  const before = [
    frontend('udp', '10.96.1.1', 'a', 'b'),
    frontend('tcp', '10.96.1.1', 'a'),
    frontend('udp', undefined),
  ];
  const after = [frontend('udp', '10.96.1.1', 'b'), frontend('udp', undefined, 'b')];
  assert.deepEqual(staleFlows(before, after), [
    { address: '10.96.1.1', port: 53, target: 'a' },
    { address: undefined, port: 53, target: undefined },
  ]);
  assert.deepEqual(staleFlows(after, after), []);
});

test('many stale conversations take one command, and a missing program is told once', async () => {
  const calls: string[] = [];
  const flow = { address: '10.96.1.1', port: 53, target: '10.244.0.2' };
  const counting = new FlowCleaner(async (program, args) => {
    calls.push([program, ...args].join(' '));
    return { code: 1, stdout: '', stderr: '', pid: 1 };
  }, silentLog);
  await counting.forget([flow], AbortSignal.timeout(1_000));
  await counting.forget(
    Array.from({ length: 51 }, () => flow),
    AbortSignal.timeout(1_000),
  );
  assert.deepEqual(calls, [
    'conntrack -D -p udp --orig-dst 10.96.1.1 --orig-port-dst 53 --reply-src 10.244.0.2',
    'conntrack -D -p udp --dst-nat',
  ]);
  let tries = 0;
  const missing = new FlowCleaner(async () => {
    tries++;
    throw unavailable('conntrack is not installed');
  }, silentLog);
  await missing.forget([flow], AbortSignal.timeout(1_000));
  await missing.forget([flow], AbortSignal.timeout(1_000));
  assert.equal(tries, 1);
});
