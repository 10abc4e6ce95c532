import type { Pod } from '#api/core/pod.ts';
import type { AdmissionRequest } from './admission.ts';

/** The pod that is being made or changed by this request itself, not through a subresource. */
export function podOf({ attributes, object }: AdmissionRequest): Pod | undefined {
  const { kind, subresource } = attributes;
  // The object of a request is of the request's kind.
  return kind?.group === '' && kind.plural === 'pods' && subresource === undefined
    ? (object as Pod | undefined)
    : undefined;
}
