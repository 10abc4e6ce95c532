import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { UserInfo } from '#client/client.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { ClaimSource, JwtIssuer, Requirement } from '../authentication-configuration.ts';
import type { TokenAuthenticator } from '../bearer-token.ts';
import type { ClaimExpression } from './claim-expressions.ts';
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
      mustHold(issuer.claimRules, claims);
      return { user: userOf(issuer, claims), audiences, expires: exp * 1000 };
    },
  };
}

type Claims = Readonly<Record<string, unknown>>;

function userOf(issuer: JwtIssuer, claims: Claims): UserInfo {
  const username = textFrom(issuer.username, claims, 'username');
  if (username === '') throw unauthorized('The token names nobody');
  if ('claim' in issuer.username && issuer.username.claim === 'email' && (claims['email_verified'] ?? true) !== true) {
    throw unauthorized('The email address of the token is not verified');
  }
  const groups = issuer.groups === undefined ? [] : textsFrom(issuer.groups, claims, 'groups');
  for (const name of [username, ...groups]) {
    if (name.startsWith(reservedPrefix)) {
      throw unauthorized(`An issuer gives no name that begins with ${reservedPrefix}, as ${JSON.stringify(name)} does`);
    }
  }
  const uid = issuer.uid === undefined ? undefined : textFrom(issuer.uid, claims, 'uid');
  const extra = Object.fromEntries(
    issuer.extra
      .map(({ key, expression }) => [key, textsFrom({ expression }, claims, key)] as const)
      .filter(([, values]) => values.length > 0),
  );
  const user: UserInfo = {
    username,
    groups,
    ...(uid === undefined ? {} : { uid }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
  mustHold(issuer.userRules, { uid: '', extra: {}, ...user });
  return user;
}

/** Throws Unauthorized with the message of the first rule that does not hold. */
function mustHold(rules: readonly Requirement[], value: unknown): void {
  for (const { expression, message } of rules) {
    if (evaluated(expression, value) !== true) {
      throw unauthorized(message === '' ? `The token does not satisfy ${expression.source}` : message);
    }
  }
}

/** What a token says must not come back in an error: only the rule is named. */
function evaluated(expression: ClaimExpression, value: unknown): unknown {
  try {
    return expression.evaluate(value);
  } catch {
    throw unauthorized(`The rule ${expression.source} cannot be applied to the token`);
  }
}

function textFrom(source: ClaimSource, claims: Claims, what: string): string {
  const value = 'expression' in source ? evaluated(source.expression, claims) : claims[source.claim];
  if (typeof value !== 'string' || value === '') throw unauthorized(`The token gives no ${what}`);
  return 'expression' in source ? value : `${source.prefix}${value}`;
}

function textsFrom(source: ClaimSource, claims: Claims, what: string): readonly string[] {
  const value = 'expression' in source ? evaluated(source.expression, claims) : claims[source.claim];
  if (value === undefined || value === null) return [];
  const texts = [value].flat();
  if (!texts.every((each) => typeof each === 'string')) {
    throw unauthorized(`What the token gives as ${what} is neither text nor a list of texts`);
  }
  const prefix = 'expression' in source ? '' : source.prefix;
  return texts.filter((each) => each !== '').map((each) => `${prefix}${each}`);
}
