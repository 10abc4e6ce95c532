import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abortController, VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { releaseIdleMemory, type ThreadMemory } from './idle-memory.ts';

const mebi = 1024 * 1024;

/** A thread whose load and heap the test decides; collecting shrinks the heap to 20 MiB. */
class FakeThread implements ThreadMemory {
  collections = 0;
  /** Share of the coming time that the thread works. */
  load = 0;
  total = 60 * mebi;
  used = 30 * mebi;
  readonly #clock: VirtualClock;
  readonly #start: number;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
    this.#start = clock.now();
  }

  utilization() {
    const passed = this.#clock.now() - this.#start;
    return { active: passed * this.load, idle: passed * (1 - this.load), utilization: this.load };
  }

  heap() {
    return { used: this.used, total: this.total };
  }

  collect = () => {
    this.collections++;
    this.total = 20 * mebi;
  };
}

async function running(check: (thread: FakeThread, clock: VirtualClock) => Promise<void>): Promise<void> {
  const clock = new VirtualClock();
  const stop = abortController();
  const thread = new FakeThread(clock);
  const loop = releaseIdleMemory({ clock, log: silentLog, memory: thread }, stop.signal);
  try {
    await check(thread, clock);
  } finally {
    stop.abort();
    await loop;
  }
}

test('releaseIdleMemory() collects an idle heap once, and again when it has grown', () =>
  running(async (thread, clock) => {
    await clock.advance(60_000);
    assert.equal(thread.collections, 1);
    thread.total = 24 * mebi;
    await clock.advance(60_000);
    assert.equal(thread.collections, 1);
    thread.total = 40 * mebi;
    await clock.advance(60_000);
    assert.equal(thread.collections, 2);
  }));

test('releaseIdleMemory() leaves a thread at work alone', () =>
  running(async (thread, clock) => {
    thread.load = 0.5;
    await clock.advance(60_000);
    assert.equal(thread.collections, 0);
  }));

test('releaseIdleMemory() leaves heaps alone whose collection would be felt', () =>
  running(async (thread, clock) => {
    thread.used = 500 * mebi;
    thread.total = 600 * mebi;
    await clock.advance(60_000);
    assert.equal(thread.collections, 0);
  }));

test('releaseIdleMemory() ends at once in a process that may not collect', async () => {
  const memory: ThreadMemory = {
    utilization: () => ({ active: 0, idle: 0, utilization: 0 }),
    heap: () => ({ used: 0, total: 0 }),
    collect: undefined,
  };
  await releaseIdleMemory({ clock: new VirtualClock(), log: silentLog, memory }, abortController().signal);
});
