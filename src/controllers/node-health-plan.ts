import type { Node } from '#api/core/node.ts';
import type { NodeCondition } from '#api/core/types.generated.ts';
import { timestamp } from './pod-state.ts';

/** What the agent of a node says of itself from time to time, and what nobody knows once it is silent. */
const reported = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** The conditions of a node that has been silent too long; the very same array if they say so already. */
export function unknownConditions(node: Node, now: number): readonly NodeCondition[] {
  const current = node.status?.conditions ?? [];
  const time = timestamp(now);
  let changed = false;
  const conditions = [...current];
  for (const type of reported) {
    const index = conditions.findIndex((each) => each.type === type);
    const condition = conditions[index];
    if (condition?.status === 'Unknown') continue;
    changed = true;
    if (condition === undefined) {
      conditions.push({
        type,
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message: 'Kubelet never posted node status.',
        lastHeartbeatTime: node.metadata?.creationTimestamp ?? time,
        lastTransitionTime: time,
      });
    } else {
      conditions[index] = {
        ...condition,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: time,
      };
    }
  }
  return changed ? conditions : current;
}

/** How the nodes of one zone fare. */
export type ZoneState = 'normal' | 'partial' | 'full';

/** From this share of silent nodes on (and at least three), the fault is more likely ours than theirs. */
const unhealthyShare = 0.55;

export function zoneStateOf(nodes: readonly Node[]): ZoneState {
  const bad = nodes.filter(
    ({ status }) => status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'True',
  ).length;
  if (bad > 0 && bad === nodes.length) return 'full';
  return bad > 2 && bad / nodes.length >= unhealthyShare ? 'partial' : 'normal';
}

const zoneLabels = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'] as const;

export function zoneOf({ metadata }: Node): string {
  return zoneLabels.map((label) => metadata?.labels?.[label] ?? '').join('/');
}

/** Zones up to this size stop evicting when partly down; larger ones slow down. */
const smallZoneMax = 50;

export interface EvictionRates {
  /** Nodes a second whose pods may be driven away, in a zone that works. */
  readonly normal: number;
  /** The same in a large zone that is partly down. */
  readonly reduced: number;
}

/**
 * How many nodes a second may start to drive their pods away in one zone. When every zone is down the nodes cannot
 * all have died: it is us who are cut off, and nothing is evicted.
 */
export function evictionRate(
  zone: readonly Node[],
  others: readonly (readonly Node[])[],
  rates: EvictionRates,
): number {
  const state = zoneStateOf(zone);
  if (state === 'full') return others.every((each) => zoneStateOf(each) === 'full') ? 0 : rates.normal;
  if (state === 'normal') return rates.normal;
  return zone.length > smallZoneMax ? rates.reduced : 0;
}
