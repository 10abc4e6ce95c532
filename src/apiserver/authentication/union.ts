import type { UserInfo } from '#client/client.ts';
import type { Authenticator } from './authenticator.ts';

export const allAuthenticated = 'system:authenticated';

/** Who calls without any credentials. Only health may answer such a caller; the router sees to that. */
export const anonymousUser: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };

/**
 * Asks `authenticators` in order: the first that knows the caller decides. Wrong credentials end the search with
 * Unauthorized: somebody who shows a false token is not let in by another door. Everyone known is also in
 * `system:authenticated`.
 */
export function unionAuthenticator(...authenticators: readonly Authenticator[]): Authenticator {
  return {
    async authenticate(credentials) {
      for (const authenticator of authenticators) {
        const user = await authenticator.authenticate(credentials);
        if (user !== undefined) return withAuthenticated(user);
      }
      return undefined;
    },
  };
}

export function withAuthenticated(user: UserInfo): UserInfo {
  return user.groups.includes(allAuthenticated) ? user : { ...user, groups: [...user.groups, allAuthenticated] };
}
