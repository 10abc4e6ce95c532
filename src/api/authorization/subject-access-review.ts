import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { accessReviewErrors } from './access-review-rules.ts';
import type * as types from './types.generated.ts';

export type SubjectAccessReview = types.SubjectAccessReview;
export const SubjectAccessReview: Kind<SubjectAccessReview> = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  singular: 'subjectaccessreview',
  namespaced: false,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.authorization.v1.SubjectAccessReview');
  },
  validate: ({ spec }) => accessReviewErrors(spec, true),
};
