/** Source: kubernetes pkg/controller/clusterroleaggregation. */
import { selectorOf } from '#machinery/labels.ts';
import { sameValue } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

/**
 * The rules of a role that is made of others: those of every role that one of its selectors matches, selector by
 * selector and by name, each rule once. It never includes itself.
 */
export function aggregatedRules(
  { aggregationRule, metadata }: types.ClusterRole,
  roles: readonly types.ClusterRole[],
): readonly types.PolicyRule[] {
  const byName = roles.toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const rules: types.PolicyRule[] = [];
  for (const wanted of aggregationRule?.clusterRoleSelectors ?? []) {
    const selector = selectorOf(wanted);
    for (const role of byName) {
      if (role.metadata?.name === metadata?.name || !selector.matches(role.metadata?.labels)) continue;
      for (const rule of role.rules ?? []) if (!rules.some((known) => sameValue(known, rule))) rules.push(rule);
    }
  }
  return rules;
}
