import type { ApiObject } from '#machinery/object.ts';

/** True for an object that is being created: the store has not given it a version yet. */
export function isNew({ metadata }: ApiObject): boolean {
  return (metadata?.resourceVersion ?? '') === '';
}
