import type { ApiObject } from '#machinery/object.ts';
import type { KindCache } from './kind-cache.ts';

/** What hears of a kind's objects. */
export interface CacheListener<T extends ApiObject> {
  /** Everything heard so far is void: the whole state follows. */
  reset(): void;
  /** An object came (`previous` undefined), changed, or went (`current` undefined). */
  changed(current: T | undefined, previous: T | undefined): void;
}

/**
 * Keeps something that is derived from a kind's cache in step with it, change by change. It pulls: nothing happens
 * between two calls, and after `catchUp()` the listener knows exactly what the cache knows.
 */
export class CacheFollower<T extends ApiObject = ApiObject> {
  readonly #cache: KindCache<T>;
  readonly #listener: CacheListener<T>;
  #fill = 0;
  #position = 0;

  constructor(cache: KindCache<T>, listener: CacheListener<T>) {
    this.#cache = cache;
    this.#listener = listener;
  }

  get isReady(): boolean {
    return this.#cache.isReady;
  }

  /** Resolves once the cache holds everything. */
  load(signal: AbortSignal): Promise<void> {
    return this.#cache.load(signal);
  }

  /** Tells the listener what it has not heard; returns whether there was anything. The cache must be ready. */
  catchUp(): boolean {
    const { log, fills } = this.#cache;
    if (fills !== this.#fill || this.#position < log.first) {
      this.#listener.reset();
      this.#cache.scan(undefined, undefined, ({ object }) => {
        this.#listener.changed(object, undefined);
        return true;
      });
      this.#fill = fills;
      this.#position = log.end;
      return true;
    }
    if (this.#position === log.end) return false;
    for (; this.#position < log.end; this.#position++) {
      const event = log.at(this.#position);
      this.#listener.changed(event?.current?.object, event?.previous?.object);
    }
    return true;
  }
}
