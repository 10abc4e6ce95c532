import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type DaemonSet = types.DaemonSet;
export const DaemonSet: Kind<DaemonSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  singular: 'daemonset',
  shortNames: ['ds'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.apps.v1.DaemonSet');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
};
