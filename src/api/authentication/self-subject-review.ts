import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type SelfSubjectReview = types.SelfSubjectReview;
export const SelfSubjectReview: Kind<SelfSubjectReview> = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  singular: 'selfsubjectreview',
  namespaced: false,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.authentication.v1.SelfSubjectReview');
  },
};
