import type { Kind } from '#machinery/kind.ts';
import { forbidden } from '#machinery/field-error.ts';
import { isNew } from '../rules/is-new.ts';
import { definition } from '../definitions.ts';
import { each } from '../rules/fields.ts';
import { imageErrors } from './container-rules.ts';
import { withLabelKeySelectors } from './label-key-selectors.ts';
import { podColumns } from './pod-columns.ts';
import { defaultPod } from './pod-defaults.ts';
import { qualityOfService } from './pod-quality.ts';
import { podSpecErrors } from './pod-spec-rules.ts';
import { podUpdateErrors } from './pod-update-rules.ts';
import type * as types from './types.generated.ts';

export type Pod = types.Pod;
export const Pod: Kind<Pod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.Pod');
  },
  hasGeneration: true,
  subresources: {
    status: true,
    more: {
      attach: { group: '', version: 'v1', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
      binding: { group: '', version: 'v1', kind: 'Binding', verbs: ['create'] },
      ephemeralcontainers: { group: '', version: 'v1', kind: 'Pod', verbs: ['get', 'patch', 'update'] },
      eviction: { group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] },
      exec: { group: '', version: 'v1', kind: 'PodExecOptions', verbs: ['create', 'get'] },
      log: { group: '', version: 'v1', kind: 'Pod', verbs: ['get'] },
      portforward: { group: '', version: 'v1', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
    },
  },
  defaults: defaultPod,
  /** Source: kubernetes pkg/registry/core/pod (podStrategy.PrepareForCreate). */
  prepareForCreate(pod) {
    const gated = (pod.spec?.schedulingGates ?? []).length > 0;
    return {
      ...pod,
      ...(pod.spec === undefined ? {} : { spec: withLabelKeySelectors(pod) }),
      status: {
        phase: 'Pending',
        qosClass: qualityOfService(defaultPod(pod).spec),
        ...(gated ? { conditions: [gatedCondition] } : {}),
      },
    };
  },
  validate(pod) {
    const errors = podSpecErrors('spec', pod.spec, true);
    errors.push(
      ...each('spec.containers', pod.spec?.containers, imageErrors),
      ...each('spec.initContainers', pod.spec?.initContainers, imageErrors),
    );
    if (!isNew(pod)) return errors;
    if ((pod.spec?.ephemeralContainers ?? []).length > 0) {
      errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
    }
    if ((pod.spec?.schedulingGates ?? []).length > 0 && (pod.spec?.nodeName ?? '') !== '') {
      errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
    }
    return errors;
  },
  validateUpdate: podUpdateErrors,
  columns: podColumns,
  selectableFields: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec?.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec?.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec?.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec?.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  /** A pod that runs nowhere, or nothing any more, has nothing to wait for. */
  deletionGracePeriodSeconds({ spec, status }) {
    if ((spec?.nodeName ?? '') === '' || status?.phase === 'Succeeded' || status?.phase === 'Failed') return 0;
    const seconds = spec?.terminationGracePeriodSeconds ?? 30;
    return seconds < 0 ? 1 : seconds;
  },
};

const gatedCondition: types.PodCondition = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};
