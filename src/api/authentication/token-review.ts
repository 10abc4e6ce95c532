import { required } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type TokenReview = types.TokenReview;
export const TokenReview: Kind<TokenReview> = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  singular: 'tokenreview',
  namespaced: false,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.authentication.v1.TokenReview');
  },
  validate: ({ spec }) => ((spec.token ?? '') === '' ? [required('spec.token')] : []),
};
