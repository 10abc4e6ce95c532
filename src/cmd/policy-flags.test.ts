import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationMs } from './policy-flags.ts';

test('durationMs() reads durations as Go writes them, and days', () => {
  const read = durationMs('--event-ttl');
  assert.deepEqual(
    ['90m', '1h0m30s', '7d'].map((text) => read(text)),
    [5_400_000, 3_630_000, 604_800_000],
  );
  for (const bad of ['', '5', 'h', '1h!', '0s', '-1h', '1.5h']) {
    assert.throws(() => read(bad), /--event-ttl must be a duration such as 90m, 72h or 7d/);
  }
});
