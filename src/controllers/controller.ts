import type { CacheEvent, CacheReader, Informers } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import { keyOfObject } from '#client/object-index.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { WorkResult } from '#lib/work-queue.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import { type ApiObject, keyOf } from '#machinery/object.ts';

/** What a reconciler may touch. */
export interface ReconcileContext {
  /** Has seen every write that this controller made for the key before. */
  readonly cache: CacheReader;
  readonly client: Client;
  readonly clock: Clock;
  /** Carries controller and key. */
  readonly log: Log;
  /** Aborts when the controller stops or this pass takes too long. */
  readonly signal: AbortSignal;
  readonly events: Events;
}

/**
 * A reconciler: a key comes in, never an event; all state it needs is read from the cache, one plan is made and
 * applied. It may run again at any moment, and is tried again with back-off when it throws. Never two at a time on
 * one key.
 */
export interface Controller {
  /** Kebab-case; names queue, log lines and metrics. */
  readonly name: string;
  /** Its keys are the objects of this kind. Changes of them wake it. */
  readonly reconciles?: Kind;
  /** What else wakes it. */
  readonly wakesOn: readonly Wake[];
  /** Wakes it by what cannot be listed beforehand, such as objects of kinds that come and go (`follow-kinds.ts`). */
  readonly follow?: (informers: Informers, wake: (keys: Iterable<string>) => void) => Disposable;
  /** Kinds it reads without being woken by them. */
  readonly reads?: readonly Kind[];
  /** Registers the indexes it reads by. */
  readonly index?: (informers: Informers) => void;
  /** Keys reconciled at the same time; a few unless given. */
  readonly workersMax?: number;
  /**
   * The least time between two passes over one key. The first is at once; what comes soon after is gathered, so that
   * an object with thousands of dependents is not looked at for each of them.
   */
  readonly spacingMs?: number;
  /** All keys, for the full pass; the keys of `reconciles` unless given. */
  readonly keys?: (cache: CacheReader) => Iterable<string>;
  reconcile(key: string, context: ReconcileContext): Promise<WorkResult>;
}

/** Turns an event of some kind into the keys of those who care. */
export interface Wake {
  readonly kind: Kind;
  keysOf(event: CacheEvent<ApiObject>, cache: CacheReader): Iterable<string>;
}

/** Wakes the keys that `keysOf` derives from each event of `kind`. */
export function wakesOn<T extends ApiObject>(
  kind: Kind<T>,
  keysOf: (event: CacheEvent<T>, cache: CacheReader) => Iterable<string>,
): Wake {
  return { kind: kind, keysOf: keysOf as Wake['keysOf'] };
}

/** Wakes the object of kind `owner` that controls a changed object of `kind`, and the one that did before. */
export function ownersOf<T extends ApiObject>(kind: Kind<T>, owner: Kind): Wake {
  return wakesOn(kind, ({ object, previous }) => {
    const keys = new Set<string>();
    for (const each of [object, previous]) {
      const key = each === undefined ? undefined : controllerKeyOf(each, owner);
      if (key !== undefined) keys.add(key);
    }
    return keys;
  });
}

/** The key of the object of kind `owner` that controls `object`, if one does. */
export function controllerKeyOf(object: ApiObject, owner: Kind): string | undefined {
  for (const reference of object.metadata?.ownerReferences ?? []) {
    if (reference.controller !== true) continue;
    if (reference.kind !== owner.kind || reference.apiVersion !== apiVersionOf(owner)) return undefined;
    const namespace = owner.namespaced ? object.metadata?.namespace : undefined;
    return keyOf({ name: reference.name, ...(namespace === undefined ? {} : { namespace }) });
  }
  return undefined;
}

/** The keys of every object of `kind`. */
export function* keysOfKind<T extends ApiObject>(cache: CacheReader, kind: Kind<T>): Iterable<string> {
  for (const object of cache.list(kind)) yield keyOfObject(object);
}
