import { invalid } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { accessReviewErrors } from './access-review-rules.ts';
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
  validate({ spec, metadata }) {
    const errors = accessReviewErrors(spec, true);
    if (spec.nonResourceAttributes !== undefined) {
      errors.push(
        invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request'),
      );
    }
    const namespace = spec.resourceAttributes?.namespace ?? '';
    if (spec.resourceAttributes !== undefined && namespace !== (metadata?.namespace ?? '')) {
      errors.push(invalid('spec.resourceAttributes.namespace', namespace, 'must match metadata.namespace'));
    }
    return errors;
  },
};
