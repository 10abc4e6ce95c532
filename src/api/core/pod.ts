import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
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
};
