import { conflict, hasReason } from '#machinery/status-error.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { named } from '../registry/object-meta.ts';
import type { AppliedObject } from './apply.ts';
import { createObject } from './create.ts';
import type { Pipeline, WriteCall } from './pipeline.ts';
import { updateObject } from './update.ts';

/**
 * Replaces an object by `body`; makes it if there is none and its kind is one that a PUT makes. `mayCreate` throws
 * Forbidden. Throws NotFound, and Conflict if `body` is meant for another object of that name.
 * Source: k8s.io/apiserver/pkg/registry/generic/registry (store.go, Update).
 */
export async function putObject<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  ref: ObjectRef,
  body: T,
  mayCreate: () => Promise<void>,
): Promise<AppliedObject<T>> {
  const { kind, attributes } = call;
  try {
    return { object: await updateObject(pipeline, call, ref, async () => body), created: false };
  } catch (error) {
    const creates = kind.createsOnUpdate === true && attributes.subresource === undefined;
    if (!creates || !hasReason(error, 'NotFound')) throw error;
  }
  const { uid = '', ...metadata } = named(body, ref.name).metadata ?? {};
  if (uid !== '') {
    throw conflict(kind, ref.name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: `);
  }
  await mayCreate();
  // The version it was read at is that of an object that is gone.
  const { resourceVersion: _gone, ...rest } = metadata;
  return { object: await createObject(pipeline, call, { ...body, metadata: rest }), created: true };
}
