import type { Authorizer } from './authorizer.ts';
import { ruleAllows, type RuleSource } from './rules.ts';

/** Allows what a rule of any of `sources` allows, and nothing else. */
export function ruleAuthorizer(...sources: readonly RuleSource[]): Authorizer {
  return {
    async authorize(attributes) {
      for (const source of sources) {
        const rules = await source.rulesFor(attributes.user, attributes.namespace);
        if (rules.some((rule) => ruleAllows(rule, attributes))) return { allowed: true, reason: '' };
      }
      return { allowed: false, reason: '' };
    },
  };
}
