import { isDeepStrictEqual } from 'node:util';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectMeta, ObjectRef } from '#machinery/object.ts';
import { badRequest, conflict, modifiedConflict } from '#machinery/status-error.ts';

/** RFC 3339 in whole seconds, as every timestamp of metadata. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/**
 * The namespace a body names must be the one of the request; what lives in none loses it. Throws BadRequest.
 * Source: k8s.io/apiserver/pkg/registry/rest/meta.go (EnsureObjectNamespaceMatchesRequestNamespace).
 */
export function inNamespace<T extends ApiObject>(kind: Kind<T>, object: T, namespace: string | undefined): T {
  const own = object.metadata?.namespace ?? '';
  if (!kind.namespaced) {
    if (own === '') return object;
    const { namespace: _none, ...metadata } = object.metadata ?? {};
    return { ...object, metadata };
  }
  if (own === namespace) return object;
  if (own !== '') {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  return { ...object, metadata: { ...object.metadata, namespace: namespace ?? '' } };
}

/** The name in a body must be the one in the URL, or absent. Throws BadRequest. */
export function named<T extends ApiObject>(object: T, name: string): T {
  const own = object.metadata?.name ?? '';
  if (own === name) return object;
  if (own !== '') {
    throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`);
  }
  return { ...object, metadata: { ...object.metadata, name } };
}

/** The metadata a new object starts its life with: what only the server sets is set, what it must not have is cleared. */
export function stampNew<T extends ApiObject>(
  kind: Kind<T>,
  object: T,
  { name, namespace }: ObjectRef,
  { now, uid }: { now: number; uid: string },
): T {
  const {
    resourceVersion: _version,
    selfLink: _link,
    deletionTimestamp: _deletion,
    deletionGracePeriodSeconds: _grace,
    generation: _generation,
    name: _name,
    namespace: _namespace,
    ...rest
  } = object.metadata ?? {};
  const metadata: ObjectMeta = {
    name,
    ...(kind.namespaced && namespace !== undefined ? { namespace } : {}),
    ...rest,
    uid,
    creationTimestamp: timestamp(now),
    ...(kind.hasGeneration === true ? { generation: 1 } : {}),
  };
  return { ...object, metadata: withoutEmptyCollections(metadata) };
}

const collections = ['labels', 'annotations', 'ownerReferences', 'finalizers'] as const;

/** Empty collections of metadata are as good as none and are not kept, so that taking the last label away leaves none. */
function withoutEmptyCollections(metadata: ObjectMeta): ObjectMeta {
  const isEmpty = (field: (typeof collections)[number]) => {
    const value = metadata[field];
    return value !== undefined && (Array.isArray(value) ? value.length : Object.keys(value).length) === 0;
  };
  const empty = collections.filter(isEmpty);
  if (empty.length === 0) return metadata;
  const kept: Record<string, unknown> = { ...metadata };
  for (const field of empty) delete kept[field];
  return kept;
}

/** Throws Conflict if `object` names another version, or another incarnation, than `stored`. */
export function checkPreconditions(
  kind: Kind,
  stored: ApiObject,
  wanted: { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined },
): void {
  const name = stored.metadata?.name ?? '';
  if (wanted.uid !== undefined && wanted.uid !== '' && wanted.uid !== stored.metadata?.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${stored.metadata?.uid ?? ''}`,
    );
  }
  const version = wanted.resourceVersion ?? '';
  if (version !== '' && version !== '0' && version !== stored.metadata?.resourceVersion) {
    throw modifiedConflict(kind, name);
  }
}

/** The next object with the metadata that no client changes taken from the stored one. */
export function carryOver<T extends ApiObject>(next: T, stored: T): T {
  const { selfLink: _link, ...own } = next.metadata ?? {};
  const old = stored.metadata ?? {};
  const metadata: ObjectMeta = { ...own, ...pick(old, serverFields) };
  for (const field of serverFields) {
    if (old[field] === undefined) delete (metadata as Record<string, unknown>)[field];
  }
  return { ...next, metadata: withoutEmptyCollections(metadata) };
}

const serverFields = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'generation',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const satisfies readonly (keyof ObjectMeta)[];

function pick<T extends object, K extends keyof T>(object: T, keys: readonly K[]): Partial<Pick<T, K>> {
  const picked: Partial<Pick<T, K>> = {};
  for (const key of keys) if (object[key] !== undefined) picked[key] = object[key];
  return picked;
}

type Open = Readonly<Record<string, unknown>>;

/** Everything of an object but its metadata and status: what `metadata.generation` counts the changes of. */
function desired<T extends ApiObject>(kind: Kind<T>, object: T): Open {
  const { metadata: _m, apiVersion: _a, kind: _k, ...rest } = object;
  const { status: _s, ...wished } = rest as { status?: unknown };
  // Where it is no subresource, the status of a custom resource is a field like any other.
  return kind.custom === undefined || kind.subresources?.status === true ? wished : rest;
}

/** Raises the generation if what is wished for has changed. */
export function withGeneration<T extends ApiObject>(kind: Kind<T>, next: T, stored: T): T {
  if (kind.hasGeneration !== true || isDeepStrictEqual(desired(kind, next), desired(kind, stored))) return next;
  return { ...next, metadata: { ...next.metadata, generation: (stored.metadata?.generation ?? 0) + 1 } };
}

/** A write to the main resource leaves the status alone. */
export function keepStatus<T extends ApiObject>(next: T, stored: T): T {
  const { status: _ours, ...rest } = next as T & { status?: unknown };
  const { status } = stored as T & { status?: unknown };
  return (status === undefined ? rest : { ...rest, status }) as T;
}

/**
 * A write to `/status` changes the status, labels and annotations alone. (Upstream differs by kind in whether labels
 * follow; annotations do everywhere but in custom resources, where neither does.)
 */
export function onlyStatus<T extends ApiObject>(kind: Kind<T>, next: T, stored: T): T {
  const { status } = next as T & { status?: unknown };
  const { status: _old, ...rest } = stored as T & { status?: unknown };
  const carried =
    kind.custom === undefined ? (['labels', 'annotations', 'managedFields'] as const) : (['managedFields'] as const);
  const metadata: ObjectMeta = { ...stored.metadata };
  for (const field of carried) delete (metadata as Record<string, unknown>)[field];
  return {
    ...rest,
    metadata: { ...metadata, ...pick(next.metadata ?? {}, carried) },
    ...(status === undefined ? {} : { status }),
  } as T;
}
