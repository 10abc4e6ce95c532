import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import type { Selector } from '#machinery/labels.ts';

/** A local, always slightly stale copy of all objects of some kinds, kept by watches (`client/informer.ts`). */
export interface CacheReader {
  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef | string): T | undefined;
  /** Objects of a namespace (all, if absent) in no particular order. */
  list<T extends ApiObject>(kind: Kind<T>, options?: { namespace?: string; selector?: Selector }): readonly T[];
  /** Objects of `kind` whose controlling owner is `owner` (by uid). */
  ownedBy<T extends ApiObject>(kind: Kind<T>, owner: ApiObject): readonly T[];
  /** Objects under an index that was registered by name (`informers.index()`). */
  byIndex<T extends ApiObject>(kind: Kind<T>, index: string, value: string): readonly T[];
}

/** What happened to one cached object. `previous` is absent on ADDED. */
export interface CacheEvent<T extends ApiObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: T;
  readonly previous?: T;
}

/**
 * Shared caches: one list-and-watch a kind however many ask for it. Handlers run synchronously in event order
 * and must be quick (put a key into a queue).
 */
export interface Informers extends CacheReader {
  /** Starts to hold `kind` (idempotent) and calls `handler` for what is there and every later change. */
  on<T extends ApiObject>(kind: Kind<T>, handler: (event: CacheEvent<T>) => void): Disposable;
  /**
   * Ends the watch of `kind`, of which nothing is known from then on. For kinds that the API has ceased to serve, or
   * serves in another form now; so handlers are told nothing: the objects may still be there.
   */
  forget(kind: Kind): void;
  /** Starts to hold `kinds` without a handler. */
  hold(...kinds: readonly Kind[]): void;
  /** Adds an index; values are recomputed on every change of an object. Must come before the kind is first held, or is built then. */
  index<T extends ApiObject>(kind: Kind<T>, name: string, values: (object: T) => readonly string[]): void;
  /** Resolves once every held kind has been listed completely. */
  synced(signal: AbortSignal): Promise<void>;
  /** Runs all watches until `signal` aborts; reconnects with back-off and relists on `Expired`. */
  run(signal: AbortSignal): Promise<void>;
}
