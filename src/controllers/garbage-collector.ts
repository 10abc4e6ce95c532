import type { CacheEvent, CacheReader } from '#client/cache.ts';
import type { KindSource } from '#client/kind-source.ts';
import { BoundedSet } from '#lib/bounded-set.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, OwnerReference } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { refOfObject } from './claims.ts';
import type { Controller, ReconcileContext } from './controller.ts';
import { followKinds } from './follow-kinds.ts';
import {
  foregroundFinalizer,
  hasFinalizer,
  isDeleting,
  isInGraph,
  isOfInterest,
  type Item,
  judge,
  orphanFinalizer,
  OwnerGraph,
  type OwnerState,
  waitsForDependents,
} from './owner-graph.ts';

const workersMax = 20;
const patchesAtOnceMax = 8;
/** Owners that are known to be gone; the dependents of a large one need not each ask. */
const absentOwnersMax = 500;
/** References that were complained of once, which is enough. */
const complaintsMax = 500;

/** What the collector remembers beside the cache. */
interface Memory {
  readonly source: KindSource;
  readonly graph: OwnerGraph;
  /** Uids. */
  readonly absent: BoundedSet;
  readonly complained: BoundedSet;
}

/**
 * Deletes what only had owners that are gone, and carries out the two deletions that concern dependents: foreground
 * (they go first) and orphan (they stay). Before anything is deleted, absence is checked at the source, as caches of
 * different kinds are never of the same age. `source` has all kinds that the API serves.
 */
export function garbageCollector(source: KindSource): Controller {
  const graph = new OwnerGraph();
  const memory: Memory = {
    source,
    graph,
    absent: new BoundedSet(absentOwnersMax),
    complained: new BoundedSet(complaintsMax),
  };
  return {
    name: 'garbage-collector',
    workersMax,
    wakesOn: [],
    follow: (informers, wake) =>
      followKinds(source, informers, {
        wants: isInGraph,
        starts: (kind) => graph.add(kind, informers),
        handles(kind, event) {
          // A uid never comes back. Seen so, its absence is also known when its kind is served no more.
          const { uid } = event.object.metadata ?? {};
          const keys = wokenBy(graph, kind, event, informers);
          if (event.type === 'DELETED' && uid !== undefined && keys.length > 0) memory.absent.add(uid);
          wake(keys);
        },
        ended: (kind) => graph.delete(kind),
      }),
    keys: (cache) => graph.allKeys(cache),
    async reconcile(key, context) {
      const item = graph.find(key, context.cache);
      if (item === undefined) return;
      if (!isDeleting(item.object)) await collect(item, memory, context);
      else if (hasFinalizer(item.object, orphanFinalizer)) await orphan(item, graph, context);
      else if (hasFinalizer(item.object, foregroundFinalizer)) await releaseOnceAlone(item, graph, context);
    },
  };
}

/** Which items an event may concern: most changes, such as a pod's status, none. */
function wokenBy(graph: OwnerGraph, kind: Kind, event: CacheEvent<ApiObject>, cache: CacheReader): readonly string[] {
  const { type, object, previous } = event;
  const dependents = () => [...graph.dependentsOf(object, cache)].map((each) => graph.keyOf(each.kind, each.object));
  // An owner may be waiting for this object to be gone, or to let go of it.
  if (type === 'DELETED') return [...dependents(), ...graph.ownerKeys(object)];
  const facts = ({ metadata }: ApiObject) =>
    JSON.stringify([metadata?.ownerReferences, metadata?.deletionTimestamp !== undefined, metadata?.finalizers]);
  if (previous !== undefined && facts(previous) === facts(object)) return [];
  const keys = isOfInterest(object) ? [graph.keyOf(kind, object)] : [];
  if (waitsForDependents(object)) keys.push(...dependents());
  if (previous !== undefined) keys.push(...graph.ownerKeys(previous));
  return keys;
}

/** Deletes an object without living owners; drops its references to dead ones if it has living ones. */
async function collect({ kind, object }: Item, memory: Memory, context: ReconcileContext): Promise<void> {
  const { cache, client, log, signal } = context;
  const { graph } = memory;
  const cached = await statesOf(kind, object, memory, context);
  if (judge(cached).do === 'keep') return;
  // The decision counts for the object as it is, not as the cache remembers it.
  const live = await getOrUndefined(kind, object, context);
  if (live === undefined || live.metadata?.uid !== object.metadata?.uid || isDeleting(live)) return;
  const verdict = judge(await statesOf(kind, live, memory, context));
  if (verdict.do === 'keep') return;
  if (verdict.do === 'disown') return await writeOwners(kind, live, verdict.references, context);

  const dependents = [...graph.dependentsOf(live, cache)];
  const foreground = verdict.because === 'waiting' && dependents.length > 0;
  if (foreground && dependents.some((each) => waitsForDependents(each.object))) {
    // Owners in a circle would each wait for the next: this one lets its owners go ahead.
    const references = live.metadata?.ownerReferences ?? [];
    const unblocked = references.map((each) => ({ ...each, blockOwnerDeletion: false }));
    await writeOwners(kind, live, unblocked, context);
  }
  const { uid = '' } = live.metadata ?? {};
  log.debug('collecting', { kind: kind.kind, because: verdict.because });
  try {
    await client.delete(kind, refOfObject(live), {
      signal,
      propagationPolicy: policyFor(live, foreground),
      preconditions: { uid },
    });
  } catch (error) {
    if (!hasReason(error, 'NotFound', 'Conflict')) throw error; // gone, or another object of that name by now
  }
}

/** An object that once asked for a policy of its own, by a finalizer, gets that. */
function policyFor(object: ApiObject, foreground: boolean): 'Foreground' | 'Orphan' | 'Background' {
  if (foreground) return 'Foreground';
  if (hasFinalizer(object, orphanFinalizer)) return 'Orphan';
  return hasFinalizer(object, foregroundFinalizer) ? 'Foreground' : 'Background';
}

async function statesOf(
  kind: Kind,
  object: ApiObject,
  memory: Memory,
  context: ReconcileContext,
): Promise<readonly (readonly [OwnerReference, OwnerState])[]> {
  const states: (readonly [OwnerReference, OwnerState])[] = [];
  for (const reference of object.metadata?.ownerReferences ?? []) {
    states.push([reference, await stateOf(reference, { kind, object }, memory, context)]);
  }
  return states;
}

async function stateOf(
  reference: OwnerReference,
  dependent: Item,
  memory: Memory,
  context: ReconcileContext,
): Promise<OwnerState> {
  const { source, graph, absent } = memory;
  const followed = graph.kindOf(reference);
  const kind = followed ?? servedKind(source, reference);
  // What belongs to the whole cluster cannot hang on something in one of its namespaces: such a reference is void,
  // and deleting for it would be worse than keeping.
  const isVoid = kind?.namespaced === true && dependent.object.metadata?.namespace === undefined;
  if (isVoid) {
    complain(reference, dependent, memory, context);
    return 'unknown';
  }
  const here = `${reference.uid} ${dependent.object.metadata?.namespace ?? ''}`;
  if (absent.has(reference.uid) || absent.has(here)) return 'absent';
  if (kind === undefined) return 'unknown';
  const ref = graph.ownerRef(kind, reference, dependent.object);
  const cached = followed === undefined ? undefined : context.cache.get(followed, ref);
  const isCached = cached?.metadata?.uid === reference.uid;
  const owner = isCached ? cached : await getOrUndefined(kind, { metadata: ref }, context);
  if (owner === undefined || owner.metadata?.uid !== reference.uid) {
    if (followed?.namespaced === true && livesElsewhere(followed, reference, dependent, context)) {
      complain(reference, dependent, memory, context);
      absent.add(here);
    } else {
      absent.add(reference.uid);
    }
    return 'absent';
  }
  return waitsForDependents(owner) ? 'waiting' : 'present';
}

/** A kind whose objects need not be followed, as there are none; an owner of it must be asked for all the same. */
function servedKind(source: KindSource, { apiVersion, kind }: OwnerReference): Kind | undefined {
  const slash = apiVersion.indexOf('/');
  return source.find?.(slash < 0 ? '' : apiVersion.slice(0, slash), kind);
}

/** True if the owner is there, but not where this dependent can have it. */
function livesElsewhere(
  kind: Kind,
  { uid, name }: OwnerReference,
  { object }: Item,
  { cache }: ReconcileContext,
): boolean {
  const { namespace } = object.metadata ?? {};
  return cache
    .list(kind)
    .some(({ metadata }) => metadata?.uid === uid && (metadata.namespace !== namespace || metadata.name !== name));
}

/** Tells of a reference to an owner in another namespace. Source: kubernetes pkg/controller/garbagecollector (graph_builder.go). */
function complain(
  { apiVersion, kind, name, uid }: OwnerReference,
  { kind: ownKind, object }: Item,
  { complained }: Memory,
  { events }: ReconcileContext,
): void {
  const { namespace = '', uid: own = '' } = object.metadata ?? {};
  if (complained.has(`${own} ${uid}`)) return;
  complained.add(`${own} ${uid}`);
  const reference = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
  events.record(
    { apiVersion: apiVersionOf(ownKind), kind: ownKind.kind, ...object },
    {
      type: 'Warning',
      reason: 'OwnerRefInvalidNamespace',
      message: `ownerRef ${reference} does not exist in namespace "${namespace}"`,
    },
  );
}

/**
 * Frees all dependents of an object that is deleted without them, and then lets it go. They are looked for at the
 * source as well: one that the cache has yet to see would be taken for garbage as soon as the owner is gone.
 */
async function orphan({ kind, object }: Item, graph: OwnerGraph, context: ReconcileContext): Promise<void> {
  const { client, cache, signal } = context;
  const { uid, namespace } = object.metadata ?? {};
  const free = async (dependents: Iterable<Item>) =>
    await forEachLimit(dependents, patchesAtOnceMax, async (dependent) => {
      const owners = dependent.object.metadata?.ownerReferences ?? [];
      const others = owners.filter((each) => each.uid !== uid);
      if (others.length < owners.length) await writeOwners(dependent.kind, dependent.object, others, context);
    });
  await free(graph.dependentsOf(object, cache));
  for (const each of graph.kinds) {
    if (kind.namespaced && !each.namespaced) continue;
    const { items } = await client.list(each, {
      ...(kind.namespaced && namespace !== undefined ? { namespace } : {}),
      signal,
    });
    const left = items.filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid) === true);
    await free(left.map((dependent) => ({ kind: each, object: dependent })));
  }
  await dropFinalizer(kind, object, orphanFinalizer, context);
}

/** Lets an object go once none of the dependents is left that it has to wait for. */
async function releaseOnceAlone({ kind, object }: Item, graph: OwnerGraph, context: ReconcileContext): Promise<void> {
  for (const dependent of graph.dependentsOf(object, context.cache)) {
    const references = dependent.object.metadata?.ownerReferences ?? [];
    const { uid } = object.metadata ?? {};
    if (dependent.object.metadata?.uid === uid) continue; // what owns itself would wait for itself
    if (references.some((each) => each.uid === uid && each.blockOwnerDeletion === true)) return; // its event will wake us
  }
  await dropFinalizer(kind, object, foregroundFinalizer, context);
}

async function dropFinalizer(
  kind: Kind,
  object: ApiObject,
  finalizer: string,
  context: ReconcileContext,
): Promise<void> {
  const finalizers = object.metadata?.finalizers?.filter((each) => each !== finalizer) ?? [];
  await patchMetadata(kind, object, { finalizers }, context);
}

async function writeOwners(
  kind: Kind,
  object: ApiObject,
  ownerReferences: readonly OwnerReference[],
  context: ReconcileContext,
): Promise<void> {
  await patchMetadata(kind, object, { ownerReferences }, context);
}

/** Changes metadata of an object that is still what was looked at. Conflicts are for the next try. */
async function patchMetadata(
  kind: Kind,
  object: ApiObject,
  change: object,
  { client, signal }: ReconcileContext,
): Promise<void> {
  const { uid, resourceVersion } = object.metadata ?? {};
  const patch = { metadata: { uid, resourceVersion, ...change } };
  try {
    await client.patch(kind, refOfObject(object), { type: 'merge', patch }, { signal });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}

async function getOrUndefined(
  kind: Kind,
  object: ApiObject,
  { client, signal }: ReconcileContext,
): Promise<ApiObject | undefined> {
  try {
    return await client.get(kind, refOfObject(object), { signal });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}
