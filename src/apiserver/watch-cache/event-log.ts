import type { ApiObject } from '#machinery/object.ts';
import type { Revision } from '#store/store.ts';
import type { CacheEvent } from './cache-event.ts';

/** Bounds of one kind's recent past. A watcher that falls out of it is ended. */
export const eventsMax = 20_000;
export const eventBytesMax = 32 * 1024 * 1024;
/** Events older than this are forgotten at the next trim: who reconnects later is served from the store's history. */
export const eventAgeMsMax = 75_000;

/** The recent events of one kind, each with a position that grows by one and is never used again. */
export class EventLog<T extends ApiObject> {
  #events: CacheEvent<T>[] = [];
  /** Events before this index are already forgotten. */
  #head = 0;
  /** Position of `#events[#head]`. */
  #first = 0;
  #bytes = 0;
  #after: Revision;

  constructor(after: Revision) {
    this.#after = after;
  }

  /** All events later than this revision are here. */
  get after(): Revision {
    return this.#after;
  }
  get first(): number {
    return this.#first;
  }
  /** The position the next event will have. */
  get end(): number {
    return this.#first + this.#events.length - this.#head;
  }

  at(position: number): CacheEvent<T> | undefined {
    return position < this.#first ? undefined : this.#events[this.#head + position - this.#first];
  }

  append(event: CacheEvent<T>): void {
    this.#events.push(event);
    this.#bytes += event.bytes;
    while (this.end - this.#first > eventsMax || this.#bytes > eventBytesMax) this.#forgetFirst();
  }

  /** Forgets what happened before `time`. */
  trim(time: number): void {
    while (this.#first < this.end && this.#events[this.#head]!.at < time) this.#forgetFirst();
    if (this.#head > 0) this.#compact();
  }

  /** Forgets everything; what is not here any more ends at `after`. */
  clear(after: Revision): void {
    this.#first = this.end;
    this.#events = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#after = after;
  }

  /** Position of the first event later than `revision`, which must not be before `after`. */
  positionAfter(revision: Revision): number {
    let low = this.#first;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle)!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #forgetFirst(): void {
    const event = this.#events[this.#head]!;
    this.#bytes -= event.bytes;
    this.#after = event.revision;
    this.#head++;
    this.#first++;
    if (this.#head >= 1024 && this.#head * 2 > this.#events.length) this.#compact();
  }

  #compact(): void {
    this.#events = this.#events.slice(this.#head);
    this.#head = 0;
  }
}
