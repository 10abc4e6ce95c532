import { abortable } from '#lib/abortable.ts';
import type { Clock } from '#lib/clock.ts';
import { expired, tooManyRequests } from '#machinery/status-error.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { revision, type Change, type Entry, type Key, type Revision, type Store } from '#store/store.ts';
import type { Layout } from '../registry/layout.ts';
import { fromStore } from '../registry/store-errors.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { CacheEvent } from './cache-event.ts';
import type { ChangeFeed, FeedListener } from './change-feed.ts';
import { EventLog, eventAgeMsMax } from './event-log.ts';
import { Interests } from './interests.ts';
import { SortedMap } from './sorted-map.ts';
import { Watcher, type WatcherOptions, type WatchSource } from './watcher.ts';

/** Objects read from the store at a time while a cache fills. */
const loadPageMax = 2_000;
/** Written objects remembered until their change comes back from the store, so that it need not be parsed. */
const writtenMax = 4_096;
/** Open watches of one kind; more are refused with 429. */
export const watchersMax = 20_000;

type State =
  | { readonly is: 'empty' }
  | { readonly is: 'loading'; readonly done: Promise<void> }
  | { readonly is: 'ready' };

/**
 * All objects of one kind as of the feed's revision, each held once, and its recent events. Fills itself when
 * first asked for and follows the feed from then on.
 */
export class KindCache<T extends ApiObject = ApiObject> implements FeedListener, WatchSource<T> {
  readonly #store: Store;
  readonly #feed: ChangeFeed;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly layout: Layout<T>;
  #state: State = { is: 'empty' };
  #isRetired = false;
  /** By namespace with a trailing slash, which is the order of the store's keys; `''` for cluster-scoped kinds. */
  #namespaces = new SortedMap<SortedMap<StoredObject<T>>>();
  #size = 0;
  #fills = 0;
  #log = new EventLog<T>(revision(0));
  #lastChanged = revision(0);
  /** Changes that came while loading. */
  #held: Change[] = [];
  readonly #written = new Map<Revision, StoredObject<T>>();
  readonly #interests: Interests<T>;

  /** What is stored of this kind and cannot be read, and why. */
  readonly #unreadable = new Map<Key, unknown>();
  readonly #onUnreadable: (key: Key, error: unknown) => void;

  constructor(options: {
    store: Store;
    feed: ChangeFeed;
    clock: Clock;
    layout: Layout<T>;
    signal: AbortSignal;
    onUnreadable?: (key: Key, error: unknown) => void;
  }) {
    this.#onUnreadable = options.onUnreadable ?? (() => undefined);
    this.#store = options.store;
    this.#feed = options.feed;
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.layout = options.layout;
    this.#interests = new Interests(options.layout.kind);
  }

  get isReady(): boolean {
    return this.#state.is === 'ready';
  }
  get size(): number {
    return this.#size;
  }
  /** How often this cache has been filled from the store: its events tell nothing about what lies between two fills. */
  get fills(): number {
    return this.#fills;
  }
  get log(): EventLog<T> {
    return this.#log;
  }
  /** The revision all of this cache is at. */
  get revision(): Revision {
    return this.#feed.revision > this.#lastChanged ? this.#feed.revision : this.#lastChanged;
  }
  /** The cache has looked the same since this revision. */
  get lastChanged(): Revision {
    return this.#lastChanged;
  }
  get watchers(): number {
    return this.#interests.all.size;
  }
  /** Keys of the objects that lists leave out because they cannot be read. */
  get unreadable(): Iterable<Key> {
    return this.#unreadable.keys();
  }

  /** Resolves once the cache holds everything. Callers share one load; a failed one is tried anew by the next. */
  async load(signal: AbortSignal): Promise<void> {
    while (this.#state.is !== 'ready') {
      this.#mustServe();
      if (this.#state.is === 'empty') this.#state = { is: 'loading', done: this.#fill() };
      await abortable(this.#state.done, signal);
    }
  }

  /** Throws InternalError for an object that cannot be read. */
  get(ref: ObjectRef): StoredObject<T> | undefined {
    if (this.#unreadable.size > 0) {
      const error = this.#unreadable.get(this.layout.key(ref));
      if (error !== undefined) throw error;
    }
    return this.#find(ref);
  }

  /**
   * Visits objects in key order, of one namespace or all, from `from` (a key) on, until `visit` returns false.
   */
  scan(namespace: string | undefined, from: Key | undefined, visit: (item: StoredObject<T>) => boolean): void {
    const start = from === undefined ? '' : from.slice(this.layout.prefix.length);
    const slash = this.layout.kind.namespaced ? start.indexOf('/') + 1 : 0;
    const startBucket = start.slice(0, slash);
    const buckets =
      namespace === undefined || !this.layout.kind.namespaced
        ? this.#namespaces.keys().slice(this.#namespaces.lowerBound(startBucket))
        : [this.#bucketOf(namespace)];
    for (const name of buckets) {
      const bucket = this.#namespaces.get(name);
      if (bucket === undefined || name < startBucket) continue;
      const keys = bucket.keys();
      for (let i = name === startBucket ? bucket.lowerBound(start.slice(slash)) : 0; i < keys.length; i++) {
        if (!visit(bucket.get(keys[i]!)!)) return;
      }
    }
  }

  /** Number of objects in a namespace, or in all. */
  count(namespace: string | undefined): number {
    if (namespace === undefined || !this.layout.kind.namespaced) return this.#size;
    return this.#namespaces.get(this.#bucketOf(namespace))?.size ?? 0;
  }

  /** Tells the cache of an object just written, parsed already. */
  wrote(item: StoredObject<T>): void {
    if (this.#state.is === 'empty') return;
    const held = this.#find({ namespace: item.namespace ?? '', name: item.name });
    if (held?.revision === item.revision) held.adopt(item.object);
    else if (held === undefined || held.revision < item.revision) {
      this.#written.set(item.revision, item);
      if (this.#written.size > writtenMax) this.#written.delete(this.#written.keys().next().value!);
    }
  }

  /** Opens a watch; the cache must be ready. Throws TooManyRequests. */
  watch(options: WatcherOptions<T>): Watcher<T> {
    this.#mustServe();
    if (this.#interests.all.size >= watchersMax) {
      throw tooManyRequests(`too many watches of ${this.layout.folder}: ${watchersMax} are open`, 1);
    }
    const watcher = new Watcher(this, options);
    this.#interests.add(watcher);
    return watcher;
  }

  forget(watcher: Watcher<T>): void {
    this.#interests.delete(watcher);
  }

  /** Regular housekeeping: bookmarks for the watchers that like them, old events dropped. */
  tick(): void {
    this.#log.trim(this.#clock.now() - eventAgeMsMax);
    for (const watcher of this.#interests.all) watcher.bookmark();
  }

  changed(changes: readonly Change[]): void {
    if (this.#state.is === 'ready') for (const change of changes) this.#apply(change);
    else if (this.#state.is === 'loading') this.#held.push(...changes);
  }

  lost(): void {
    for (const watcher of this.#interests.all) {
      watcher.end(expired('too old resource version: the history between has been compacted'));
    }
    this.#reset();
  }

  /** Ends all watches: the kind is served no more, or in another form. Those who list anew get to know. */
  retire(): void {
    this.#isRetired = true;
    for (const watcher of this.#interests.all) {
      watcher.end(expired('too old resource version: the definition of this resource has changed'));
    }
    this.#reset();
  }

  /** Once retired, it hears of no change any more, and must not take the place of the cache that does. */
  #mustServe(): void {
    if (this.#isRetired) throw tooManyRequests('the definition of this resource has just changed; try again', 1);
  }

  #reset(): void {
    this.#state = { is: 'empty' };
    this.#unreadable.clear();
    this.#namespaces = new SortedMap();
    this.#size = 0;
    this.#held = [];
    this.#written.clear();
    this.#log.clear(this.#feed.revision);
  }

  async #fill(): Promise<void> {
    // Listening starts before reading, so that nothing falls between the two.
    this.#feed.listen(this.layout.folder, this);
    const signal = this.#signal;
    try {
      let from: Key | undefined;
      let at: Revision | undefined;
      for (;;) {
        const page = await fromStore(
          this.#store.list(this.layout.prefix, {
            signal,
            limit: loadPageMax,
            ...(at === undefined ? {} : { at }),
            ...(from === undefined ? {} : { from }),
          }),
        );
        at = page.revision;
        for (const entry of page.entries) {
          const item = this.#read(entry);
          if (item !== undefined) this.#put(item);
        }
        if (!page.more) break;
        from = `${page.entries.at(-1)!.key}\0`;
      }
      this.#mustServe();
      this.#log.clear(at);
      this.#lastChanged = at;
      this.#fills++;
      this.#state = { is: 'ready' };
      const held = this.#held;
      this.#held = [];
      for (const change of held) if (change.revision > at) this.#apply(change);
    } catch (error) {
      this.#reset();
      throw error;
    }
  }

  #apply(change: Change): void {
    if (change.revision < this.#lastChanged) return;
    let current: StoredObject<T> | undefined;
    let previous: StoredObject<T> | undefined;
    if (change.type === 'put') {
      const written = this.#written.get(change.revision);
      if (written?.key === change.entry.key) {
        current = written;
        this.#written.delete(change.revision);
        this.#unreadable.delete(change.entry.key);
      } else current = this.#read(change.entry);
      previous = current === undefined ? this.#remove(change.entry.key) : this.#put(current);
      if (current === undefined && previous === undefined) return;
    } else {
      this.#unreadable.delete(change.key);
      previous = this.#remove(change.key);
      if (previous === undefined) return;
    }
    this.#lastChanged = change.revision;
    const event = new CacheEvent(change.revision, this.#clock.now(), current, previous);
    const position = this.#log.end;
    this.#log.append(event);
    this.#interests.wake(event, position);
  }

  /** Undefined for what cannot be read: to those who list and watch it is not there, and whoever gets it is told why. */
  #read(entry: Entry): StoredObject<T> | undefined {
    const { key } = entry;
    try {
      const item = this.layout.decode(entry);
      this.#unreadable.delete(key);
      return item;
    } catch (error) {
      this.#unreadable.set(key, error);
      this.#onUnreadable(key, error);
      return undefined;
    }
  }

  #put(item: StoredObject<T>): StoredObject<T> | undefined {
    const bucketName = this.#bucketOf(item.namespace);
    let bucket = this.#namespaces.get(bucketName);
    if (bucket === undefined) this.#namespaces.set(bucketName, (bucket = new SortedMap()));
    const { name } = item;
    const previous = bucket.get(name);
    bucket.set(name, item);
    if (previous === undefined) this.#size++;
    return previous;
  }

  #remove(key: Key): StoredObject<T> | undefined {
    const rest = key.slice(this.layout.prefix.length);
    const slash = this.layout.kind.namespaced ? rest.indexOf('/') + 1 : 0;
    const bucketName = rest.slice(0, slash);
    const bucket = this.#namespaces.get(bucketName);
    const previous = bucket?.get(rest.slice(slash));
    if (bucket === undefined || previous === undefined) return undefined;
    bucket.delete(rest.slice(slash));
    if (bucket.size === 0) this.#namespaces.delete(bucketName);
    this.#size--;
    return previous;
  }

  #find({ namespace, name }: ObjectRef): StoredObject<T> | undefined {
    return this.#namespaces.get(this.#bucketOf(namespace))?.get(name);
  }

  #bucketOf(namespace: string | undefined): string {
    return this.layout.kind.namespaced ? `${namespace ?? ''}/` : '';
  }
}
