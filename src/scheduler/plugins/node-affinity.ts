import type { NodeAffinity } from '#api/core/types.generated.ts';
import type { FilterPlugin, ScorePlugin } from '../plugin.ts';
import { matchAnyTerm, matchLabels, matchTerm, type NodeMatcher } from '../node-selector.ts';

const name = 'NodeAffinity';

interface Required {
  /** By the pod, and by the configuration of the scheduler. */
  readonly own: readonly NodeMatcher[];
  readonly added: readonly NodeMatcher[];
}

/**
 * `nodeSelector` and required node affinity must both match, and what the configuration adds for all pods. The pin to
 * one node is applied before any filter.
 */
export function nodeAffinityWith(affinity: NodeAffinity = {}): FilterPlugin<Required> {
  const terms = affinity.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const added = terms === undefined ? [] : [matchAnyTerm(terms)];
  return {
    name,
    reads: 'node',
    preFilter({ nodeSelector, requiredNodes }) {
      const own: NodeMatcher[] = [];
      if (nodeSelector !== undefined) own.push(matchLabels(nodeSelector));
      if (requiredNodes !== undefined) own.push(matchAnyTerm(requiredNodes.nodeSelectorTerms));
      return own.length + added.length === 0 ? undefined : { own, added };
    },
    filter: ({ own }, node) => added.every((matches) => matches(node)) && own.every((matches) => matches(node)),
    refusals({ own }, node) {
      const refusal = (reason: string) => [{ plugin: name, reason, curable: false }];
      if (!added.every((matches) => matches(node)))
        return refusal("node(s) didn't match scheduler-enforced node affinity");
      if (own.every((matches) => matches(node))) return [];
      return refusal("node(s) didn't match Pod's node affinity/selector");
    },
  };
}

interface Preference {
  readonly weight: number;
  readonly matches: NodeMatcher;
}

/** The sum of the weights of the preferred terms that a node matches: the pod's, and those of the configuration. */
export const nodeAffinityScoreWith = (affinity: NodeAffinity = {}): ScorePlugin<readonly Preference[]> => ({
  name,
  reads: 'node',
  normalize: 'highest',
  preScore({ preferredNodes }) {
    const preferences = [...(affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []), ...preferredNodes]
      .filter(({ weight }) => weight > 0)
      .map(({ weight, preference }) => ({ weight, matches: matchTerm(preference) }));
    return preferences.length === 0 ? undefined : preferences;
  },
  score: (preferences, node) =>
    preferences.reduce((sum, { weight, matches }) => (matches(node) ? sum + weight : sum), 0),
});
