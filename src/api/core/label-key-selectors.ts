import type { Pod, PodAffinityTerm, PodSpec, WeightedPodAffinityTerm } from './types.generated.ts';

type Labels = Readonly<Record<string, string>>;

interface Keyed {
  readonly labelSelector?: PodAffinityTerm['labelSelector'];
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

/**
 * Writes what `matchLabelKeys` and `mismatchLabelKeys` of a new pod's affinity terms and spread constraints stand for
 * into their selectors: the pod's own labels, as they are now. Keys that it lacks, and terms without a selector, are
 * left alone; what stands there already is not written twice.
 * Source: k8s.io/kubernetes/pkg/registry/core/pod (mutatePodAffinity, mutateTopologySpreadConstraints).
 */
export function withLabelKeySelectors({ metadata, spec }: Pod): PodSpec {
  const labels = metadata?.labels ?? {};
  const { affinity, topologySpreadConstraints } = spec;
  const weighted = (term: WeightedPodAffinityTerm): WeightedPodAffinityTerm => ({
    ...term,
    podAffinityTerm: merged(term.podAffinityTerm, labels),
  });
  const terms = <T extends PodAffinityTerms>(of: T): T => {
    const required = of.requiredDuringSchedulingIgnoredDuringExecution?.map((term) => merged(term, labels));
    const preferred = of.preferredDuringSchedulingIgnoredDuringExecution?.map(weighted);
    return {
      ...of,
      ...(required === undefined ? {} : { requiredDuringSchedulingIgnoredDuringExecution: required }),
      ...(preferred === undefined ? {} : { preferredDuringSchedulingIgnoredDuringExecution: preferred }),
    };
  };
  return {
    ...spec,
    ...(affinity === undefined
      ? {}
      : {
          affinity: {
            ...affinity,
            ...(affinity.podAffinity === undefined ? {} : { podAffinity: terms(affinity.podAffinity) }),
            ...(affinity.podAntiAffinity === undefined ? {} : { podAntiAffinity: terms(affinity.podAntiAffinity) }),
          },
        }),
    ...(topologySpreadConstraints === undefined
      ? {}
      : { topologySpreadConstraints: topologySpreadConstraints.map((constraint) => merged(constraint, labels)) }),
  };
}

interface PodAffinityTerms {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[];
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly WeightedPodAffinityTerm[];
}

function merged<T extends Keyed>(term: T, labels: Labels): T {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term;
  if (labelSelector === undefined || matchLabelKeys.length + mismatchLabelKeys.length === 0) return term;
  const written = labelSelector.matchExpressions ?? [];
  const of = (keys: readonly string[], operator: 'In' | 'NotIn') =>
    keys.flatMap((key) => {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      const stands = written.some(
        (each) =>
          each.key === key && each.operator === operator && each.values?.length === 1 && each.values[0] === value,
      );
      return value === undefined || stands ? [] : [{ key, operator, values: [value] }];
    });
  const added = [...of(matchLabelKeys, 'In'), ...of(mismatchLabelKeys, 'NotIn')];
  if (added.length === 0) return term;
  return { ...term, labelSelector: { ...labelSelector, matchExpressions: [...written, ...added] } };
}
