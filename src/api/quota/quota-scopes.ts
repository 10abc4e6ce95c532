import type { ApiObject } from '#machinery/object.ts';
import type { ResourceQuota } from '../core/resource-quota.ts';
import type { QuotaEvaluator, ScopeRequirement } from './quota-evaluator.ts';

/** A scope of the old list is one that the object must just have. */
export function scopesOf({ spec }: ResourceQuota): readonly ScopeRequirement[] {
  return [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(spec?.scopeSelector?.matchExpressions ?? []),
  ];
}

/** Whether an object is in all of a quota's scopes. */
export function isInScopes(quota: ResourceQuota, evaluator: QuotaEvaluator, object: ApiObject): boolean {
  return scopesOf(quota).every((requirement) => evaluator.matchesScope(requirement, object));
}
