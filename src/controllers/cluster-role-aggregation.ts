import { aggregatedRules } from '#api/rbac/aggregation.ts';
import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { sameValue } from '#api/rules/fields.ts';
import { type Controller, wakesOn } from './controller.ts';

/** Keeps the rules of roles that are made of others (`aggregationRule`) what the others' are. */
export const clusterRoleAggregationController: Controller = {
  name: 'clusterrole-aggregation-controller',
  wakesOn: [
    wakesOn(ClusterRole, (_event, cache) =>
      cache.list(ClusterRole).flatMap((role) => (isAggregated(role) ? [role.metadata?.name ?? ''] : [])),
    ),
  ],
  keys: (cache) => cache.list(ClusterRole).flatMap((role) => (isAggregated(role) ? [role.metadata?.name ?? ''] : [])),
  async reconcile(key, { cache, client, signal }) {
    const role = cache.get(ClusterRole, key);
    if (role === undefined || !isAggregated(role)) return;
    const rules = aggregatedRules(role, cache.list(ClusterRole));
    if (sameValue(rules, role.rules ?? [])) return;
    await client.update(ClusterRole, { ...role, rules }, { signal });
  },
};

const isAggregated = ({ aggregationRule }: ClusterRole) => aggregationRule !== undefined;
