import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { UserInfo } from '#client/client.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { JwtIssuer } from '../authentication-configuration.ts';
import type { TokenAuthenticator } from '../bearer-token.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { parseJwt } from './jwt.ts';

/** Clocks of an issuer and of ours may differ by this much. */
const clockSkewMs = 10_000;
/** Names that only the cluster itself gives. */
const reservedPrefix = 'system:';

/**
 * Knows ID tokens of one OpenID issuer. Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration
 */
export function oidcTokens(issuer: JwtIssuer, { clock, log }: { clock: Clock; log: Log }): TokenAuthenticator {
  const keys = new IssuerKeys({
    issuer: issuer.url,
    discoveryUrl: issuer.discoveryUrl,
    authority: issuer.authority,
    clock,
  });
  return {
    async authenticateToken(token, audiences) {
      const jwt = parseJwt(token);
      if (jwt?.claims['iss'] !== issuer.url) return undefined;
      const { claims } = jwt;
      const candidates = await keys.for(jwt.keyId).catch((error: unknown) => {
        log.warn('the keys of a token issuer cannot be had', { issuer: issuer.url, error });
        throw unauthorized(`The keys of the issuer ${issuer.url} cannot be had now`);
      });
      if (!candidates.some((key) => jwt.isSignedBy(key))) {
        throw unauthorized(`The token is not signed by a key of ${issuer.url}`);
      }
      const now = clock.now();
      const { exp, nbf } = claims;
      if (typeof exp !== 'number' || exp * 1000 <= now) throw unauthorized('The token has expired');
      if (typeof nbf === 'number' && nbf * 1000 > now + clockSkewMs) throw unauthorized('The token is not valid yet');
      const meant = [claims['aud']].flat();
      if (!issuer.audiences.some((audience) => meant.includes(audience))) {
        throw unauthorized(`The token is meant for ${JSON.stringify(meant)}, not for us`);
      }
      for (const { claim, requiredValue } of issuer.requiredClaims) {
        if (claims[claim] !== requiredValue) {
          throw unauthorized(`The claim ${JSON.stringify(claim)} of the token is not ${JSON.stringify(requiredValue)}`);
        }
      }
      return { user: userOf(issuer, claims), audiences, expires: exp * 1000 };
    },
  };
}

function userOf({ username, groups, uid }: JwtIssuer, claims: Readonly<Record<string, unknown>>): UserInfo {
  const name = claims[username.claim];
  if (typeof name !== 'string' || name === '') {
    throw unauthorized(`The token lacks its claim ${JSON.stringify(username.claim)}`);
  }
  if (username.claim === 'email' && claims['email_verified'] !== undefined && claims['email_verified'] !== true) {
    throw unauthorized('The email address of the token is not verified');
  }
  const user = `${username.prefix}${name}`;
  if (user.startsWith(reservedPrefix)) {
    throw unauthorized(
      `An issuer may not call anybody ${JSON.stringify(user)}: ${reservedPrefix} is the cluster's own`,
    );
  }
  const id = uid === undefined ? undefined : claims[uid.claim];
  if (uid !== undefined && typeof id !== 'string') {
    throw unauthorized(`The claim ${JSON.stringify(uid.claim)} of the token is no text`);
  }
  return {
    username: user,
    groups: groups === undefined ? [] : groupsIn(claims[groups.claim], groups),
    ...(typeof id === 'string' ? { uid: id } : {}),
  };
}

function groupsIn(value: unknown, { claim, prefix }: { readonly claim: string; readonly prefix: string }) {
  if (value === undefined || value === null) return [];
  const names = [value].flat();
  if (!names.every((each) => typeof each === 'string')) {
    throw unauthorized(`The claim ${JSON.stringify(claim)} of the token is neither text nor a list of texts`);
  }
  const groups = names.filter((each) => each !== '').map((each) => `${prefix}${each}`);
  const reserved = groups.find((each) => each.startsWith(reservedPrefix));
  if (reserved !== undefined) {
    throw unauthorized(
      `An issuer may put nobody into ${JSON.stringify(reserved)}: ${reservedPrefix} is the cluster's own`,
    );
  }
  return groups;
}
