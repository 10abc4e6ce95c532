import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlushQueue } from './flush-queue.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('few are served in the next turn, every time', async () => {
  const queue = new FlushQueue();
  let runs = 0;
  for (let i = 1; i <= 5; i++) {
    queue.add(() => runs++);
    await turn();
    assert.equal(runs, i);
  }
});

test('where very many wait, those that come right after are gathered, and none is forgotten', async () => {
  const queue = new FlushQueue();
  let first = 0;
  for (let i = 0; i < 200; i++) queue.add(() => first++);
  await turn();
  assert.equal(first, 200);
  const start = performance.now();
  const served: number[] = [];
  const all = new Promise<void>((resolve) => {
    for (let i = 0; i < 3; i++) {
      queue.add(() => {
        served.push(i);
        if (served.length === 3) resolve();
      });
    }
  });
  await turn();
  assert.deepEqual(served, []);
  await all;
  assert.deepEqual(served, [0, 1, 2]);
  assert.ok(performance.now() - start < 2_000);
});
