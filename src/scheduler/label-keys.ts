import type { PodAffinityTerm, PodSpec, TopologySpreadConstraint } from '#api/core/types.generated.ts';

interface KeyedSelector {
  readonly labelSelector?: PodAffinityTerm['labelSelector'];
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

/** Keys of the labels that a term or constraint reads in pods, its own pod's included. */
export function keysOf({ labelSelector, matchLabelKeys, mismatchLabelKeys }: KeyedSelector): readonly string[] {
  return [
    ...Object.keys(labelSelector?.matchLabels ?? {}),
    ...(labelSelector?.matchExpressions ?? []).map(({ key }) => key),
    ...(matchLabelKeys ?? []),
    ...(mismatchLabelKeys ?? []),
  ];
}

/** Keys of its own labels that decide where a pod goes, as far as that is up to its own terms and constraints. */
export function ownKeysOf(
  { affinity }: Partial<PodSpec>,
  spread: readonly TopologySpreadConstraint[],
): readonly string[] {
  const weighted = [
    ...(affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
  ];
  const keyed: readonly KeyedSelector[] = [
    ...(affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...weighted.map(({ podAffinityTerm }) => podAffinityTerm),
    ...spread,
  ];
  return keyed.flatMap(keysOf);
}

/** Those of `labels` whose keys are in `keys`, in the order of the keys' names: equal pods have equal ones. */
export function pickLabels(
  labels: Readonly<Record<string, string>>,
  keys: ReadonlySet<string>,
): Readonly<Record<string, string>> {
  const picked: Record<string, string> = {};
  for (const key of Object.keys(labels).toSorted()) {
    const value = labels[key];
    if (value !== undefined && keys.has(key)) picked[key] = value;
  }
  return picked;
}
