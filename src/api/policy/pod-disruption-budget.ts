import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type PodDisruptionBudget = types.PodDisruptionBudget;
export const PodDisruptionBudget: Kind<PodDisruptionBudget> = {
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  shortNames: ['pdb'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.policy.v1.PodDisruptionBudget');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
};
