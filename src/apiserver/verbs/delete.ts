import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { hasReason, type Status } from '#machinery/status-error.ts';
import { planDeletion, type DeletionWish } from '../registry/deletion.ts';
import { checkPreconditions } from '../registry/object-meta.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { Unreadable } from '../registry/unreadable.ts';
import { released, retrying, type Pipeline, type WriteCall } from './pipeline.ts';

export interface DeletionOptions extends DeletionWish {
  readonly preconditions?:
    | { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined;
  /** Removes an object that cannot be read, past all rules; the caller needs a right of its own for it. */
  readonly ignoresReadErrors?: boolean;
}

/** Deletions of one collection that run at the same time. */
const collectionWorkersMax = 16;

/** Kinds whose deletion answers with the object as it last was; the others answer with a Status. */
const returnsObject = new Set([
  '/pods',
  '/services',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/podtemplates',
  '/serviceaccounts',
  '/resourcequotas',
]);

/** Deletes one object, or starts its end. Throws NotFound and, for preconditions, Conflict. */
export async function deleteObject<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  ref: ObjectRef,
  options: DeletionOptions,
): Promise<T | Status> {
  try {
    return await retrying(pipeline, call, ref, (stored) => deleteStored(pipeline, call, stored, options));
  } catch (error) {
    if (!(error instanceof Unreadable) || options.ignoresReadErrors !== true) throw error;
    const { kind, context, dryRun } = call;
    if (!dryRun) await pipeline.registry.of(kind).removeUnreadable(ref, context.signal);
    return success(kind, { metadata: { name: ref.name } });
  }
}

async function deleteStored<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  stored: StoredObject<T>,
  options: DeletionOptions,
): Promise<T | Status> {
  const { kind, attributes, context, dryRun } = call;
  const { signal } = context;
  const resource = pipeline.registry.of(kind);
  const old = stored.object;
  checkPreconditions(kind, old, options.preconditions ?? {});
  await pipeline.admission.validate(
    { attributes: { ...attributes, name: stored.name }, operation: 'DELETE', object: undefined, stored: old, dryRun },
    context,
  );
  const plan = planDeletion(kind, old, options, pipeline.clock.now());
  if (plan.do === 'keep') {
    if (!plan.changed || dryRun) return plan.object;
    return (await resource.replace(stored, plan.object, signal)).object;
  }
  if (!dryRun) {
    const last = await resource.remove(stored, signal);
    released(pipeline, kind, old);
    return returnsObject.has(`${kind.group}/${kind.plural}`) ? last.object : success(kind, old);
  }
  return returnsObject.has(`${kind.group}/${kind.plural}`) ? old : success(kind, old);
}

/** The Status that answers a deletion. */
export function success(kind: Kind, object: ApiObject): Status {
  const { name, uid } = object.metadata ?? {};
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      ...(name === undefined ? {} : { name }),
      ...(kind.group === '' ? {} : { group: kind.group }),
      kind: kind.plural,
      ...(uid === undefined ? {} : { uid }),
    },
    code: 200,
  };
}

/** Deletes what was listed; objects that vanish meanwhile are fine. The first failure ends it. */
export async function deleteListed<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  items: readonly StoredObject<T>[],
  options: DeletionOptions,
): Promise<void> {
  const queue = items.values();
  const work = async () => {
    for (const item of queue) {
      const { name, namespace } = item;
      try {
        await deleteObject(pipeline, call, namespace === undefined ? { name } : { namespace, name }, options);
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(collectionWorkersMax, items.length) }, work));
}
