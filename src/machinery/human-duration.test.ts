import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, humanDuration } from './human-duration.ts';

test('durations are printed with two or three figures', () => {
  const [s, m, h, d, y] = [1000, 60_000, 3_600_000, 86_400_000, 31_536_000_000];
  const cases: readonly (readonly [number, string])[] = [
    [-5 * s, '<invalid>'],
    [-1 * s, '0s'],
    [5 * s, '5s'],
    [119 * s, '119s'],
    [120 * s, '2m'],
    [2 * m + 3 * s, '2m3s'],
    [10 * m + 3 * s, '10m'],
    [179 * m, '179m'],
    [3 * h, '3h'],
    [3 * h + 5 * m, '3h5m'],
    [8 * h + 5 * m, '8h'],
    [47 * h, '47h'],
    [2 * d + 3 * h, '2d3h'],
    [8 * d + 3 * h, '8d'],
    [729 * d, '729d'],
    [2 * y + 3 * d, '2y3d'],
    [9 * y, '9y'],
  ];
  for (const [ms, text] of cases) assert.equal(humanDuration(ms), text);
  assert.equal(age('2026-01-01T00:00:00Z', Date.UTC(2026, 0, 4)), '3d');
  assert.equal(age(undefined, 0), '<unknown>');
});
