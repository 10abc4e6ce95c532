import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type LocalSubjectAccessReview = types.LocalSubjectAccessReview;
export const LocalSubjectAccessReview: Kind<LocalSubjectAccessReview> = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  singular: 'localsubjectaccessreview',
  namespaced: true,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.authorization.v1.LocalSubjectAccessReview');
  },
};
