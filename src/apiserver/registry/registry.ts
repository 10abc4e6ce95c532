import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Store } from '#store/store.ts';
import { ChangeFeed } from '../watch-cache/change-feed.ts';
import { KindCache } from '../watch-cache/kind-cache.ts';
import { Layout } from './layout.ts';
import { Resource } from './resource.ts';

/** How often watchers get a bookmark and old events are dropped. */
export const housekeepingMs = 60_000;

/** The stored kinds of one server, each with its cache, over one store and one feed. */
export class Registry {
  readonly store: Store;
  readonly feed: ChangeFeed;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #resources = new Map<string, Resource>();

  /** `signal` ends the life of the registry: loads in flight end with it. */
  constructor({ store, clock, log, signal }: { store: Store; clock: Clock; log: Log; signal: AbortSignal }) {
    this.store = store;
    this.#clock = clock;
    this.#log = log;
    this.#signal = signal;
    this.feed = new ChangeFeed({ store, clock, log });
  }

  of<T extends ApiObject>(kind: Kind<T>): Resource<T> {
    const id = `${kind.group}/${kind.plural}`;
    const known = this.#resources.get(id);
    // The map is keyed by the kind's own name, so what is in it is of that kind.
    if (known !== undefined) return known as unknown as Resource<T>;
    const layout = new Layout(kind);
    const { store, feed } = this;
    const cache = new KindCache<T>({
      store,
      feed,
      clock: this.#clock,
      layout,
      signal: this.#signal,
      onUnreadable: (key, error) => this.#log.error('a stored object cannot be read', { key, error }),
    });
    const resource = new Resource<T>({ store, feed, clock: this.#clock, layout, cache });
    this.#resources.set(id, resource);
    return resource;
  }

  /** Kinds that somebody has asked for. */
  resources(): Iterable<Resource> {
    return this.#resources.values();
  }

  /** Takes up the store's revision; must come before anything else. */
  async start(): Promise<void> {
    await this.feed.start(this.#signal);
  }

  /** Follows the store until the registry's signal aborts. */
  async run(): Promise<void> {
    const signal = this.#signal;
    await Promise.all([this.feed.run(signal), this.#keepHouse(signal)]);
  }

  async #keepHouse(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(housekeepingMs, signal);
      } catch {
        return;
      }
      for (const resource of this.#resources.values()) resource.cache.tick();
    }
  }
}
