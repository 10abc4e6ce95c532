import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterRestart, restartAt, type RestartBackoff } from './restart-backoff.ts';

test('Restarts come at once, then after 10 s, doubling up to 5 min', () => {
  let backoff: RestartBackoff | undefined;
  let time = 0;
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const at = restartAt(backoff, time);
    waits.push((at - time) / 1000);
    backoff = afterRestart(backoff, time, at);
    time = at;
  }
  assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
});

test('Ten minutes of running make the past forgotten', () => {
  const backoff = { delayMs: 160_000, since: 0 };
  assert.equal(restartAt(backoff, 600_000), 760_000);
  assert.equal(restartAt(backoff, 600_001), 600_001);
  assert.equal(afterRestart(backoff, 600_001, 600_001).delayMs, 10_000);
});
