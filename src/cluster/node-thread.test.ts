import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { NodeWorkerOptions } from './node-protocol.ts';
import { startNodeThread } from './node-thread.ts';

const fileOf = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`);
const preamble = `import { parentPort, workerData } from 'node:worker_threads';
parentPort.on('message', () => parentPort.close());
const lives = new Int32Array(workerData.lives);
Atomics.add(lives, 0, 1); Atomics.notify(lives, 0);`;

/** A thread that runs `code` instead of a node, and counts how often it was started. */
function start(code: string, clock = systemClock) {
  const lives = new Int32Array(new SharedArrayBuffer(4));
  const options = { lives: lives.buffer } as unknown as NodeWorkerOptions;
  return { lives, thread: startNodeThread(options, { clock, log: silentLog, file: fileOf(preamble + code) }) };
}

test('a thread that dies after it has worked is started again, until it is stopped', async () => {
  const { lives, thread } = start(`parentPort.postMessage({ type: 'running', runtimeSocket: '' });
if (lives[0] === 1) setImmediate(() => { throw new Error('a bug') });`);
  await thread.running;
  const second = Atomics.waitAsync(lives, 0, 1, 10_000);
  assert.notEqual(await second.value, 'timed-out');
  await thread.stop();
  assert.equal(lives[0], 2);
});

test('a node that cannot start says why, and is not tried again', async () => {
  const { lives, thread } = start(
    `parentPort.postMessage({ type: 'failed', message: 'no bridge' }); parentPort.close();`,
  );
  await assert.rejects(thread.running, { name: 'StartError', message: 'This host cannot be a node: no bridge' });
  await thread.stop();
  assert.equal(lives[0], 1);
});
