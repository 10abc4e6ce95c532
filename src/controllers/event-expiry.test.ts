import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '#api/core/event.ts';
import { expiredEvents } from './event-expiry.ts';

const event = (name: string, lastTimestamp: string, more: Partial<Event> = {}): Event => ({
  metadata: { namespace: 'default', name },
  involvedObject: {},
  lastTimestamp,
  ...more,
});
const names = (events: readonly Event[]) => events.map(({ metadata }) => metadata?.name);
const now = Date.parse('2026-01-04T00:00:00Z');

test('an Event goes once it has not been seen for long enough', () => {
  const events = [
    event('old', '2026-01-01T00:00:00Z'),
    event('new', '2026-01-03T23:00:00Z'),
    event('old-but-seen', '2026-01-01T00:00:00Z', {
      series: { count: 9, lastObservedTime: '2026-01-03T23:30:00.000000Z' },
    }),
    event('without-a-time', ''),
  ];
  const due = expiredEvents(events, now, { keepMs: 24 * 3_600_000, eventsMax: 100 });
  assert.deepEqual(names(due), ['without-a-time', 'old']);
});

test('of too many Events the oldest go', () => {
  const events = Array.from({ length: 5 }, (_, i) => event(`e${i}`, `2026-01-03T0${9 - i}:00:00Z`));
  assert.deepEqual(names(expiredEvents(events, now, { keepMs: 1e12, eventsMax: 3 })), ['e4', 'e3']);
});
