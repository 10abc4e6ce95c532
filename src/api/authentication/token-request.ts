import { invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
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
  defaults: (request) => mapField(request, 'spec', (spec) => withDefaults(spec, { expirationSeconds: hourSeconds })),
  /** Source: kubernetes pkg/apis/authentication/validation (ValidateTokenRequest). */
  validate({ spec: { expirationSeconds = hourSeconds } }) {
    const errors: FieldError[] = [];
    const field = 'spec.expirationSeconds';
    if (expirationSeconds < shortestSeconds) {
      errors.push(invalid(field, expirationSeconds, 'may not specify a duration less than 10 minutes'));
    }
    if (expirationSeconds > 2 ** 32) {
      errors.push(invalid(field, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'));
    }
    return errors;
  },
};

const hourSeconds = 3600;
const shortestSeconds = 600;
