import { LimitRange } from '#api/core/limit-range.ts';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { Pod } from '#api/core/pod.ts';
import { forbiddenRequest } from '#machinery/status-error.ts';
import type { Registry } from '../registry/registry.ts';
import { listAll } from '../registry/list-all.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';
import { claimComplaints, podComplaints, withLimitDefaults } from './limit-range-rules.ts';

/**
 * Gives the containers of a new pod the defaults of the namespace's LimitRanges, and refuses pods and claims outside of
 * them. Source: kubernetes plugin/pkg/admission/limitranger.
 */
export function limitRanger(registry: Registry): AdmissionPlugin {
  const ranges = registry.of(LimitRange);
  const rangesIn = async (namespace: string | undefined, signal: AbortSignal): Promise<readonly LimitRange[]> =>
    namespace === undefined ? [] : await listAll(ranges, namespace, signal);

  return {
    name: 'LimitRanger',

    async mutate(request, { signal }) {
      const { attributes, object } = request;
      if (subjectOf(request) !== 'pods') return object!;
      let pod = object as Pod;
      for (const range of await rangesIn(attributes.namespace, signal)) pod = withLimitDefaults(pod, range);
      return pod;
    },

    async validate(request, { signal }) {
      const subject = isResize(request) ? 'pods' : subjectOf(request);
      if (subject === undefined) return;
      const { attributes, object } = request;
      for (const range of await rangesIn(attributes.namespace, signal)) {
        const complaints =
          subject === 'pods'
            ? podComplaints(object as Pod, range)
            : claimComplaints(object as PersistentVolumeClaim, range);
        const [only] = complaints;
        if (only === undefined) continue;
        const detail = complaints.length === 1 ? only : `[${[...new Set(complaints)].join(', ')}]`;
        throw forbiddenRequest(attributes.kind!, attributes.name ?? '', detail);
      }
    },
  };
}

/** The one way in which what is limited of a pod changes. */
const isResize = ({ attributes: { kind, subresource }, operation, object }: AdmissionRequest) =>
  kind?.group === '' &&
  kind.plural === 'pods' &&
  subresource === 'resize' &&
  operation === 'UPDATE' &&
  object !== undefined;

/** New pods, and claims whenever they are written: what is limited. */
function subjectOf({ attributes, operation, object }: AdmissionRequest): 'pods' | 'persistentvolumeclaims' | undefined {
  const { kind, subresource } = attributes;
  if (kind?.group !== '' || subresource !== undefined || object === undefined) return undefined;
  // The containers of a pod that is there do not change in what is limited here.
  if (kind.plural === 'pods') return operation === 'CREATE' ? 'pods' : undefined;
  return kind.plural === 'persistentvolumeclaims' ? 'persistentvolumeclaims' : undefined;
}
