import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import type { Log } from '#lib/log.ts';
import type { ApiObject } from '#machinery/object.ts';
import { timeout } from '#machinery/status-error.ts';

export interface EventFact {
  readonly type: 'Normal' | 'Warning';
  /** One CamelCase word: why this is told. */
  readonly reason: string;
  readonly message: string;
  /** What was being done to the object: `Binding`. */
  readonly action?: string;
  /** What part of the object is meant: `spec.containers{web}`. */
  readonly fieldPath?: string;
  /** Who tells it, if that is not who the recorder speaks for: `batch-scheduler`. */
  readonly reporter?: string;
}

/** Tells users what happens to an object. */
export interface Events {
  record(object: ApiObject, fact: EventFact): void;
}

export interface PendingEvent {
  readonly object: ApiObject;
  readonly fact: EventFact;
  readonly at: number;
}

const queueLengthMax = 1000;
/** How long what is left may take when the recorder stops. */
const drainMsMax = 10_000;

/** What is still to be written. `record()` never blocks and never fails: beyond the bound the newest are dropped and counted. */
export class EventQueue implements Events {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #pending: PendingEvent[] = [];
  #wake: (() => void) | undefined;
  #dropped = 0;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  record(object: ApiObject, fact: EventFact): void {
    if (this.#pending.length >= queueLengthMax) {
      if (this.#dropped++ === 0) this.#log.warn('events dropped: the queue is full', { queueLengthMax });
      return;
    }
    this.#pending.push({ object, fact, at: this.#clock.now() });
    this.#wake?.();
  }

  /** Writes events one after the other until `signal` aborts, then tries to write what is left for a bounded time. */
  async run(signal: AbortSignal, write: (event: PendingEvent, signal: AbortSignal) => Promise<void>): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const last = new AbortController();
    while (!signal.aborted) {
      const next = this.#pending.shift();
      if (next !== undefined) await write(next, last.signal);
      else await Promise.race([aborted, new Promise<void>((resolve) => (this.#wake = resolve))]);
    }
    using limit = deadline(this.#clock, drainMsMax, last.signal, () => timeout('no time left for events'));
    for (let next = this.#pending.shift(); next !== undefined && !limit.signal.aborted; next = this.#pending.shift()) {
      await write(next, limit.signal);
    }
  }
}

/** `at` need not be whole. Upstream puts the time in nanoseconds, in hexadecimal; the sequence takes the place of what the clock lacks. */
export const eventNameSuffix = (at: number, sequence: number): string =>
  (BigInt(Math.floor(at)) * 1_000_000n + BigInt(sequence % 1_000_000)).toString(16);

/** A reference to the object, as events have it. */
export function involved({ apiVersion = '', kind = '', metadata }: ApiObject, fieldPath: string | undefined) {
  const { name = '', namespace, uid, resourceVersion } = metadata ?? {};
  return {
    apiVersion,
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(fieldPath === undefined ? {} : { fieldPath }),
  };
}
