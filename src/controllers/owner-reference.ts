import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, OwnerReference } from '#machinery/object.ts';

/** The reference that makes `owner` the one controller of an object. */
export function controllerReference(kind: Kind, owner: ApiObject): OwnerReference {
  const { name, uid } = owner.metadata ?? {};
  if (name === undefined || uid === undefined)
    throw new Error(`An owner must be stored first: ${kind.kind} "${name ?? ''}"`);
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** The reference to the object's controlling owner, if it has one. */
export function controllerOf(object: ApiObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find(({ controller }) => controller === true);
}
