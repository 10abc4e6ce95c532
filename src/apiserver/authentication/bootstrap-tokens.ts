import { createHash, timingSafeEqual } from 'node:crypto';
import type { Secret } from '#api/core/secret.ts';
import type { Clock } from '#lib/clock.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { TokenAuthenticator } from './bearer-token.ts';

/** Where tokens for those who join the cluster are kept, one Secret each. */
export const bootstrapTokenType = 'bootstrap.kubernetes.io/token';
const namespace = 'kube-system';
const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;
const group = 'system:bootstrappers';

export interface BootstrapTokensOptions {
  readonly secret: (namespace: string, name: string) => Promise<Secret | undefined>;
  readonly clock: Clock;
}

/**
 * Knows join tokens: `id.secret`, good for as long as the Secret `bootstrap-token-<id>` in `kube-system` says and for
 * what it says. Source: kubernetes plugin/pkg/auth/authenticator/token/bootstrap, and
 * https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
 */
export function bootstrapTokens({ secret: find, clock }: BootstrapTokensOptions): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences) {
      const [, id, password] = tokenPattern.exec(token) ?? [];
      if (id === undefined || password === undefined) return undefined;
      const secret = await find(namespace, `bootstrap-token-${id}`);
      if (secret?.type !== bootstrapTokenType || secret.metadata?.deletionTimestamp !== undefined) return undefined;
      const text = textsOf(secret);
      if (text('token-id') !== id || !isSame(text('token-secret'), password)) {
        throw unauthorized('The bootstrap token is not valid');
      }
      const expires = expiryOf(secret);
      if (expires !== undefined && expires <= clock.now()) throw unauthorized('The bootstrap token has expired');
      if (text('usage-bootstrap-authentication') !== 'true') {
        throw unauthorized('The bootstrap token is not meant for authentication');
      }
      const extra = (text('auth-extra-groups') ?? '').split(',').filter((each) => each !== '');
      if (!extra.every((each) => groupPattern.test(each))) {
        throw unauthorized(`The bootstrap token names a group that does not match ${groupPattern.source}`);
      }
      return {
        user: { username: `system:bootstrap:${id}`, groups: [group, ...extra] },
        audiences,
        ...(expires === undefined ? {} : { expires }),
      };
    },
  };
}

/** When a token ends, in milliseconds since the epoch; a date that cannot be read has passed. */
function expiryOf(secret: Secret): number | undefined {
  const expiration = textsOf(secret)('expiration');
  if (expiration === undefined) return undefined;
  const at = Date.parse(expiration);
  return Number.isNaN(at) ? 0 : at;
}

const textsOf =
  ({ data = {} }: Secret) =>
  (key: string): string | undefined =>
    data[key] === undefined ? undefined : Buffer.from(data[key], 'base64').toString('utf8');

/** Takes the same time whatever the difference. */
function isSame(a: string | undefined, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return a !== undefined && timingSafeEqual(digest(a), digest(b));
}
