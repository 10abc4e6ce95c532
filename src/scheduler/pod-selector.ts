import type { PodAffinityTerm, TopologySpreadConstraint } from '#api/core/types.generated.ts';
import { LabelRequirements, selectorOf, type Requirement, type Selector } from '#machinery/labels.ts';
import type { Demand } from './demand.ts';
import type { NamespaceLabels } from './namespace-labels.ts';

type Labels = Readonly<Record<string, string>>;

interface Keyed {
  readonly labelSelector?: PodAffinityTerm['labelSelector'];
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

/**
 * The requirements that `matchLabelKeys` and `mismatchLabelKeys` add: as the pod itself is labelled, or otherwise. The
 * API server writes them into the selector when the pod is created, and what it wrote stays when labels change; so
 * they are added only where it has not.
 */
function keyRequirements({ labelSelector, matchLabelKeys, mismatchLabelKeys }: Keyed, labels: Labels) {
  const written = labelSelector?.matchExpressions ?? [];
  const of = (keys: readonly string[] = [], operator: 'in' | 'notin', name: string): readonly Requirement[] =>
    keys.flatMap((key) => {
      const value = labels[key];
      const merged = written.some((each) => each.key === key && each.operator === name && each.values?.length === 1);
      return value === undefined || merged ? [] : [{ key, operator, values: [value] }]; // keys the pod lacks are ignored
    });
  return [...of(matchLabelKeys, 'in', 'In'), ...of(mismatchLabelKeys, 'notin', 'NotIn')];
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
  return both(selectorOf(constraint.labelSelector), keyRequirements(constraint, labels));
}

/** Says whether a pod with these labels in this namespace is meant by an affinity term. */
export type TermMatcher = (namespace: string, labels: Labels) => boolean;

/**
 * Prepares a term of a pod with the given demands. It means pods of the namespaces it names and of those it selects by
 * their labels (an empty `namespaceSelector` selects all); without either, of the pod's own.
 */
export function termMatcher(
  term: PodAffinityTerm,
  { namespace = '', labels = {} }: Demand,
  namespaces: NamespaceLabels,
): TermMatcher {
  const selector = both(selectorOf(term.labelSelector), keyRequirements(term, labels));
  const { namespaceSelector } = term;
  const named = new Set(term.namespaces ?? []);
  if (named.size === 0 && namespaceSelector === undefined) named.add(namespace);
  if (namespaceSelector === undefined) return (other, its) => named.has(other) && selector.matches(its);
  const { matchLabels = {}, matchExpressions = [] } = namespaceSelector;
  if (Object.keys(matchLabels).length + matchExpressions.length === 0) return (_, its) => selector.matches(its);
  const selected = selectorOf(namespaceSelector);
  return (other, its) => (named.has(other) || selected.matches(namespaces.of(other))) && selector.matches(its);
}
