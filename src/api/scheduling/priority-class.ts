import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type PriorityClass = types.PriorityClass;
export const PriorityClass: Kind<PriorityClass> = {
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  singular: 'priorityclass',
  shortNames: ['pc'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.scheduling.v1.PriorityClass');
  },
  hasGeneration: true,
};
