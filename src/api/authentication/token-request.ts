import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import type * as types from './types.generated.ts';

export type TokenRequest = types.TokenRequest;
export const TokenRequest: Kind<TokenRequest> = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: 'tokenrequests',
  singular: 'tokenrequest',
  namespaced: true,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.authentication.v1.TokenRequest');
  },
};
