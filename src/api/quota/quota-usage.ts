import type { ApiObject } from '#machinery/object.ts';
import { addResources, pickResources, type ResourceList } from '#machinery/resource-list.ts';
import type { ResourceQuota } from '../core/resource-quota.ts';
import type { QuotaEvaluator } from './quota-evaluator.ts';
import { isInScopes } from './quota-scopes.ts';

/** All objects of one kind in a quota's namespace. */
export interface CountedObjects {
  readonly evaluator: QuotaEvaluator;
  readonly objects: readonly ApiObject[];
}

/** What `counted` use of what `quota` limits; names that none of them counts for are left out. */
export function usageOf(quota: ResourceQuota, counted: readonly CountedObjects[], now: number): ResourceList {
  let used: ResourceList = {};
  for (const { evaluator, objects } of counted) {
    const names = Object.keys(quota.spec?.hard ?? {}).filter((name) => evaluator.counts(name));
    if (names.length === 0) continue;
    used = addResources(used, Object.fromEntries(names.map((name) => [name, '0'])));
    for (const object of objects) {
      if (!isInScopes(quota, evaluator, object)) continue;
      used = addResources(
        used,
        pickResources(evaluator.usage(object, now), (name) => names.includes(name)),
      );
    }
  }
  return used;
}
