import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff, backoffMs } from './backoff.ts';

test('backoffMs() doubles from the first failure on and stops at the bound', () => {
  const policy = { initialMs: 10, maxMs: 1000 };
  assert.deepEqual(
    [1, 2, 3, 7, 8, 5000].map((failures) => backoffMs(policy, failures)),
    [10, 20, 40, 640, 1000, 1000],
  );
});

test('backoffMs() with jitter stays between the reduced and the full delay', () => {
  const policy = { initialMs: 100, maxMs: 1000, jitter: 0.5 };
  assert.equal(
    backoffMs(policy, 1, () => 0),
    100,
  );
  assert.equal(backoffMs(policy, 1, () => 0.999999) > 50, true);
});

test('Backoff starts anew after reset()', () => {
  const backoff = new Backoff({ initialMs: 1, maxMs: 100, factor: 10 });
  assert.deepEqual([backoff.next(), backoff.next(), backoff.next(), backoff.next()], [1, 10, 100, 100]);
  assert.equal(backoff.failures, 4);
  backoff.reset();
  assert.equal(backoff.next(), 1);
});
