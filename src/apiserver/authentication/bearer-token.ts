import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '#lib/clock.ts';
import type { UserInfo } from '#client/client.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { Authenticator } from './authenticator.ts';

/** Who a token belongs to, and which of the audiences asked for it was made for. */
export interface TokenIdentity {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
  /** Milliseconds since the epoch; absent if the token has no end. */
  readonly expires?: number;
}

/** Checks one sort of token. Undefined: "not my sort"; throws Unauthorized for its own sort when it is not valid. */
export interface TokenAuthenticator {
  authenticateToken(token: string, audiences: readonly string[]): Promise<TokenIdentity | undefined>;
}

/** Browsers cannot send headers with a WebSocket, so their token comes as one of the subprotocols. */
const subprotocolPrefix = 'base64url.bearer.authorization.k8s.io.';
const cacheTtlMs = 10_000;
const cacheEntriesMax = 10_000;

/** The bearer token of a request, if there is one. Throws Unauthorized for an Authorization header of another sort. */
export function bearerTokenOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) {
    const match = /^bearer +([\w.~+/=-]+) *$/i.exec(authorization);
    if (match?.[1] === undefined) throw unauthorized('The Authorization header must be "Bearer TOKEN"');
    return match[1];
  }
  const protocols = headers['sec-websocket-protocol']?.split(',') ?? [];
  const carried = protocols
    .map((protocol) => protocol.trim())
    .find((protocol) => protocol.startsWith(subprotocolPrefix));
  return carried === undefined
    ? undefined
    : Buffer.from(carried.slice(subprotocolPrefix.length), 'base64url').toString('utf8');
}

/** Asks each of `authenticators` for the request's bearer token; a token that nobody knows is refused. */
export function bearerTokenAuthenticator(tokens: TokenAuthenticator, audiences: readonly string[]): Authenticator {
  return {
    async authenticate({ headers }) {
      const token = bearerTokenOf(headers);
      if (token === undefined) return undefined;
      const identity = await tokens.authenticateToken(token, audiences);
      if (identity === undefined) throw unauthorized('The bearer token is not known to this cluster');
      return identity.user;
    },
  };
}

/** Tries several sorts of token, the first that knows it decides. */
export function anyToken(...authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences) {
      for (const authenticator of authenticators) {
        const identity = await authenticator.authenticateToken(token, audiences);
        if (identity !== undefined) return identity;
      }
      return undefined;
    },
  };
}

/**
 * Remembers for 10 s who a token belongs to, so that a busy client costs one check and not thousands; that is also
 * how long a revoked token may go on. Failures are not remembered: a new account works at once. Holds digests, not
 * tokens, so neither a dump of the memory nor the time of a look-up tells anything about them.
 */
export function cachedTokens(inner: TokenAuthenticator, clock: Clock): TokenAuthenticator {
  const known = new Map<string, { readonly identity: TokenIdentity; readonly until: number }>();
  return {
    async authenticateToken(token, audiences) {
      const digest = createHash('sha256')
        .update(JSON.stringify([token, audiences]))
        .digest('base64');
      const hit = known.get(digest);
      if (hit !== undefined && hit.until > clock.now()) return hit.identity;
      known.delete(digest);
      const identity = await inner.authenticateToken(token, audiences);
      if (identity !== undefined) {
        if (known.size >= cacheEntriesMax) known.delete(known.keys().next().value ?? '');
        known.set(digest, { identity, until: Math.min(clock.now() + cacheTtlMs, identity.expires ?? Infinity) });
      }
      return identity;
    },
  };
}
