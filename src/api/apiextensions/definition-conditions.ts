import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from './types.generated.ts';

export type ConditionType = 'NamesAccepted' | 'Established' | 'Terminating' | 'KubernetesAPIApprovalPolicyConformant';

export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export function isTrue({ status }: CustomResourceDefinition, type: ConditionType): boolean {
  return status?.conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
}

/** The conditions with one of them set; its time moves only with its status. The same list if nothing changes. */
export function withDefinitionCondition(
  conditions: readonly CustomResourceDefinitionCondition[],
  condition: CustomResourceDefinitionCondition & { readonly type: ConditionType },
  now: string,
): readonly CustomResourceDefinitionCondition[] {
  const current = conditions.find(({ type }) => type === condition.type);
  if (current === undefined) return [...conditions, { lastTransitionTime: now, ...condition }];
  const { status, reason, message } = condition;
  if (current.status === status && current.reason === reason && current.message === message) return conditions;
  const lastTransitionTime = current.status === status ? (current.lastTransitionTime ?? now) : now;
  return conditions.map((each) => (each === current ? { ...each, ...condition, lastTransitionTime } : each));
}
