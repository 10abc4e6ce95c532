/** What all workload conditions have in common. Times are RFC 3339. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/**
 * `conditions` with `condition` in place of the one of its type. Nothing changes while status and reason stay the
 * same; the time of the last transition is kept while the status does.
 */
export function withCondition<C extends Condition>(conditions: readonly C[], condition: C): readonly C[] {
  const current = conditions.find(({ type }) => type === condition.type);
  if (current?.status === condition.status && current.reason === condition.reason) return conditions;
  const kept =
    current?.status === condition.status && current.lastTransitionTime !== undefined
      ? { ...condition, lastTransitionTime: current.lastTransitionTime }
      : condition;
  return [...withoutCondition(conditions, condition.type), kept];
}

export function withoutCondition<C extends Condition>(conditions: readonly C[], type: string): readonly C[] {
  return conditions.some((each) => each.type === type) ? conditions.filter((each) => each.type !== type) : conditions;
}
