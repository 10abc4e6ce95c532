/**
 * The one revisioned store behind the API. It has etcd's semantics (revisions, compare-and-commit, consistent
 * paged lists at a revision, gap-free watches from a revision, compaction) and holds opaque bytes.
 */
declare const brand: unique symbol;

/** The store's one counter: every commit raises it by one, and it never goes back. 0 is the empty store. */
export type Revision = bigint & { readonly [brand]: 'Revision' };

export const revision = (value: bigint | number | string): Revision => BigInt(value) as Revision;

/** A `/`-separated path, e.g. `/registry/pods/default/web-1`. Compared as UTF-8 bytes. */
export type Key = string;

export interface Entry {
  readonly key: Key;
  readonly value: Uint8Array;
  /** The revision that created this key (anew, after a deletion). */
  readonly created: Revision;
  /** The revision that last wrote this key. */
  readonly modified: Revision;
  /** Why `value` is not what was committed (changed on disk, sealed with a lost key); undefined for all that is well. */
  readonly unreadable?: string | undefined;
}

/**
 * One write of a commit. `expect` guards it: a revision means "still last modified then", `'absent'` means "no
 * such key now"; without it the write is unconditional. At most one write a key in a commit.
 */
export type Write =
  | { readonly do: 'put'; readonly key: Key; readonly value: Uint8Array; readonly expect?: Revision | 'absent' }
  | { readonly do: 'delete'; readonly key: Key; readonly expect?: Revision };

export type Change =
  | { readonly type: 'put'; readonly revision: Revision; readonly entry: Entry; readonly previous?: Entry }
  | { readonly type: 'delete'; readonly revision: Revision; readonly key: Key; readonly previous: Entry };

export interface Page {
  /** Ordered by key. */
  readonly entries: readonly Entry[];
  /** The revision the page is consistent with. */
  readonly revision: Revision;
  /** True if keys remain after the last entry of this page. */
  readonly more: boolean;
  /** Number of keys under the prefix at that revision, from `from` on, this page included. */
  readonly count: number;
}

/** What every call takes: a signal that ends its waiting. A commit that was already sent may still take effect. */
export interface CallOptions {
  readonly signal: AbortSignal;
}

/** A guard of a commit did not hold: nothing was written. */
export class Conflict extends Error {
  readonly key: Key;
  /** What the key holds now; undefined if it is absent. */
  readonly current: Entry | undefined;
  constructor(key: Key, current: Entry | undefined) {
    super(`Conflict on ${key}: ${current === undefined ? 'absent' : `modified at revision ${current.modified}`}`);
    this.name = 'Conflict';
    this.key = key;
    this.current = current;
  }
}

/** The revision asked for has been compacted away. */
export class Expired extends Error {
  readonly compacted: Revision;
  constructor(at: Revision, compacted: Revision) {
    super(`Revision ${at} has been compacted; the oldest kept is ${compacted}`);
    this.name = 'Expired';
    this.compacted = compacted;
  }
}

/** The revision asked for lies in the future. */
export class Future extends Error {
  readonly current: Revision;
  constructor(at: Revision, current: Revision) {
    super(`Revision ${at} is later than the store's ${current}`);
    this.name = 'Future';
    this.current = current;
  }
}

/** The store cannot serve now: disk full, engine unreachable, closed. Nothing of the call was acknowledged. */
export class StoreUnavailable extends Error {
  readonly reason: 'disk-full' | 'unreachable' | 'closed' | 'failed';
  constructor(reason: StoreUnavailable['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StoreUnavailable';
    this.reason = reason;
  }
}

/** A linearizable space of opaque values. Every implementation passes `store/contract.ts`. */
export interface Store extends AsyncDisposable {
  /** The newest entry of `key`, or undefined. */
  get(key: Key, options: CallOptions): Promise<Entry | undefined>;
  /**
   * One consistent page of the keys that start with `prefix`, at the newest revision unless `at` is given, from
   * the key `from` (inclusive) on. Throws `Expired` once `at` is compacted and `Future` if it is not reached.
   */
  list(prefix: Key, options: CallOptions & { at?: Revision; from?: Key; limit?: number }): Promise<Page>;
  /**
   * All writes or none, as one revision; resolves once it is durable. Deleting an absent key without a guard
   * writes nothing and does not raise the revision. Throws `Conflict`, naming the first guard that failed.
   */
  commit(writes: readonly Write[], options: CallOptions): Promise<Revision>;
  /**
   * Every change later than `after` to keys under `prefix`, in order and without gaps, until `signal` aborts
   * (then it ends without error). Batches are arrays so that a burst costs one turn; an empty batch never comes.
   * Throws `Expired`, never skips. A change is delivered only once it is durable.
   */
  watch(prefix: Key, options: CallOptions & { after: Revision }): AsyncIterable<readonly Change[]>;
  /** The newest durable revision. */
  current(options: CallOptions): Promise<Revision>;
  /**
   * Forgets history older than `at`: lists and watches from before throw `Expired`, at once. Resolves when the space is
   * free; other calls go on meanwhile.
   */
  compact(at: Revision, options: CallOptions): Promise<void>;
}
