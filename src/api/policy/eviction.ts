import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type Eviction = types.Eviction;
export const Eviction: Kind<Eviction> = {
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  plural: 'evictions',
  singular: 'eviction',
  namespaced: true,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.policy.v1.Eviction');
  },
};
