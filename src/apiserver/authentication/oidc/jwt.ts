import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';

/** Facts: RFC 7515, RFC 7518 §3. Symmetric algorithms and `none` are not among them: an issuer's keys are public. */
const algorithms: Readonly<
  Record<string, { readonly hash: string; readonly type: 'rsa' | 'ec'; readonly curve?: string }>
> = {
  RS256: { hash: 'sha256', type: 'rsa' },
  RS384: { hash: 'sha384', type: 'rsa' },
  RS512: { hash: 'sha512', type: 'rsa' },
  ES256: { hash: 'sha256', type: 'ec', curve: 'prime256v1' },
  ES384: { hash: 'sha384', type: 'ec', curve: 'secp384r1' },
  ES512: { hash: 'sha512', type: 'ec', curve: 'secp521r1' },
};

const rsaBitsMin = 2048;

/** A public key of an issuer. */
export interface IssuerKey {
  readonly keyId: string;
  readonly key: KeyObject;
}

/** The usable signing keys of a JWKS document; others are left out. Throws an Error if it is no such document. */
export function parseKeys(document: unknown): readonly IssuerKey[] {
  const { keys } = (document ?? {}) as { readonly keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('the key set has no list of keys');
  return keys.slice(0, keysMax).flatMap((each: unknown): readonly IssuerKey[] => {
    const { kid, use, kty } = (each ?? {}) as Readonly<Record<string, unknown>>;
    if ((use !== undefined && use !== 'sig') || (kty !== 'RSA' && kty !== 'EC')) return [];
    try {
      const key = createPublicKey({ key: each as JsonWebKey, format: 'jwk' });
      return [{ keyId: typeof kid === 'string' ? kid : '', key }];
    } catch {
      return [];
    }
  });
}

const keysMax = 100;

export interface Jwt {
  readonly keyId: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** True if this key has signed it by the algorithm that it names. */
  isSignedBy(key: IssuerKey): boolean;
}

const tokenBytesMax = 16 * 1024;

/** Takes a token apart; undefined if it is none. Nothing it says is checked by that. */
export function parseJwt(token: string): Jwt | undefined {
  const parts = token.split('.');
  if (token.length > tokenBytesMax || parts.length !== 3) return undefined;
  const [head = '', body = '', signature = ''] = parts;
  const [header, claims] = [decode(head), decode(body)];
  if (header === undefined || claims === undefined || header['crit'] !== undefined) return undefined;
  const algorithm =
    typeof header['alg'] === 'string' && Object.hasOwn(algorithms, header['alg'])
      ? algorithms[header['alg']]
      : undefined;
  const keyId = typeof header['kid'] === 'string' ? header['kid'] : '';
  return {
    keyId,
    claims,
    isSignedBy({ key }) {
      if (algorithm === undefined || key.asymmetricKeyType !== algorithm.type) return false;
      const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
      if (algorithm.type === 'ec' ? namedCurve !== algorithm.curve : modulusLength < rsaBitsMin) return false;
      const content = Buffer.from(`${head}.${body}`);
      const encoding = algorithm.type === 'ec' ? ({ dsaEncoding: 'ieee-p1363' } as const) : {};
      try {
        return verify(algorithm.hash, content, { key, ...encoding }, Buffer.from(signature, 'base64url'));
      } catch {
        return false;
      }
    },
  };
}

function decode(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
