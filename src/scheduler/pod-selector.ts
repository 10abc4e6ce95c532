import type { PodAffinityTerm, TopologySpreadConstraint } from '#api/core/types.generated.ts';
import { LabelRequirements, selectorOf, type Requirement, type Selector } from '#machinery/labels.ts';
import type { Demand } from './demand.ts';

type Labels = Readonly<Record<string, string>>;

/** The requirements that `matchLabelKeys` and `mismatchLabelKeys` add: as the pod itself is labelled, or otherwise. */
function keyRequirements(
  labels: Labels,
  match: readonly string[],
  mismatch: readonly string[],
): readonly Requirement[] {
  const of = (keys: readonly string[], operator: 'in' | 'notin') =>
    keys.flatMap((key) => {
      const value = labels[key];
      return value === undefined ? [] : [{ key, operator, values: [value] }]; // keys the pod lacks are ignored
    });
  return [...of(match, 'in'), ...of(mismatch, 'notin')];
}

function both(selector: Selector, requirements: readonly Requirement[]): Selector {
  if (requirements.length === 0) return selector;
  const more = new LabelRequirements(requirements);
  return {
    matches: (labels) => selector.matches(labels) && more.matches(labels),
    toString: () => `${selector.toString()},${more.toString()}`,
  };
}

/** Which pods of the pod's own namespace a spread constraint counts. */
export function spreadSelector(constraint: TopologySpreadConstraint, labels: Labels): Selector {
  return both(selectorOf(constraint.labelSelector), keyRequirements(labels, constraint.matchLabelKeys ?? [], []));
}

/** Says whether a pod with these labels in this namespace is meant by an affinity term. */
export type TermMatcher = (namespace: string, labels: Labels) => boolean;

/**
 * Prepares a term of a pod with the given demands. Without namespaces it means the pod's own; an empty
 * `namespaceSelector` means all. Others are refused before they get here (`undecidable`).
 */
export function termMatcher(term: PodAffinityTerm, { namespace = '', labels = {} }: Demand): TermMatcher {
  const requirements = keyRequirements(labels, term.matchLabelKeys ?? [], term.mismatchLabelKeys ?? []);
  const selector = both(selectorOf(term.labelSelector), requirements);
  const everywhere = term.namespaceSelector !== undefined;
  const named = new Set(term.namespaces ?? []);
  if (named.size === 0 && !everywhere) named.add(namespace);
  return (other, otherLabels) => (everywhere || named.has(other)) && selector.matches(otherLabels);
}
