import type { CacheReader, Informers } from '#client/cache.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Kind } from '#machinery/kind.ts';
import type { Selector } from '#machinery/labels.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import type { ReconcileContext } from './controller.ts';
import { controllerOf, controllerReference } from './owner-reference.ts';

/** What belongs to an owner, and what has to be written to make it so. */
export interface Claims<T> {
  /** Owned and selected; after `apply`, the adopted ones too. */
  readonly mine: readonly T[];
  /** Selected, and nobody's. */
  readonly adopt: readonly T[];
  /** Owned, but no longer selected. */
  readonly release: readonly T[];
}

/**
 * Sorts `candidates` for `owner`: it keeps what it controls and selects, lets go of what it no longer selects, and
 * adopts what it selects and nobody controls. An owner that is being deleted changes nothing.
 */
export function planClaims<T extends ApiObject>(
  owner: ApiObject,
  selector: Selector,
  candidates: readonly T[],
): Claims<T> {
  const mine: T[] = [];
  const adopt: T[] = [];
  const release: T[] = [];
  const ownerDeleting = owner.metadata?.deletionTimestamp !== undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    const matches = selector.matches(object.metadata?.labels);
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata?.uid) continue;
      if (matches) mine.push(object);
      else if (!ownerDeleting) release.push(object);
    } else if (matches && !ownerDeleting && object.metadata?.deletionTimestamp === undefined) {
      adopt.push(object);
    }
  }
  return { mine, adopt, release };
}

const orphans = 'orphan';

/** Lets `claim()` find the objects of `kind` that nobody controls. */
export function indexOrphans<T extends ApiObject>(informers: Informers, kind: Kind<T>): void {
  informers.index(kind, orphans, (object) =>
    controllerOf(object) === undefined ? [object.metadata?.namespace ?? ''] : [],
  );
}

/** What `owner` might have a claim on: what it controls, and what nobody in its namespace controls. */
export function candidatesFor<T extends ApiObject>(cache: CacheReader, kind: Kind<T>, owner: ApiObject): readonly T[] {
  return [...cache.ownedBy(kind, owner), ...cache.byIndex(kind, orphans, owner.metadata?.namespace ?? '')];
}

/** Plans and applies the claims of `owner`; returns what it then owns. `kind` needs `indexOrphans()`. */
export async function claim<T extends ApiObject, O extends ApiObject>(
  { cache, client, signal, log }: ReconcileContext,
  kind: Kind<T>,
  { owner, ownerKind, selector }: { owner: O; ownerKind: Kind<O>; selector: Selector },
): Promise<readonly T[]> {
  const { mine, adopt, release } = planClaims(owner, selector, candidatesFor(cache, kind, owner));
  const owned = [...mine];
  if (adopt.length > 0) {
    // The cache may be old: an owner that was deleted and made anew must not adopt under its former uid.
    const live = await client.get(ownerKind, refOfObject(owner), { signal });
    if (live.metadata?.uid !== owner.metadata?.uid || live.metadata?.deletionTimestamp !== undefined) return owned;
  }
  const reference = adopt.length > 0 ? controllerReference(ownerKind, owner) : undefined;
  for (const object of adopt) {
    const ownerReferences = [...(object.metadata?.ownerReferences ?? []), reference];
    const adopted = await writeOwners({ client, signal }, kind, object, ownerReferences);
    if (adopted !== undefined) owned.push(adopted);
  }
  for (const object of release) {
    const ownerReferences = object.metadata?.ownerReferences?.filter(({ uid }) => uid !== owner.metadata?.uid) ?? [];
    log.info('released', { kind: kind.kind, object: object.metadata?.name });
    await writeOwners({ client, signal }, kind, object, ownerReferences);
  }
  return owned;
}

/** Replaces an object's owners, if it is still what the plan saw; undefined if it is gone. */
async function writeOwners<T extends ApiObject>(
  { client, signal }: Pick<ReconcileContext, 'client' | 'signal'>,
  kind: Kind<T>,
  object: T,
  ownerReferences: readonly unknown[],
): Promise<T | undefined> {
  const { uid, resourceVersion } = object.metadata ?? {};
  const patch = { metadata: { uid, resourceVersion, ownerReferences } };
  try {
    return await client.patch(kind, refOfObject(object), { type: 'merge', patch }, { signal });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

export function refOfObject(object: ApiObject): ObjectRef {
  const { name = '', namespace } = object.metadata ?? {};
  return namespace === undefined ? { name } : { name, namespace };
}
