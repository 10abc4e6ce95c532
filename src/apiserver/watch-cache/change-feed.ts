import { setMaxListeners } from 'node:events';
import { abortable } from '#lib/abortable.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { Expired, revision, type Change, type Revision, type Store } from '#store/store.ts';
import { registryRoot } from '../registry/layout.ts';
import { fromStore, tooLargeVersion } from '../registry/store-errors.ts';

const retryDelayMs = 250;

/** What a kind's cache hears: its changes, and that the feed has lost its place so that everything must be read anew. */
export interface FeedListener {
  changed(changes: readonly Change[]): void;
  lost(): void;
}

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
}

/**
 * The server's one watch of the store, spread to the caches of the kinds. Because it sees every commit, its
 * revision says how far *every* cache is, also those whose kind has not changed: that makes fresh reads from a
 * cache possible and bookmarks cheap.
 */
export class ChangeFeed {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Map<string, FeedListener>();
  readonly #settled = new Set<() => void>();
  readonly #touched = new Set<(folder: string) => void>();
  #waiters: Waiter[] = [];
  #revision = revision(0);

  constructor({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Everything up to here has been handed to the listeners. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Hears the changes below `/registry/<folder>/` from now on. At most one listener a folder. */
  listen(folder: string, listener: FeedListener): void {
    this.#listeners.set(folder, listener);
  }

  /** Ends that, if it is still this listener who hears them. */
  unlisten(folder: string, listener: FeedListener): void {
    if (this.#listeners.get(folder) === listener) this.#listeners.delete(folder);
  }

  /** Calls `fn` with each folder in which something has changed, whether anybody listens there or not. */
  onFolder(fn: (folder: string) => void): void {
    this.#touched.add(fn);
  }

  /** Calls `fn` after each batch, when all listeners have heard it. */
  onBatch(fn: () => void): void {
    this.#settled.add(fn);
  }

  /** Takes up the store's present revision. Must have ended before anything else is asked. */
  async start(signal: AbortSignal): Promise<void> {
    this.#revision = await fromStore(this.#store.current({ signal }));
  }

  /** Follows the store until `signal` aborts; after failures it resumes where it was. */
  async run(signal: AbortSignal): Promise<void> {
    setMaxListeners(0, signal);
    while (!signal.aborted) {
      try {
        for await (const changes of this.#store.watch(registryRoot, { after: this.#revision, signal })) {
          this.#publish(changes);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Expired) await this.#startOver(signal);
        else this.#log.warn('watch of the store ended; resuming', { error, revision: this.#revision });
      }
      if (!signal.aborted) await this.#clock.sleep(retryDelayMs, signal).catch(() => undefined);
    }
  }

  /** Resolves once `wanted` has been handed out. Throws Timeout (ResourceVersionTooLarge) after `withinMs`. */
  async reach(wanted: Revision, { signal, withinMs }: { signal: AbortSignal; withinMs: number }): Promise<void> {
    if (wanted <= this.#revision) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { revision: wanted, resolve };
    this.#waiters.push(waiter);
    const late = Promise.withResolvers<void>();
    using _timer = this.#clock.after(withinMs, () => late.reject(tooLargeVersion(wanted, this.#revision)));
    try {
      await abortable(Promise.race([promise, late.promise]), signal);
    } finally {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    }
  }

  /** Resolves once everything the store acknowledged before this call has been handed out. */
  async fresh({ signal, withinMs }: { signal: AbortSignal; withinMs: number }): Promise<void> {
    await this.reach(await fromStore(this.#store.current({ signal })), { signal, withinMs });
  }

  #publish(changes: readonly Change[]): void {
    // Runs of changes to one kind are handed over together.
    for (let start = 0; start < changes.length;) {
      const folder = folderOf(changes[start]!);
      let end = start + 1;
      while (end < changes.length && folderOf(changes[end]!) === folder) end++;
      this.#listeners.get(folder)?.changed(start === 0 && end === changes.length ? changes : changes.slice(start, end));
      for (const fn of this.#touched) fn(folder);
      start = end;
    }
    this.#advance(changes.at(-1)!.revision);
  }

  #advance(to: Revision): void {
    this.#revision = to;
    for (const fn of this.#settled) fn();
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters) if (waiter.revision <= to) waiter.resolve();
  }

  async #startOver(signal: AbortSignal): Promise<void> {
    this.#log.warn('the store has compacted past the watch cache; reading everything anew', {
      revision: this.#revision,
    });
    const now = await this.#store.current({ signal });
    for (const listener of this.#listeners.values()) listener.lost();
    this.#advance(now);
  }
}

/** `core/pods` out of `/registry/core/pods/default/web`. */
function folderOf(change: Change): string {
  const key = change.type === 'put' ? change.entry.key : change.key;
  const group = key.indexOf('/', registryRoot.length);
  const plural = key.indexOf('/', group + 1);
  return key.slice(registryRoot.length, plural);
}
