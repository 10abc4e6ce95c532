import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { accessReviewErrors } from './access-review-rules.ts';
import type * as types from './types.generated.ts';

export type SelfSubjectAccessReview = types.SelfSubjectAccessReview;
export const SelfSubjectAccessReview: Kind<SelfSubjectAccessReview> = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  singular: 'selfsubjectaccessreview',
  namespaced: false,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.authorization.v1.SelfSubjectAccessReview');
  },
  validate: ({ spec }) => accessReviewErrors(spec, false),
};
