import { Event } from '#api/core/event.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Controller } from './controller.ts';

export interface EventExpiryOptions {
  /** How long after it was last seen an Event is kept. Upstream keeps them for one hour, which is seldom long enough. */
  readonly keepMs: number;
  /** How many are kept at most; beyond it the oldest go first. */
  readonly eventsMax: number;
  readonly everyMs: number;
}

const hour = 3_600_000;
const defaults: EventExpiryOptions = { keepMs: 72 * hour, eventsMax: 50_000, everyMs: hour / 12 };
const deletionsAtOnceMax = 8;

/** When an Event was last seen, in milliseconds since the epoch. */
function lastSeen({ series, lastTimestamp, eventTime, metadata }: Event): number {
  return Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? '') || 0;
}

/** The Events that are due at `now`: too old, or too many. */
export function expiredEvents(
  events: readonly Event[],
  now: number,
  { keepMs, eventsMax }: Pick<EventExpiryOptions, 'keepMs' | 'eventsMax'>,
): readonly Event[] {
  const oldestFirst = events.toSorted((a, b) => lastSeen(a) - lastSeen(b));
  const tooMany = Math.max(0, oldestFirst.length - eventsMax);
  return oldestFirst.filter((event, i) => i < tooMany || now - lastSeen(event) > keepMs);
}

/** Keeps Events from growing without a bound. */
export function eventExpiry(options: Partial<EventExpiryOptions> = {}): Controller {
  const { keepMs, eventsMax, everyMs } = { ...defaults, ...options };
  return {
    name: 'event-expiry',
    reads: [Event],
    wakesOn: [],
    keys: () => ['events'],
    workersMax: 1,
    async reconcile(_key, { cache, client, clock, signal }) {
      const due = expiredEvents(cache.list(Event), clock.now(), { keepMs, eventsMax });
      await forEachLimit(due, deletionsAtOnceMax, async ({ metadata }) => {
        const { namespace = '', name = '', uid = '' } = metadata ?? {};
        try {
          await client.delete(Event, { namespace, name }, { signal, preconditions: { uid } });
        } catch (error) {
          if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
        }
      });
      return { againMs: everyMs };
    },
  };
}
