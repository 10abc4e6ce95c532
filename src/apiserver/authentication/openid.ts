import { jwkOf, type PublicJwk, type SigningKey } from '#lib/jws.ts';

/** `/.well-known/openid-configuration`: how others find the keys that check our service-account tokens. */
export function openidConfiguration(
  issuer: string,
  jwksUri = `${issuer}/openid/v1/jwks`,
): Readonly<Record<string, unknown>> {
  return {
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  };
}

/** `/openid/v1/jwks`. */
export function jwks(keys: readonly SigningKey[]): { readonly keys: readonly PublicJwk[] } {
  return { keys: keys.map(jwkOf) };
}
