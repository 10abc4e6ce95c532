import { Event } from '#api/core/event.ts';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import type { Log } from '#lib/log.ts';
import type { ApiObject } from '#machinery/object.ts';
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

export interface EventRecorderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** Who reports: `deployment-controller`, `kubelet`. */
  readonly component: string;
  /** The node it happened on, if any. */
  readonly host?: string;
}

/** How many different events are remembered so that repetitions are counted instead of created. */
const rememberedMax = 4096;
/** Each object of a reporter may have this many events at once, and then one more each `refillMs`. Upstream's values. */
const burstMax = 25;
const refillMs = 300_000;
/** More different messages than this with one reason on one object become a single "combined" event. */
const similarMax = 10;
const similarMs = 600_000;
const writeMsMax = 10_000;
const messageLengthMax = 1024;

interface Remembered {
  readonly name: string;
  readonly namespace: string;
  readonly first: string;
  count: number;
}

/**
 * Writes core/v1 Events in the background. `record()` never blocks and never fails: repeated events are counted,
 * noisy objects are limited, and when the API cannot keep up the newest events are dropped and counted.
 */
export class EventRecorder implements Events {
  readonly #options: EventRecorderOptions;
  readonly #queue: EventQueue;
  readonly #remembered = new Map<string, Remembered>();
  readonly #tokens = new Map<string, { tokens: number; at: number }>();
  readonly #similar = new Map<string, { messages: Set<string>; at: number }>();
  #sequence = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#queue = new EventQueue(options);
  }

  record(object: ApiObject, fact: EventFact): void {
    this.#queue.record(object, fact);
  }

  /** Writes events until `signal` aborts, then tries to write what is left for a bounded time. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.run(signal, (event, limit) => this.#write(event, limit));
  }

  async #write({ object, fact, at }: PendingEvent, signal: AbortSignal): Promise<void> {
    const source = `${object.kind ?? ''}/${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}/${object.metadata?.uid ?? ''}`;
    if (!this.#takeToken(source, at)) return;
    const combined = this.#combined(source, fact, at);
    const message = combined ?? fact.message.slice(0, messageLengthMax);
    // One event stands for all that are combined: it counts them and shows the newest.
    const key = [source, fact.type, fact.reason, combined === undefined ? message : '', fact.fieldPath ?? ''].join(
      '\n',
    );
    const known = this.#remembered.get(key);
    const { client, clock, log } = this.#options;
    try {
      using limit = deadline(clock, writeMsMax, signal, () => timeout('writing an event took too long'));
      if (known !== undefined && (await this.#count(known, message, at, limit.signal))) return;
      const namespace = object.metadata?.namespace ?? 'default';
      const time = seconds(at);
      const name = `${object.metadata?.name ?? ''}.${eventNameSuffix(at, this.#sequence++)}`;
      const event = this.#eventFor(object, { ...fact, message }, { name, namespace }, time);
      await client.create(Event, event, { signal: limit.signal });
      this.#remember(key, { name, namespace, first: time, count: 1 });
    } catch (error) {
      // A namespace that goes away takes no new events: that is no fault.
      if (!hasReason(error, 'NotFound', 'Forbidden')) log.debug('event not written', { reason: fact.reason, error });
    }
  }

  /** Raises the count of an event that is already there; false if it has expired in the meantime. */
  async #count(known: Remembered, message: string, at: number, signal: AbortSignal): Promise<boolean> {
    const patch = { count: known.count + 1, lastTimestamp: seconds(at), message };
    try {
      await this.#options.client.patch(Event, known, { type: 'merge', patch }, { signal });
      known.count++;
      return true;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return false;
      throw error;
    }
  }

  #eventFor(object: ApiObject, fact: EventFact, metadata: { name: string; namespace: string }, time: string): Event {
    const { component, host } = this.#options;
    return {
      metadata,
      involvedObject: involved(object, fact.fieldPath),
      type: fact.type,
      reason: fact.reason,
      message: fact.message,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
  }

  /** The oldest goes first: a Map keeps the order of insertion. */
  #remember(key: string, event: Remembered): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, event);
    bound(this.#remembered);
  }

  #takeToken(source: string, at: number): boolean {
    const bucket = this.#tokens.get(source) ?? { tokens: burstMax, at };
    const tokens = Math.min(burstMax, bucket.tokens + (at - bucket.at) / refillMs);
    this.#tokens.delete(source);
    this.#tokens.set(source, { tokens: tokens >= 1 ? tokens - 1 : tokens, at });
    bound(this.#tokens);
    return tokens >= 1;
  }

  /** The message of the combined event, once there are too many different ones. */
  #combined(source: string, fact: EventFact, at: number): string | undefined {
    const key = [source, fact.type, fact.reason].join('\n');
    let group = this.#similar.get(key);
    if (group === undefined || at - group.at > similarMs) group = { messages: new Set(), at };
    this.#similar.delete(key);
    this.#similar.set(key, group);
    bound(this.#similar);
    if (group.messages.has(fact.message)) return undefined;
    if (group.messages.size < similarMax) {
      group.messages.add(fact.message);
      return undefined;
    }
    return `(combined from similar events): ${fact.message}`.slice(0, messageLengthMax);
  }
}

function bound(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    if (map.size <= rememberedMax) return;
    map.delete(key);
  }
}

const seconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
