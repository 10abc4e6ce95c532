import type { Pod } from '#api/core/pod.ts';
import type { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import type { PodDisruptionBudgetStatus } from '#api/policy/types.generated.ts';
import { isReady, isTerminal, timeOf, timestamp } from './pod-state.ts';
import { resolve } from './rolling-limits.ts';

/** An eviction that was allowed but has not shown within this time did not happen. Upstream's value. */
const disruptedMsMax = 2 * 60_000;

export interface DisruptionState {
  readonly budget: PodDisruptionBudget;
  /** Pods that the budget selects. */
  readonly pods: readonly Pod[];
  /** How many pods their owners ask for in all; undefined if that cannot be told. */
  readonly expected: number | undefined;
  readonly now: number;
}

/** How many of the pods may be disrupted now. Undecidable budgets allow none. */
export function planDisruption({ budget, pods, expected, now }: DisruptionState): PodDisruptionBudgetStatus {
  const { minAvailable, maxUnavailable } = budget.spec;
  const candidates = pods.filter((pod) => !isTerminal(pod));
  const counted = wantsCount(budget) ? expected : candidates.length;
  const disruptedPods = stillDisrupted(budget, candidates, now);
  const healthy = candidates.filter(
    (pod) =>
      isReady(pod) &&
      pod.metadata?.deletionTimestamp === undefined &&
      !Object.hasOwn(disruptedPods, pod.metadata?.name ?? ''),
  ).length;
  let desired = 0;
  if (counted !== undefined && maxUnavailable !== undefined) {
    desired = Math.max(0, counted - resolve(maxUnavailable, counted, Math.ceil));
  } else if (counted !== undefined && minAvailable !== undefined) desired = resolve(minAvailable, counted, Math.ceil);
  const failed = counted === undefined;
  const allowed = failed || counted <= 0 ? 0 : Math.max(0, healthy - desired);
  const { generation } = budget.metadata ?? {};
  const reason = failed ? 'SyncFailed' : allowed > 0 ? 'SufficientPods' : 'InsufficientPods';
  const message = failed ? 'found no controllers for some of the pods' : '';
  const status = allowed > 0 ? 'True' : 'False';
  const current = budget.status?.conditions?.find(({ type }) => type === 'DisruptionAllowed');
  const lastTransitionTime = current?.status === status ? current.lastTransitionTime : timestamp(now);
  return {
    conditions: [
      ...(budget.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionAllowed'),
      {
        type: 'DisruptionAllowed',
        status,
        reason,
        message,
        lastTransitionTime,
        ...(generation === undefined ? {} : { observedGeneration: generation }),
      },
    ],
    currentHealthy: healthy,
    desiredHealthy: desired,
    disruptionsAllowed: allowed,
    expectedPods: counted ?? 0,
    ...(Object.keys(disruptedPods).length === 0 ? {} : { disruptedPods }),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

/** Percentages and what may be missing are of what the pods' owners ask for, not of what is there. */
export function wantsCount({ spec }: PodDisruptionBudget): boolean {
  return spec.maxUnavailable !== undefined || typeof spec.minAvailable === 'string';
}

/** Evictions that were allowed and whose pods are still there, not yet being deleted. */
function stillDisrupted(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  now: number,
): Readonly<Record<string, string>> {
  const entries = Object.entries(budget.status?.disruptedPods ?? {}).filter(([name, since]) => {
    const pod = pods.find(({ metadata }) => metadata?.name === name);
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) return false;
    return (timeOf(since) ?? 0) + disruptedMsMax > now;
  });
  return Object.fromEntries(entries);
}

/** Milliseconds until an allowed eviction must have shown; undefined if there is none. */
export function nextDisruptionMs({ disruptedPods = {} }: PodDisruptionBudgetStatus, now: number): number | undefined {
  const ends = Object.values(disruptedPods).map((since) => (timeOf(since) ?? 0) + disruptedMsMax - now);
  return ends.length === 0 ? undefined : Math.max(1000, Math.min(...ends));
}
