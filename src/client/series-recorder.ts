import { Event } from '#api/core/event.ts';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import type { Log } from '#lib/log.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { hasReason, timeout } from '#machinery/status-error.ts';
import type { Client } from './client.ts';
import {
  type EventFact,
  EventQueue,
  type Events,
  eventNameSuffix,
  involved,
  type PendingEvent,
} from './event-queue.ts';

export interface SeriesRecorderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** Who reports: `default-scheduler`. */
  readonly controller: string;
  /** Which one of them: `default-scheduler-host1`. */
  readonly instance: string;
}

interface Series {
  readonly ref: Required<ObjectRef>;
  count: number;
  lastAt: number;
  /** Of `count` and `lastAt`, what has been written. */
  written: number;
  writtenAt: number;
}

/** Different events remembered, so that repetitions become series. */
const seriesMax = 4096;
/** A series that does not go on for so long has ended. Source: client-go tools/events (event_broadcaster.go). */
const finishMs = 6 * 60_000;
/** A series that goes on is told of as often as this. */
const refreshMs = 30 * 60_000;
const writeMsMax = 10_000;
const noteLengthMax = 1024;

/**
 * Writes events in the way of events.k8s.io/v1: the first as it happens, the second as the start of a series, and from
 * then on only how many there were, now and then and when the series has ended. Never blocks and never fails.
 */
export class SeriesRecorder implements Events {
  readonly #options: SeriesRecorderOptions;
  readonly #queue: EventQueue;
  readonly #series = new Map<string, Series>();
  #sequence = 0;

  constructor(options: SeriesRecorderOptions) {
    this.#options = options;
    this.#queue = new EventQueue(options);
  }

  record(object: ApiObject, fact: EventFact): void {
    this.#queue.record(object, fact);
  }

  async run(signal: AbortSignal): Promise<void> {
    const finishing = this.#finishSeries(signal);
    await this.#queue.run(signal, (event, limit) => this.#write(event, limit));
    await finishing;
  }

  async #write({ object, fact, at }: PendingEvent, signal: AbortSignal): Promise<void> {
    const { kind = '', metadata } = object;
    const note = fact.message.slice(0, noteLengthMax);
    const key = [kind, metadata?.namespace, metadata?.name, metadata?.uid, fact.type, fact.reason, fact.action, note];
    const id = key.join('\n');
    const known = this.#series.get(id);
    const goesOn = known !== undefined && at - known.lastAt < finishMs;
    if (goesOn) {
      known.count++;
      known.lastAt = at;
      if (known.count === 2 || at - known.writtenAt >= refreshMs) await this.#tell(id, known, signal);
      return;
    }
    const namespace = metadata?.namespace ?? 'default';
    const name = `${metadata?.name ?? ''}.${eventNameSuffix(at, this.#sequence++)}`;
    const { client, controller, instance } = this.#options;
    await this.#attempt(signal, async (limit) => {
      const event: Event = {
        metadata: { name, namespace },
        involvedObject: involved(object, fact.fieldPath),
        type: fact.type,
        reason: fact.reason,
        message: note,
        action: fact.action ?? fact.reason,
        eventTime: microTime(at),
        source: {},
        reportingComponent: fact.reporter ?? controller,
        reportingInstance: instance,
      };
      await client.create(Event, event, { signal: limit });
      this.#remember(id, { ref: { namespace, name }, count: 1, lastAt: at, written: 1, writtenAt: at });
    });
  }

  async #tell(id: string, series: Series, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options;
    const { ref, count, lastAt } = series;
    series.written = count;
    series.writtenAt = clock.now();
    await this.#attempt(signal, async (limit) => {
      const patch = { series: { count, lastObservedTime: microTime(lastAt) } };
      try {
        await client.patch(Event, ref, { type: 'merge', patch }, { signal: limit });
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
        this.#series.delete(id); // expired: the next one starts anew
      }
    });
  }

  /** Once nothing more comes of a series, its last count is written and it is forgotten. */
  async #finishSeries(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      try {
        await clock.sleep(finishMs, signal);
      } catch {
        return;
      }
      for (const [id, series] of this.#series) {
        if (clock.now() - series.lastAt < finishMs) continue;
        if (series.written < series.count) await this.#tell(id, series, signal);
        this.#series.delete(id);
      }
    }
  }

  async #attempt(signal: AbortSignal, write: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    try {
      using limit = deadline(clock, writeMsMax, signal, () => timeout('writing an event took too long'));
      await write(limit.signal);
    } catch (error) {
      // A namespace that goes away takes no new events: that is no fault.
      if (!hasReason(error, 'NotFound', 'Forbidden')) log.debug('event not written', { error });
    }
  }

  /** The oldest goes first: a Map keeps the order of insertion. */
  #remember(id: string, series: Series): void {
    this.#series.delete(id);
    this.#series.set(id, series);
    for (const oldest of this.#series.keys()) {
      if (this.#series.size <= seriesMax) return;
      this.#series.delete(oldest);
    }
  }
}

/** RFC 3339 with microseconds, of which the clock knows the first three digits. */
const microTime = (ms: number) => new Date(ms).toISOString().replace('Z', '000Z');
