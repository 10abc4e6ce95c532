import { selectorOf, type Selector } from '#machinery/labels.ts';
import { matchAnyTerm, type NodeMatcher } from '../node-selector.ts';
import type { NodeView } from '../node-view.ts';
import type { UnboundClaim } from './volume-demand.ts';
import type { VolumeBook } from './volume-book.ts';
import type { Pool } from './volume-pools.ts';

/** An unbound claim, read once. */
export interface PreparedClaim {
  readonly claim: UnboundClaim;
  readonly selector: Selector | undefined;
  readonly reservedReaches: NodeMatcher | undefined;
}

export function prepareUnbound(claim: UnboundClaim): PreparedClaim {
  const affinity = claim.reserved?.affinity;
  return {
    claim,
    selector: claim.selector === undefined ? undefined : selectorOf(claim.selector),
    reservedReaches: affinity === undefined ? undefined : matchAnyTerm(affinity.nodeSelectorTerms),
  };
}

export type Match =
  /** By claim: the volume that is free for it, or undefined for one that is to be made. */
  { readonly volumes: readonly (string | undefined)[] } | { readonly reason: typeof noVolume | typeof noSpace };

export const noVolume = "node(s) didn't find available persistent volumes to bind";
export const noSpace = 'node(s) did not have enough free storage';

/**
 * Finds each claim a volume that the node reaches, or somebody who makes one.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding (FindPodVolumes).
 */
export function matchUnbound(claims: readonly PreparedClaim[], node: NodeView, book: VolumeBook): Match {
  if (claims.some(({ claim }) => claim.selectedNode !== undefined && claim.selectedNode !== node.name)) {
    return { reason: noVolume };
  }
  const taken = new Map<Pool, number>();
  const volumes = claims.map((prepared) => findVolume(prepared, node, book, taken));
  let reason: typeof noVolume | typeof noSpace | undefined;
  for (const [index, { claim }] of claims.entries()) {
    if (volumes[index] !== undefined || reason !== undefined) continue;
    reason = provisioningRefusal(claim, node, book);
  }
  return reason === undefined ? { volumes } : { reason };
}

function findVolume(
  { claim, selector, reservedReaches }: PreparedClaim,
  node: NodeView,
  book: VolumeBook,
  taken: Map<Pool, number>,
): string | undefined {
  if (claim.selectedNode !== undefined) return undefined;
  if (claim.reserved !== undefined) {
    return reservedReaches === undefined || reservedReaches(node) ? claim.reserved.name : undefined;
  }
  const found = book.pools.find(claim, selector, node, taken);
  if (found !== undefined) taken.set(found.pool, (taken.get(found.pool) ?? 0) + 1);
  return found?.name;
}

function provisioningRefusal({ provision, className, bytes }: UnboundClaim, node: NodeView, book: VolumeBook) {
  if (provision === undefined) return noVolume;
  const { topologies, checksCapacity } = provision;
  const isAllowed = topologies.some(
    ({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.length > 0 &&
      matchLabelExpressions.every(({ key, values }) => values.includes(node.label(key) ?? '\0')),
  );
  if (topologies.length > 0 && !isAllowed) return noVolume;
  if (!checksCapacity) return undefined;
  const labels = node.table.nodeAt(node.row)?.metadata?.labels ?? {};
  return book.hasCapacity(className, bytes, labels) ? undefined : noSpace;
}
