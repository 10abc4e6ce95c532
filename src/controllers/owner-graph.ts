import type { CacheReader, Informers } from '#client/cache.ts';
import { keyOfObject } from '#client/object-index.ts';
import { allVerbs, type Kind } from '#machinery/kind.ts';
import { type ApiObject, keyOf, type ObjectRef, type OwnerReference, refOf } from '#machinery/object.ts';

const byOwner = 'owner';
export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';

/** An object and what it is. */
export interface Item {
  readonly kind: Kind;
  readonly object: ApiObject;
}

/**
 * True for kinds whose objects may own and be owned: they can be watched and deleted. Events own nothing and are owned
 * by none.
 */
export function isInGraph({ kind, verbs = allVerbs }: Kind): boolean {
  return kind !== 'Event' && ['list', 'watch', 'delete'].every((verb) => verbs.includes(verb));
}

/** Who owns whom, across all kinds, read from the cache. Items are named by keys of the form `pods:ns/name`. */
export class OwnerGraph {
  readonly #byName = new Map<string, Kind>();
  readonly #byGroupKind = new Map<string, Kind>();

  get kinds(): Iterable<Kind> {
    return this.#byName.values();
  }

  /** Before the first object of the kind. */
  add(kind: Kind, informers: Informers): void {
    this.#byName.set(nameOf(kind), kind);
    this.#byGroupKind.set(`${kind.group}/${kind.kind}`, kind);
    informers.index(kind, byOwner, ({ metadata }) => (metadata?.ownerReferences ?? []).map(({ uid }) => uid));
  }

  /** Once the cache holds the kind no more. */
  delete(kind: Kind): void {
    if (this.#byName.get(nameOf(kind)) === kind) this.#byName.delete(nameOf(kind));
    const groupKind = `${kind.group}/${kind.kind}`;
    if (this.#byGroupKind.get(groupKind) === kind) this.#byGroupKind.delete(groupKind);
  }

  keyOf(kind: Kind, object: ApiObject): string {
    return `${nameOf(kind)}:${keyOfObject(object)}`;
  }

  find(key: string, cache: CacheReader): Item | undefined {
    const colon = key.indexOf(':');
    const kind = this.#byName.get(key.slice(0, colon));
    const object = kind === undefined ? undefined : cache.get(kind, refOf(key.slice(colon + 1)));
    return kind === undefined || object === undefined ? undefined : { kind, object };
  }

  /** The kind a reference speaks of, whatever its version; undefined if it is none of ours. */
  kindOf({ apiVersion, kind }: OwnerReference): Kind | undefined {
    const slash = apiVersion.indexOf('/');
    return this.#byGroupKind.get(`${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`);
  }

  /** Where the owner must be: in the dependent's namespace, or in none. */
  ownerRef(owner: Kind, reference: OwnerReference, dependent: ApiObject): ObjectRef {
    const namespace = owner.namespaced ? dependent.metadata?.namespace : undefined;
    return { name: reference.name, ...(namespace === undefined ? {} : { namespace }) };
  }

  ownerKeys(dependent: ApiObject): readonly string[] {
    return (dependent.metadata?.ownerReferences ?? []).flatMap((reference) => {
      const kind = this.kindOf(reference);
      return kind === undefined ? [] : [`${nameOf(kind)}:${keyOf(this.ownerRef(kind, reference, dependent))}`];
    });
  }

  /** All that names `owner` as an owner, by uid. */
  *dependentsOf(owner: ApiObject, cache: CacheReader): Iterable<Item> {
    const uid = owner.metadata?.uid;
    if (uid === undefined) return;
    for (const kind of this.kinds) for (const object of cache.byIndex(kind, byOwner, uid)) yield { kind, object };
  }

  *allKeys(cache: CacheReader): Iterable<string> {
    for (const kind of this.kinds) {
      for (const object of cache.list(kind)) if (isOfInterest(object)) yield this.keyOf(kind, object);
    }
  }
}

const nameOf = ({ group, plural }: Pick<Kind, 'group' | 'plural'>) => (group === '' ? plural : `${plural}.${group}`);

export const isDeleting = ({ metadata }: ApiObject): boolean => metadata?.deletionTimestamp !== undefined;
export const hasFinalizer = ({ metadata }: ApiObject, finalizer: string): boolean =>
  metadata?.finalizers?.includes(finalizer) ?? false;
/** Being deleted, and gone only once its dependents are. */
export const waitsForDependents = (object: ApiObject): boolean =>
  isDeleting(object) && hasFinalizer(object, foregroundFinalizer);

/** True if the collector may have something to do about it. */
export function isOfInterest(object: ApiObject): boolean {
  if (isDeleting(object)) return hasFinalizer(object, orphanFinalizer) || hasFinalizer(object, foregroundFinalizer);
  return (object.metadata?.ownerReferences ?? []).length > 0;
}

/** How an owner stands, seen from a dependent. `unknown`: of a kind that is not ours to judge. */
export type OwnerState = 'present' | 'waiting' | 'absent' | 'unknown';

/** What to do with an object that has owners, given how they stand. */
export type Verdict =
  | { readonly do: 'keep' }
  | { readonly do: 'disown'; readonly references: readonly OwnerReference[] }
  | { readonly do: 'delete'; readonly because: 'absent' | 'waiting' };

/**
 * An object lives as long as one owner does. References to owners that are gone, or wait only for it to let go of
 * them, are then dropped. Without any, it goes too.
 */
export function judge(owners: readonly (readonly [OwnerReference, OwnerState])[]): Verdict {
  if (owners.length === 0) return { do: 'keep' };
  const kept = owners.filter(([, state]) => state === 'present' || state === 'unknown');
  if (kept.length === owners.length) return { do: 'keep' };
  if (kept.length > 0) return { do: 'disown', references: kept.map(([reference]) => reference) };
  return { do: 'delete', because: owners.some(([, state]) => state === 'waiting') ? 'waiting' : 'absent' };
}
