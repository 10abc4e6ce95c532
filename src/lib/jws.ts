import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

/**
 * JSON Web Tokens signed with ES256, and nothing else: one algorithm leaves no choice to an attacker. Signing and
 * checking are node:crypto's; here is only the envelope. Facts: RFC 7515, RFC 7518 §3.4, RFC 7638.
 */
export interface SigningKey {
  readonly keyId: string;
  readonly private: KeyObject;
  readonly public: KeyObject;
}

export interface PublicJwk {
  readonly use: 'sig';
  readonly kty: 'EC';
  readonly kid: string;
  readonly alg: 'ES256';
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

const tokenBytesMax = 16 * 1024;

/** Takes a P-256 private key (PEM). The key id is the thumbprint of its public half. */
export function signingKeyOf(pem: string): SigningKey {
  const privateKey = createPrivateKey(pem);
  const publicKey = createPublicKey(privateKey);
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  if (kty !== 'EC' || crv !== 'P-256') throw new Error('A token signing key must be a P-256 elliptic curve key');
  const keyId = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  return { keyId, private: privateKey, public: publicKey };
}

/** The public half as a JSON Web Key, for `/openid/v1/jwks`. */
export function jwkOf(key: SigningKey): PublicJwk {
  const { x, y, crv } = key.public.export({ format: 'jwk' });
  return { use: 'sig', kty: 'EC', kid: key.keyId, alg: 'ES256', crv: crv ?? '', x: x ?? '', y: y ?? '' };
}

export function signToken(claims: object, key: SigningKey): string {
  const header = encode({ alg: 'ES256', kid: key.keyId });
  const content = `${header}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(content), { key: key.private, dsaEncoding: 'ieee-p1363' });
  return `${content}.${signature.toString('base64url')}`;
}

/**
 * The claims of a token signed by one of `keys`; undefined for anything else: another algorithm, another key, a wrong
 * signature, no JWT at all. Says nothing about what the claims mean or when they end.
 */
export function verifyToken(token: string, keys: readonly SigningKey[]): Readonly<Record<string, unknown>> | undefined {
  if (token.length > tokenBytesMax) return undefined;
  const parts = token.split('.');
  const [header, claims, signature] = parts;
  if (parts.length !== 3 || header === undefined || claims === undefined || signature === undefined) return undefined;
  const head = decode(header);
  if (head === undefined || head['alg'] !== 'ES256' || head['crit'] !== undefined) return undefined;
  const key = keys.find(({ keyId }) => keyId === head['kid']);
  if (key === undefined) return undefined;
  const genuine = verify(
    'sha256',
    Buffer.from(`${header}.${claims}`),
    { key: key.public, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
  return genuine ? decode(claims) : undefined;
}

/** What a token says of itself, unchecked: only to decide who should check it. */
export function peekClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  if (token.length > tokenBytesMax) return undefined;
  const parts = token.split('.');
  return parts.length === 3 ? decode(parts[1] ?? '') : undefined;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
