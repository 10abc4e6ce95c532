import type { FilterPlugin } from '../plugin.ts';
import { matchAnyTerm, type NodeMatcher } from '../node-selector.ts';
import { matchUnbound, prepareUnbound, type PreparedClaim } from '../volumes/match-unbound.ts';
import type { VolumeBook } from '../volumes/volume-book.ts';

const name = 'VolumeBinding';

/** Claims that keep the pod from every node: it waits for somebody else to do something about them. */
export const volumeClaims = {
  name,
  reads: 'node',
  preFilter: ({ volumes }) => volumes?.refusal,
  filter: () => false,
  refusals: (reason) => [{ plugin: name, reason, curable: false, ofPod: true }],
} satisfies FilterPlugin<string>;

interface State {
  readonly bound: readonly NodeMatcher[];
  readonly hasLost: boolean;
  readonly unbound: readonly PreparedClaim[];
  readonly book: VolumeBook;
}

/**
 * The node must reach the volumes of bound claims; for the others there must be volumes that it reaches, or somebody
 * must be there to make them.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding.
 */
export const volumeBinding = {
  name,
  reads: 'use',
  preFilter({ volumes }, table) {
    if (volumes === undefined) return undefined;
    const { affinities, hasLost, unbound } = volumes;
    if (affinities.length + unbound.length === 0 && !hasLost) return undefined;
    return {
      bound: affinities.map(({ nodeSelectorTerms }) => matchAnyTerm(nodeSelectorTerms)),
      hasLost,
      unbound: unbound.map(prepareUnbound),
      book: table.volumes,
    };
  },
  filter({ bound, hasLost, unbound, book }, node) {
    if (hasLost || !bound.every((reaches) => reaches(node))) return false;
    return unbound.length === 0 || !('reason' in matchUnbound(unbound, node, book));
  },
  refusals({ bound, hasLost, unbound, book }, node) {
    const reasons: string[] = [];
    if (!bound.every((reaches) => reaches(node))) reasons.push('node(s) had volume node affinity conflict');
    const match = unbound.length === 0 ? undefined : matchUnbound(unbound, node, book);
    if (match !== undefined && 'reason' in match) reasons.push(match.reason);
    if (hasLost) reasons.push('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');
    return reasons.map((reason) => ({ plugin: name, reason, curable: false }));
  },
} satisfies FilterPlugin<State>;
