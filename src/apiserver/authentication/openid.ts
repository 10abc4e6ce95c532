import { jwkOf, type SigningKey } from '#lib/jws.ts';

/**
 * What others need to check our service-account tokens without asking us, by path. Source:
 * https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
 */
export function openidDocuments(issuer: string, keys: readonly SigningKey[]): ReadonlyMap<string, unknown> {
  return new Map<string, unknown>([
    [
      '/.well-known/openid-configuration',
      {
        issuer,
        jwks_uri: `${issuer}/openid/v1/jwks`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
      },
    ],
    ['/openid/v1/jwks', { keys: keys.map(jwkOf) }],
  ]);
}
