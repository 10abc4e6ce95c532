import type { CallOptions, Change, Entry, Key, Page, Revision, Store, Write } from '#store/store.ts';

/** Turns of the event loop without any call to the store after which a cluster in one process counts as quiet. */
const quietTurns = 6;

/**
 * A store that knows whether anybody is using it. In a cluster that lives in one process every piece of work ends in
 * the store, so when nobody has called it for some turns of the event loop, everything waits for time to pass.
 */
export class QuietStore implements Store {
  readonly #store: Store;
  #calls = 0;
  #inFlight = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Resolves once nothing more happens by itself. */
  async quiet(): Promise<void> {
    let seen = -1;
    for (let turns = 0; turns < quietTurns; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#calls === seen && this.#inFlight === 0) continue;
      seen = this.#calls;
      turns = 0;
    }
  }

  get(key: Key, options: CallOptions): Promise<Entry | undefined> {
    return this.#counted(this.#store.get(key, options));
  }

  list(prefix: Key, options: Parameters<Store['list']>[1]): Promise<Page> {
    return this.#counted(this.#store.list(prefix, options));
  }

  commit(writes: readonly Write[], options: CallOptions): Promise<Revision> {
    return this.#counted(this.#store.commit(writes, options));
  }

  watch(prefix: Key, options: CallOptions & { after: Revision }): AsyncIterable<readonly Change[]> {
    return this.#store.watch(prefix, options);
  }

  current(options: CallOptions): Promise<Revision> {
    return this.#store.current(options);
  }

  compact(at: Revision, options: CallOptions): Promise<void> {
    return this.#store.compact(at, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }

  #counted<T>(call: Promise<T>): Promise<T> {
    this.#calls++;
    this.#inFlight++;
    return call.finally(() => this.#inFlight--);
  }
}
