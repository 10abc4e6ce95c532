import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalTimestamp, formatMicroTime, formatTime, parseTimestamp } from './timestamp.ts';

test('timestamps are stored in UTC, in whole seconds or microseconds', () => {
  assert.equal(canonicalTimestamp('2026-01-02T03:04:05Z', false), '2026-01-02T03:04:05Z');
  assert.equal(canonicalTimestamp('2026-01-01T23:04:05.75-05:30', false), '2026-01-02T04:34:05Z');
  assert.equal(canonicalTimestamp('2026-01-02T03:04:05Z', true), '2026-01-02T03:04:05.000000Z');
  assert.equal(canonicalTimestamp('0001-01-01T00:00:00Z', false), '0001-01-01T00:00:00Z');
});

test('what names no moment is no timestamp', () => {
  for (const text of [
    '',
    'now',
    '2026-01-02',
    '2026-13-01T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-01-02T24:00:00Z',
    '2026-01-02T03:04:05',
  ]) {
    assert.equal(canonicalTimestamp(text, false), undefined, text);
  }
});

test('seconds and nanoseconds survive the way through text', () => {
  const moment = { seconds: -1, nanos: 999_999_000 };
  assert.deepEqual(parseTimestamp(formatMicroTime(moment)), moment);
  assert.equal(formatTime(moment), '1969-12-31T23:59:59Z');
});
