import type { FilterPlugin, ScorePlugin } from '../plugin.ts';
import { matchAnyTerm, matchLabels, matchTerm, type NodeMatcher } from '../node-selector.ts';

const name = 'NodeAffinity';

/** `nodeSelector` and required node affinity must both match. The pin to one node is applied before any filter. */
export const nodeAffinity = {
  name,
  reads: 'node',
  preFilter({ nodeSelector, requiredNodes }) {
    const matchers: NodeMatcher[] = [];
    if (nodeSelector !== undefined) matchers.push(matchLabels(nodeSelector));
    if (requiredNodes !== undefined) matchers.push(matchAnyTerm(requiredNodes.nodeSelectorTerms));
    return matchers.length === 0 ? undefined : matchers;
  },
  filter: (matchers, node) => matchers.every((matches) => matches(node)),
  refusals(matchers, node) {
    if (matchers.every((matches) => matches(node))) return [];
    return [{ plugin: name, reason: "node(s) didn't match Pod's node affinity/selector", curable: false }];
  },
} satisfies FilterPlugin<readonly NodeMatcher[]>;

interface Preference {
  readonly weight: number;
  readonly matches: NodeMatcher;
}

/** The sum of the weights of the preferred terms that a node matches. */
export const nodeAffinityScore = {
  name,
  reads: 'node',
  normalize: 'highest',
  preScore({ preferredNodes }) {
    const preferences = preferredNodes
      .filter(({ weight }) => weight > 0)
      .map(({ weight, preference }) => ({ weight, matches: matchTerm(preference) }));
    return preferences.length === 0 ? undefined : preferences;
  },
  score: (preferences, node) =>
    preferences.reduce((sum, { weight, matches }) => (matches(node) ? sum + weight : sum), 0),
} satisfies ScorePlugin<readonly Preference[]>;
