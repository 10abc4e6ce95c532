import { createHash } from 'node:crypto';
import type { UserInfo } from '#client/client.ts';
import type { TokenAuthenticator } from './bearer-token.ts';

/**
 * Fixed tokens from a file, one a line: `token,user,uid,"group1,group2"`, the last two optional; `#` starts a comment.
 * The same format as kube-apiserver's --token-auth-file:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
 * Throws an Error naming the line.
 */
export function parseTokenFile(text: string): ReadonlyMap<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [token, username, uid, groups] = fieldsOf(line, index + 1);
    if (token === undefined || token === '' || username === undefined || username === '') {
      throw new Error(`Line ${index + 1} of the token file must be: token,user,uid,"group1,group2"`);
    }
    if (users.has(token)) throw new Error(`Line ${index + 1} of the token file repeats a token`);
    users.set(token, {
      username,
      ...(uid === undefined || uid === '' ? {} : { uid }),
      groups: (groups ?? '')
        .split(',')
        .map((group) => group.trim())
        .filter((group) => group !== ''),
    });
  }
  return users;
}

/** Splits at commas outside double quotes; `""` inside quotes is a quote. */
function fieldsOf(line: string, number: number): readonly string[] {
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  for (;;) {
    const match = field.exec(line);
    if (match === null) throw new Error(`Line ${number} of the token file has a stray quote`);
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2]?.trim() ?? '');
    if (match[3] === '') return fields;
  }
}

const digestOf = (token: string) => createHash('sha256').update(token).digest('base64');

/** Knows the tokens of `users`. Looks up by digest, so the time it takes says nothing about a token. */
export function fixedTokens(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  const byDigest = new Map([...users].map(([token, user]) => [digestOf(token), user]));
  return {
    async authenticateToken(token, audiences) {
      const user = byDigest.get(digestOf(token));
      return user === undefined ? undefined : { user, audiences };
    },
  };
}
