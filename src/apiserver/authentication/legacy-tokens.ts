import type { Secret } from '#api/core/secret.ts';
import { peekClaims, signToken, verifyToken, type SigningKey } from '#lib/jws.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { TokenAuthenticator } from './bearer-token.ts';
import { serviceAccountUser, type TokenObjects } from './service-account-tokens.ts';

const issuer = 'kubernetes/serviceaccount';
const prefix = 'kubernetes.io/serviceaccount';

/** What a token without an end says: which account it is of, and which Secret it lives in. */
export interface LegacySubject {
  readonly namespace: string;
  readonly account: { readonly name: string; readonly uid: string };
  readonly secret: string;
}

/** Source: kubernetes pkg/serviceaccount (legacy.go). */
export function issueLegacyToken({ namespace, account, secret }: LegacySubject, key: SigningKey): string {
  return signToken(
    {
      iss: issuer,
      [`${prefix}/namespace`]: namespace,
      [`${prefix}/secret.name`]: secret,
      [`${prefix}/service-account.name`]: account.name,
      [`${prefix}/service-account.uid`]: account.uid,
      sub: serviceAccountUser(namespace, account.name),
    },
    key,
  );
}

export interface LegacyTokensOptions {
  readonly keys: readonly SigningKey[];
  readonly objects: TokenObjects;
  readonly secret: (namespace: string, name: string) => Promise<Secret | undefined>;
}

/** Knows tokens out of Secrets: good for as long as the very Secret that holds it and its account are there. */
export function legacyTokens({ keys, objects, secret: find }: LegacyTokensOptions): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences) {
      if (peekClaims(token)?.['iss'] !== issuer) return undefined;
      const claims = verifyToken(token, keys);
      if (claims === undefined) throw unauthorized('The service account token is not signed by this cluster');
      const claim = (name: string) => {
        const value = claims[name];
        if (typeof value !== 'string' || value === '') throw unauthorized(`The token lacks its claim ${name}`);
        return value;
      };
      const namespace = claim(`${prefix}/namespace`);
      const name = claim(`${prefix}/service-account.name`);
      const uid = claim(`${prefix}/service-account.uid`);
      if (claim('sub') !== serviceAccountUser(namespace, name)) {
        throw unauthorized('The token contradicts itself: sub is not its service account');
      }
      const secret = await find(namespace, claim(`${prefix}/secret.name`));
      const held = secret?.data?.['token'];
      if (secret?.metadata?.deletionTimestamp !== undefined)
        throw unauthorized('The Secret of the token is being deleted');
      if (held === undefined || Buffer.from(held, 'base64').toString('utf8') !== token) {
        throw unauthorized('The token is not in its Secret any more');
      }
      if ((await objects.uidOf('ServiceAccount', namespace, name)) !== uid) {
        throw unauthorized(`The service account "${name}" of the token is gone`);
      }
      return {
        user: {
          username: serviceAccountUser(namespace, name),
          uid,
          groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        },
        audiences,
      };
    },
  };
}
