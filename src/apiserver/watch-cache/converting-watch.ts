import { internalError, StatusError } from '#machinery/status-error.ts';
import { WatchRecord } from './cache-event.ts';
import type { Bookmark, WatchStream } from './watcher.ts';

/** Records converted at a time. */
const batchMax = 256;

type Convert = (records: readonly WatchRecord[]) => Promise<readonly WatchRecord[]>;

/**
 * A watch whose records take time to convert. It takes the next batch only once the one before has been taken from it,
 * so a slow reader or converter holds up nothing but itself; what cannot be converted ends it.
 */
export class ConvertingWatch implements WatchStream {
  readonly #inner: WatchStream;
  readonly #convert: Convert;
  #ready: readonly (WatchRecord | Bookmark)[] = [];
  #isConverting = false;
  #innerReady = false;
  #failed: StatusError | undefined;
  #isOver = false;
  #onReady: () => void = () => undefined;

  constructor(inner: WatchStream, convert: Convert) {
    this.#inner = inner;
    this.#convert = convert;
  }

  get ended(): StatusError | undefined {
    return this.#failed ?? (this.#ready.length === 0 && !this.#isConverting ? this.#inner.ended : undefined);
  }

  onReady(fn: () => void): void {
    this.#onReady = fn;
    this.#inner.onReady(() => {
      this.#innerReady = true;
      this.#next();
    });
    if (this.#ready.length > 0 || this.#failed !== undefined) fn();
  }

  take(max: number): readonly (WatchRecord | Bookmark)[] {
    const taken = this.#ready.slice(0, max);
    this.#ready = this.#ready.slice(max);
    if (this.#ready.length > 0) queueMicrotask(() => this.#onReady());
    else this.#next();
    return taken;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#onReady = () => undefined;
    this.#inner[Symbol.dispose]();
  }

  #next(): void {
    if (this.#isConverting || this.#isOver || !this.#innerReady || this.#ready.length > 0) return;
    const records = this.#inner.take(batchMax);
    if (records.length < batchMax) this.#innerReady = false;
    if (records.length === 0) {
      if (this.#inner.ended !== undefined) this.#onReady();
      return;
    }
    this.#isConverting = true;
    void this.#convertAll(records);
  }

  async #convertAll(records: readonly (WatchRecord | Bookmark)[]): Promise<void> {
    try {
      const converted = (await this.#convert(records.filter((each) => each instanceof WatchRecord))).values();
      this.#ready = records.map((each) => (each instanceof WatchRecord ? converted.next().value! : each));
    } catch (error) {
      this.#failed = error instanceof StatusError ? error : internalError('an event could not be converted', error);
    }
    this.#isConverting = false;
    this.#onReady();
  }
}
