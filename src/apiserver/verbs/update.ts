import { metadataUpdateErrors } from '#machinery/metadata-rules.ts';
import { invalidObject } from '#machinery/status-error.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { isFinished } from '../registry/deletion.ts';
import { carryOver, checkPreconditions, inNamespace, named, withGeneration } from '../registry/object-meta.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { scopedTo } from './scope.ts';
import { trackedUpdate } from './field-managers.ts';
import { charged, committed, released, retrying, withReservations, type Pipeline, type WriteCall } from './pipeline.ts';

/** The wanted object, given the newest stored one (a PUT ignores it, a patch applies to it). */
export type Wanted<T> = (stored: T) => Promise<T>;

/** Writes what `wanted` makes of the newest state, again if others write in between. */
export async function updateObject<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  ref: ObjectRef,
  wanted: Wanted<T>,
): Promise<T> {
  return retrying(pipeline, call, ref, async (stored) => {
    const next = inNamespace(call.kind, named(await wanted(stored.whole), ref.name), ref.namespace);
    return replaceObject(pipeline, call, stored, next);
  });
}

/**
 * One attempt. Throws Conflict (a StatusError) if the client insists on another version, and the store's Conflict if
 * somebody was faster.
 */
export async function replaceObject<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  stored: StoredObject<T>,
  wanted: T,
): Promise<T> {
  const { kind, attributes, context, dryRun } = call;
  const { signal } = context;
  const { admission, registry } = pipeline;
  // `/scale` is a narrow view of the object itself.
  const door = attributes.subresource === 'scale' ? undefined : attributes.subresource;
  const old = stored.whole;
  checkPreconditions(kind, old, wanted.metadata ?? {});
  const scoped = trackedUpdate(
    call,
    scopedTo(kind, door, carryOver(wanted, old), old),
    old,
    wanted,
    pipeline.clock.now(),
  );
  const request = { attributes, operation: 'UPDATE' as const, stored: old, dryRun };
  const admitted = await admission.mutate({ ...request, object: scoped }, context);
  const prepared = door === undefined ? (kind.prepareForUpdate?.(admitted, old) ?? admitted) : admitted;
  const object = withGeneration(kind, kind.defaults?.(prepared) ?? prepared, old);
  return withReservations(pipeline, call, object, old, async (complete) => {
    await kind.load?.(complete);
    const errors = [
      ...metadataUpdateErrors(complete, old),
      ...(kind.validateUpdate?.(complete, old, door) ?? []),
      ...(kind.validate?.(complete) ?? []),
    ];
    if (errors.length > 0) throw invalidObject(kind, stored.name, errors);
    for (const text of kind.warn?.(complete, old) ?? []) context.warn(text);
    await admission.validate({ ...request, object: complete }, context);
    const resource = registry.of(kind);
    if (isFinished(kind, complete)) {
      if (!dryRun) {
        await resource.remove(stored, signal);
        released(pipeline, kind, old);
      }
      return complete;
    }
    if (resource.isSame(stored, complete)) return old;
    return charged(pipeline, { ...request, object: complete }, signal, async (alongside) => {
      if (!dryRun) return committed(await resource.replace(stored, complete, signal, alongside));
      resource.layout.encode(complete);
      return { object: complete };
    });
  });
}
