import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from './clock.ts';
import { WorkQueue } from './work-queue.ts';

function setup(options: { workersMax?: number; retry?: { initialMs: number; maxMs: number } } = {}) {
  const clock = new VirtualClock(0);
  const queue = new WorkQueue({
    clock,
    workersMax: options.workersMax ?? 1,
    retry: options.retry ?? { initialMs: 10, maxMs: 40 },
  });
  const stop = new AbortController();
  return { clock, queue, stop };
}

test('a key added many times before work starts is worked on once, in the order of first arrival', async () => {
  const { clock, queue, stop } = setup();
  for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
  const seen: string[] = [];
  const running = queue.run(async (key) => void seen.push(key), stop.signal);
  await clock.advance(0);
  assert.deepEqual(seen, ['a', 'b', 'c']);
  assert.equal(queue.idle, true);
  stop.abort();
  await running;
});

test('a key added while worked on runs once more afterwards and never twice at a time', async () => {
  const { clock, queue, stop } = setup({ workersMax: 4 });
  let active = 0;
  let runs = 0;
  const running = queue.run(async () => {
    assert.equal(++active, 1);
    await clock.sleep(100, stop.signal);
    runs++;
    active--;
  }, stop.signal);
  queue.add('a');
  await clock.advance(50);
  queue.add('a');
  queue.add('a');
  await clock.advance(200);
  assert.equal(runs, 2);
  stop.abort();
  await running;
});

test('no more than workersMax keys are worked on at a time', async () => {
  const { clock, queue, stop } = setup({ workersMax: 3 });
  let active = 0;
  let most = 0;
  for (let i = 0; i < 20; i++) queue.add(`k${i}`);
  const running = queue.run(async () => {
    most = Math.max(most, ++active);
    await clock.sleep(5, stop.signal);
    active--;
  }, stop.signal);
  await clock.advance(100);
  assert.equal(most, 3);
  assert.equal(queue.idle, true);
  stop.abort();
  await running;
});

test('failed keys return with growing, bounded delays, and success forgets them', async () => {
  const { clock, queue, stop } = setup();
  const at: number[] = [];
  const running = queue.run(async () => {
    at.push(clock.now());
    if (at.length < 6) throw new Error('no');
  }, stop.signal);
  queue.add('a');
  await clock.advance(1000);
  assert.deepEqual(at, [0, 10, 30, 70, 110, 150]);
  assert.equal(queue.failures('a'), 0);
  stop.abort();
  await running;
});

test('the earliest of several delays counts, and work can ask to be called again', async () => {
  const { clock, queue, stop } = setup();
  const at: number[] = [];
  const running = queue.run(async () => {
    at.push(clock.now());
    return at.length === 1 ? { againMs: 50 } : undefined;
  }, stop.signal);
  queue.addAfter('a', 300);
  queue.addAfter('a', 100);
  queue.addAfter('a', 200);
  await clock.advance(1000);
  assert.deepEqual(at, [100, 150]);
  stop.abort();
  await running;
});

test('run() takes nothing new once aborted and settles only when running work has ended', async () => {
  const { clock, queue, stop } = setup();
  let ended = false;
  const running = queue.run(async () => {
    await clock.sleep(100, new AbortController().signal);
    ended = true;
  }, stop.signal);
  queue.add('a');
  queue.add('b');
  await clock.advance(10);
  stop.abort();
  let settled = false;
  void running.then(() => (settled = true));
  await clock.advance(10);
  assert.equal(settled, false);
  await clock.advance(100);
  assert.deepEqual([ended, settled], [true, true]);
  queue.add('c');
  assert.equal(queue.depth, 0);
});

test('ten thousand keys pass in order', async () => {
  const { clock, queue, stop } = setup({ workersMax: 8 });
  const seen: string[] = [];
  const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}`);
  const running = queue.run(async (key) => void seen.push(key), stop.signal);
  for (const key of keys) queue.add(key);
  while (!queue.idle) await clock.advance(1);
  assert.deepEqual(seen, keys);
  stop.abort();
  await running;
});
