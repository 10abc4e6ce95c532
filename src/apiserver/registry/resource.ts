import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#lib/clock.ts';
import { alreadyExists, badRequest, expired, notFoundError } from '#machinery/status-error.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import type { Kind } from '#machinery/kind.ts';
import { Expired, Future, type Entry, type Key, type Revision, type Store, type Write } from '#store/store.ts';
import type { ChangeFeed } from '../watch-cache/change-feed.ts';
import { CacheEvent, type WatchRecord } from '../watch-cache/cache-event.ts';
import type { KindCache } from '../watch-cache/kind-cache.ts';
import type { WatchStream } from '../watch-cache/watcher.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { registryRoot, type Layout } from './layout.ts';
import type { Selection } from './selection.ts';
import { fromStore, isConflict, storeError, tooLargeVersion } from './store-errors.ts';
import { StoredObject, withManagers } from './stored-object.ts';
import { Unreadable } from './unreadable.ts';
import type { Freshness } from './versions.ts';

/** How long a read waits for the cache to reach a revision. */
export const freshWithinMs = 3_000;
/** Events that a watch from before the cache's own memory may replay out of the store. */
const replayMax = 50_000;
/** Objects read from the store at a time by lists in the past. */
const pageMax = 1_000;

export interface ListQuery<T extends ApiObject> {
  readonly namespace: string | undefined;
  readonly selection: Selection<T>;
  readonly freshness: Freshness;
  /** 0 is without limit. */
  readonly limit: number;
  readonly continue: string | undefined;
  readonly signal: AbortSignal;
}

export interface Listing<T extends ApiObject> {
  readonly items: readonly StoredObject<T>[];
  readonly revision: Revision;
  readonly continue?: string;
  readonly remaining?: number;
}

export interface WatchQuery<T extends ApiObject> {
  readonly namespace: string | undefined;
  readonly selection: Selection<T>;
  /** Undefined or 0 starts with what is there. */
  readonly after: Revision | undefined;
  readonly initialEvents: boolean;
  readonly allowBookmarks: boolean;
  /** What the watcher is told instead of each record. */
  present?(this: void, record: WatchRecord<T>): WatchRecord<T>;
  readonly signal: AbortSignal;
}

export interface ResourceOptions<T extends ApiObject = ApiObject> {
  readonly store: Store;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly layout: Layout<T>;
  readonly cache: KindCache<T>;
}

/** Reads and guarded writes of one kind, without any rules about their content. */
export class Resource<T extends ApiObject = ApiObject> {
  readonly layout: Layout<T>;
  readonly cache: KindCache<T>;
  readonly #store: Store;
  readonly #feed: ChangeFeed;

  constructor(options: ResourceOptions<T>) {
    this.layout = options.layout;
    this.cache = options.cache;
    this.#store = options.store;
    this.#feed = options.feed;
  }

  get kind(): Kind<T> {
    return this.layout.kind;
  }

  /** Undefined if there is none. */
  async find(ref: ObjectRef, freshness: Freshness, signal: AbortSignal): Promise<StoredObject<T> | undefined> {
    if (this.cache.isReady) {
      await this.#settle(freshness, signal);
      // The wait may have outlived the cache.
      if (this.cache.isReady) return this.cache.get(ref);
    }
    const entry = await fromStore(this.#store.get(this.layout.key(ref), { signal }));
    if (freshness.want === 'not-older') await this.#settle(freshness, signal);
    return entry && this.layout.decode(entry);
  }

  /** Throws NotFound. */
  async get(ref: ObjectRef, freshness: Freshness, signal: AbortSignal): Promise<StoredObject<T>> {
    const found = await this.find(ref, freshness, signal);
    if (found === undefined) throw notFoundError(this.kind, ref.name);
    return found;
  }

  /**
   * `alongside` is written in the same commit. Throws AlreadyExists, and the store's Conflict if a guard of those other
   * writes fails.
   */
  async insert(
    ref: ObjectRef,
    object: T,
    signal: AbortSignal,
    alongside: readonly Write[] = [],
  ): Promise<StoredObject<T>> {
    const key = this.layout.key(ref);
    try {
      return await this.#put(key, object, 'absent', { signal, alongside });
    } catch (error) {
      throw isConflict(error) && error.key === key ? alreadyExists(this.kind, ref.name) : error;
    }
  }

  /** Throws AlreadyExists: what `insert()` would find, for dry runs. */
  async mustBeAbsent(ref: ObjectRef, signal: AbortSignal): Promise<void> {
    if ((await this.find(ref, { want: 'newest' }, signal)) !== undefined) throw alreadyExists(this.kind, ref.name);
  }

  /** True if writing `object` over `stored` would change nothing, whatever the order of keys. */
  isSame(stored: StoredObject<T>, object: T): boolean {
    const bytes = this.layout.encode(object);
    if (bytes.byteLength !== stored.value.byteLength) return false;
    return (
      Buffer.compare(bytes, stored.value) === 0 || isDeepStrictEqual(withVersion(object, stored.revision), stored.whole)
    );
  }

  /**
   * Replaces exactly `stored`, keeping who manages its fields unless `object` says otherwise (an empty list says
   * nobody). Throws the store's Conflict if it, or a guard of `alongside`, does not hold any more.
   */
  replace(
    stored: StoredObject<T>,
    object: T,
    signal: AbortSignal,
    alongside: readonly Write[] = [],
  ): Promise<StoredObject<T>> {
    const managers = object.metadata?.managedFields ?? stored.managedFields;
    return this.#put(stored.key, withManagers(object, managers), stored.revision, { signal, alongside });
  }

  /** Removes exactly `stored`, and returns its content at the revision of the removal. Throws the store's Conflict. */
  async remove(stored: StoredObject<T>, signal: AbortSignal): Promise<StoredObject<T>> {
    const at = await this.#commit([{ do: 'delete', key: stored.key, expect: stored.revision }], signal);
    return stored.at(at);
  }

  /** Removes an object that cannot be read, without looking at it. Throws NotFound, and Conflict if it has changed. */
  async removeUnreadable(ref: ObjectRef, signal: AbortSignal): Promise<void> {
    const key = this.layout.key(ref);
    const entry = await fromStore(this.#store.get(key, { signal }));
    if (entry === undefined) throw notFoundError(this.kind, ref.name);
    await this.#commit([{ do: 'delete', key, expect: entry.modified }], signal);
  }

  async list(query: ListQuery<T>): Promise<Listing<T>> {
    const { freshness, signal } = query;
    if (query.continue !== undefined && query.continue !== '') return this.#listOn(query, query.continue);
    if (freshness.want === 'exact') {
      await this.#loaded({ want: 'not-older', than: freshness.at }, signal);
      if (this.cache.lastChanged > freshness.at) return this.#listPast(query, freshness.at, undefined);
      return this.#listCache(query, freshness.at, undefined);
    }
    await this.#loaded(freshness, signal);
    return this.#listCache(query, this.cache.revision, undefined);
  }

  /** Opens a watch. Throws Expired if its start is forgotten. */
  async watch(query: WatchQuery<T>): Promise<WatchStream<T>> {
    const { namespace, selection, allowBookmarks, signal } = query;
    const present = query.present === undefined ? {} : { present: query.present };
    const after = query.after === 0n ? undefined : query.after;
    if (query.initialEvents || after === undefined) {
      if (after !== undefined) await this.#loaded({ want: 'not-older', than: after }, signal);
      else await this.#loaded({ want: query.after === undefined ? 'newest' : 'any' }, signal);
      const items: StoredObject<T>[] = [];
      this.cache.scan(namespace, undefined, (item) => items.push(item) > 0);
      return this.cache.watch({
        namespace,
        selection,
        allowBookmarks,
        ...present,
        position: undefined,
        initial: { items, revision: this.cache.revision, bookmark: query.initialEvents },
      });
    }
    await this.#loaded({ want: 'not-older', than: after }, signal);
    if (after >= this.cache.log.after) {
      const position = this.cache.log.positionAfter(after);
      return this.cache.watch({ namespace, selection, allowBookmarks, ...present, position });
    }
    const end = this.cache.log.end;
    const upTo = this.cache.revision;
    const past = await this.#replay(after, upTo, signal);
    return this.cache.watch({ namespace, selection, allowBookmarks, ...present, position: end, past });
  }

  async #put(
    key: Key,
    object: T,
    expect: Revision | 'absent',
    { signal, alongside }: { readonly signal: AbortSignal; readonly alongside: readonly Write[] },
  ): Promise<StoredObject<T>> {
    const value = this.layout.encode(object);
    const at = await this.#commit([{ do: 'put', key, value, expect }, ...alongside], signal);
    const stored = new StoredObject(this.layout, key, value, at, withVersion(object, at));
    this.cache.wrote(stored);
    return stored;
  }

  async #commit(writes: readonly Write[], signal: AbortSignal): Promise<Revision> {
    return fromStore(this.#store.commit(writes, { signal }));
  }

  /** Resolves once the cache holds everything and is as new as asked for. */
  async #loaded(freshness: Freshness, signal: AbortSignal): Promise<void> {
    do {
      await this.cache.load(signal);
      await this.#settle(freshness, signal);
    } while (!this.cache.isReady);
  }

  async #settle(freshness: Freshness, signal: AbortSignal): Promise<void> {
    switch (freshness.want) {
      case 'newest':
        return this.#feed.fresh({ signal, withinMs: freshWithinMs });
      case 'not-older':
        return this.#feed.reach(freshness.than, { signal, withinMs: freshWithinMs });
      default:
        return undefined;
    }
  }

  async #listOn(query: ListQuery<T>, token: string): Promise<Listing<T>> {
    if (query.freshness.want === 'exact' || query.freshness.want === 'not-older') {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    const { at, from } = decodeContinue(token);
    const start = `${this.layout.prefix}${from}`;
    if (at === undefined) {
      await this.#loaded({ want: 'newest' }, query.signal);
      return this.#listCache(query, this.cache.revision, start);
    }
    await this.#loaded({ want: 'not-older', than: at }, query.signal);
    if (this.cache.lastChanged <= at) return this.#listCache(query, at, start);
    return this.#listPast(query, at, start);
  }

  /** A page out of the cache, which must show the state at `at`. */
  #listCache(query: ListQuery<T>, at: Revision, from: Key | undefined): Listing<T> {
    const { namespace, selection, limit } = query;
    const items: StoredObject<T>[] = [];
    let left = 0;
    this.cache.scan(namespace, from, (item) => {
      if (left === 0 && !selection.all && !selection.matches(item.object)) return true;
      if (limit === 0 || items.length < limit) {
        items.push(item);
        return true;
      }
      left++;
      return selection.all; // counting goes on only where every object counts
    });
    return this.#listing(items, at, left, selection.all);
  }

  /** A page as of an earlier revision, out of the store. */
  async #listPast(query: ListQuery<T>, at: Revision, start: Key | undefined): Promise<Listing<T>> {
    const { namespace, selection, limit, signal } = query;
    const items: StoredObject<T>[] = [];
    let from = start;
    for (;;) {
      let page;
      try {
        page = await this.#store.list(this.layout.prefixIn(namespace), {
          at,
          signal,
          limit: selection.all && limit > 0 ? limit + 1 : pageMax,
          ...(from === undefined ? {} : { from }),
        });
      } catch (error) {
        throw this.#pastError(error, at, start);
      }
      for (const [index, entry] of page.entries.entries()) {
        const item = this.#readable(entry);
        if (item === undefined) continue;
        if (!selection.all && !selection.matches(item.object)) continue;
        if (limit > 0 && items.length === limit) {
          return this.#listing(items, at, page.count - index, selection.all);
        }
        items.push(item);
      }
      if (!page.more) return this.#listing(items, at, 0, selection.all);
      from = `${page.entries.at(-1)!.key}\0`;
    }
  }

  /** `left` objects remain, of which selectors have not looked at all. */
  #listing(items: readonly StoredObject<T>[], at: Revision, left: number, counted: boolean): Listing<T> {
    const last = items.at(-1);
    if (left === 0 || last === undefined) return { items, revision: at };
    return {
      items,
      revision: at,
      continue: encodeContinue({ at, from: `${last.key.slice(this.layout.prefix.length)}\0` }),
      ...(counted ? { remaining: left } : {}),
    };
  }

  /** Undefined for what the cache leaves out, too. */
  #readable(entry: Entry): StoredObject<T> | undefined {
    try {
      return this.layout.decode(entry);
    } catch (error) {
      if (error instanceof Unreadable) return undefined;
      throw error;
    }
  }

  #pastError(error: unknown, at: Revision, start: Key | undefined): unknown {
    if (error instanceof Future) return tooLargeVersion(at, error.current);
    if (!(error instanceof Expired)) return storeError(error);
    if (start === undefined) return expired(`The resourceVersion for the provided list is too old.`);
    return expired(
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
      encodeContinue({ at: undefined, from: start.slice(this.layout.prefix.length) }),
    );
  }

  /** This kind's events in (`after`, `upTo`], out of the store's own history. Throws Expired. */
  async #replay(after: Revision, upTo: Revision, signal: AbortSignal): Promise<readonly CacheEvent<T>[]> {
    const events: CacheEvent<T>[] = [];
    let seen = 0;
    const done = new AbortController();
    try {
      const scope = AbortSignal.any([signal, done.signal]);
      for await (const changes of this.#store.watch(registryRoot, { after, signal: scope })) {
        for (const change of changes) {
          if (change.revision > upTo) return events;
          const key = change.type === 'put' ? change.entry.key : change.key;
          if (!key.startsWith(this.layout.prefix)) continue;
          const previous = change.previous && this.#readable(change.previous);
          const current = change.type === 'put' ? this.#readable(change.entry) : undefined;
          if (previous === undefined && current === undefined) continue;
          events.push(new CacheEvent(change.revision, 0, current, previous));
        }
        seen += changes.length;
        if (seen > replayMax) throw expired(`too old resource version: ${after} (${upTo})`);
        if (changes.at(-1)!.revision >= upTo) return events;
      }
    } catch (error) {
      if (error instanceof Expired) throw expired(`too old resource version: ${after} (${error.compacted})`);
      throw storeError(error);
    } finally {
      done.abort();
    }
    signal.throwIfAborted();
    return events;
  }
}

function withVersion<T extends ApiObject>(object: T, at: Revision): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(at) } };
}
