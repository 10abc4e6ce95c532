import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type SelfSubjectRulesReview = types.SelfSubjectRulesReview;
export const SelfSubjectRulesReview: Kind<SelfSubjectRulesReview> = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  singular: 'selfsubjectrulesreview',
  namespaced: false,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.authorization.v1.SelfSubjectRulesReview');
  },
};
