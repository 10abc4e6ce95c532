import type { Authorizer } from './authorizer.ts';

/** Asks in order: the first that allows decides. Who is refused hears every reason. */
export function unionAuthorizer(...authorizers: readonly Authorizer[]): Authorizer {
  return {
    async authorize(attributes) {
      const reasons: string[] = [];
      for (const authorizer of authorizers) {
        const decision = await authorizer.authorize(attributes);
        if (decision.allowed) return decision;
        if (decision.reason !== '') reasons.push(decision.reason);
      }
      return { allowed: false, reason: reasons.join('\n') };
    },
  };
}

export const privilegedGroup = 'system:masters';

/** Members of `system:masters` may do everything, whatever is stored. */
export const privilegedAuthorizer: Authorizer = {
  authorize: async ({ user }) => ({ allowed: user.groups.includes(privilegedGroup), reason: '' }),
};
