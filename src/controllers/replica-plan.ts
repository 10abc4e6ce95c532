import type { Pod } from '#api/core/pod.ts';
import { leastUsefulFirst } from './pod-deletion-order.ts';
import { availableAt, isActive, isReady, isTerminating } from './pod-state.ts';

/** What a ReplicaSet or ReplicationController asks for. */
export interface ReplicaDemand {
  readonly replicas: number;
  readonly minReadySeconds: number;
  /** Labels of the template, which a fully labelled pod carries. */
  readonly labels: Readonly<Record<string, string>>;
  readonly isDeleting: boolean;
}

export interface ReplicaPlan {
  /** Pods to create. */
  readonly create: number;
  readonly remove: readonly Pod[];
}

/** The counts of the status; a field is absent where upstream leaves out zeros. */
export interface ReplicaCounts {
  readonly replicas: number;
  readonly fullyLabeledReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
}

/** The most pods created or deleted in one pass, so that one set does not keep all others waiting. */
const burstMax = 500;

/**
 * What brings the owned `pods` to the count asked for. `related` are the active pods of the same workload (of all
 * ReplicaSets of one Deployment): nodes with many of them give up theirs first.
 */
export function planReplicas(
  demand: ReplicaDemand,
  pods: readonly Pod[],
  related: readonly Pod[],
  now: number,
): ReplicaPlan {
  const active = pods.filter(isActive);
  const surplus = active.length - demand.replicas;
  if (demand.isDeleting || surplus === 0) return { create: 0, remove: [] };
  if (surplus < 0) return { create: Math.min(-surplus, burstMax), remove: [] };
  const count = Math.min(surplus, burstMax);
  const ordered = count < active.length ? active.toSorted(leastUsefulFirst(now, related)) : active;
  return { create: 0, remove: ordered.slice(0, count) };
}

export function countReplicas(demand: ReplicaDemand, pods: readonly Pod[], now: number): ReplicaCounts {
  const active = pods.filter(isActive);
  const ready = active.filter(isReady);
  const available = ready.filter((pod) => (availableAt(pod, demand.minReadySeconds) ?? Infinity) <= now);
  const labels = Object.entries(demand.labels);
  const labelled = active.filter(({ metadata }) => labels.every(([key, value]) => metadata?.labels?.[key] === value));
  return {
    replicas: active.length,
    ...withoutZeros({
      fullyLabeledReplicas: labelled.length,
      readyReplicas: ready.length,
      availableReplicas: available.length,
    }),
  };
}

/** How many of `pods` are on their way out. */
export function countTerminating(pods: readonly Pod[]): number {
  return pods.filter(isTerminating).length;
}

/** Milliseconds until the next ready pod becomes available by the passing of time; undefined if none will. */
export function nextAvailableMs(demand: ReplicaDemand, pods: readonly Pod[], now: number): number | undefined {
  let next: number | undefined;
  if (demand.minReadySeconds === 0) return undefined;
  for (const pod of pods) {
    const at = isActive(pod) ? availableAt(pod, demand.minReadySeconds) : undefined;
    if (at !== undefined && at > now && (next === undefined || at - now < next)) next = at - now;
  }
  return next;
}

/** Drops zero counts, which Kubernetes does not write. */
export function withoutZeros<T extends Readonly<Record<string, number | undefined>>>(counts: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(counts).filter(([, value]) => value !== undefined && value !== 0),
  ) as Partial<T>;
}
