/** What a placement is worth: how full nodes are, how evenly pods are spread. Pure. */
import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import { selectorOf } from '#machinery/labels.ts';
import { toMilli } from '#machinery/quantity.ts';
import { podRequests } from '#scheduler/requests.ts';

export interface Packing {
  /** Nodes with at least one pod. */
  readonly nodesUsed: number;
  /**
   * No scheduler needs fewer: in the dimension that is scarcest, so many of the largest nodes there are hold what all
   * pods request.
   */
  readonly lowerBound: number;
  /** What pods request of what the nodes in use have, 0 to 1. */
  readonly cpu: number;
  readonly memory: number;
}

const dimensions = ['cpu', 'memory', 'pods'] as const;

/** Pods that hold room: on a node, and neither ended nor on their way out. */
export const isHolding = ({ spec, status, metadata }: Pod) =>
  spec.nodeName !== undefined &&
  status?.phase !== 'Succeeded' &&
  status?.phase !== 'Failed' &&
  metadata?.deletionTimestamp === undefined;

export const isWaiting = ({ spec, status, metadata }: Pod) =>
  spec.nodeName === undefined && status?.phase !== 'Failed' && metadata?.deletionTimestamp === undefined;

/** How well `pods`, each of which holds room, are packed on `nodes`. */
export function packingOf(nodes: readonly Node[], pods: readonly Pod[]): Packing {
  const used = new Set(pods.map(({ spec }) => spec.nodeName));
  const requested = new Map<string, number>([['pods', pods.length]]);
  for (const pod of pods) {
    const requests = podRequests(pod);
    for (const name of ['cpu', 'memory']) requested.set(name, (requested.get(name) ?? 0) + (requests.get(name) ?? 0));
  }
  const inUse = nodes.filter(({ metadata }) => used.has(metadata?.name ?? ''));
  const share = (name: string) => {
    const capacity = sum(inUse.map((node) => capacityOf(node, name)));
    return capacity === 0 ? 0 : (requested.get(name) ?? 0) / capacity;
  };
  const bounds = dimensions.map((name) =>
    fewest(
      nodes.map((node) => capacityOf(node, name)),
      requested.get(name) ?? 0,
    ),
  );
  return { nodesUsed: inUse.length, lowerBound: Math.max(...bounds), cpu: share('cpu'), memory: share('memory') };
}

/** In the scheduler's units: cpu in thousandths, else units. */
function capacityOf({ status }: Node, name: string): number {
  const amount = status?.allocatable?.[name] ?? 0;
  return name === 'cpu' ? toMilli(amount) : toMilli(amount) / 1000;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function fewest(capacities: readonly number[], amount: number): number {
  let [left, count] = [amount, 0];
  for (const capacity of capacities.toSorted((a, b) => b - a)) {
    if (left <= 0) break;
    left -= capacity;
    count++;
  }
  return count;
}

export interface Skew {
  /** The most by which two domains differ in pods of one spread constraint, and whose constraint that is. */
  readonly most: number;
  readonly of: string | undefined;
  /** Spread constraints that were looked at; equal ones count once. */
  readonly constraints: number;
}

/**
 * The worst skew of all topology spread constraints that pods carry, hard ones and soft ones, over the domains of
 * `nodes`. Node affinity and taints are not regarded.
 */
export function skewOf(nodes: readonly Node[], pods: readonly Pod[]): Skew {
  const labelsOf = new Map(nodes.map(({ metadata }) => [metadata?.name ?? '', metadata?.labels ?? {}]));
  const seen = new Set<string>();
  let [most, of] = [0, undefined as string | undefined];
  const byNamespace = Map.groupBy(pods, ({ metadata }) => metadata?.namespace ?? '');
  for (const [namespace, members] of byNamespace) {
    for (const { spec } of members) {
      for (const { topologyKey, labelSelector } of spec.topologySpreadConstraints ?? []) {
        const key = JSON.stringify([namespace, topologyKey, labelSelector]);
        if (seen.has(key)) continue;
        seen.add(key);
        const counts = new Map<string, number>();
        for (const labels of labelsOf.values()) {
          const domain = labels[topologyKey];
          if (domain !== undefined) counts.set(domain, 0);
        }
        const selector = selectorOf(labelSelector);
        for (const { metadata, spec: other } of members) {
          const domain = labelsOf.get(other.nodeName ?? '')?.[topologyKey];
          if (domain !== undefined && selector.matches(metadata?.labels ?? {}))
            counts.set(domain, (counts.get(domain) ?? 0) + 1);
        }
        const skew = counts.size === 0 ? 0 : Math.max(...counts.values()) - Math.min(...counts.values());
        if (skew > most) [most, of] = [skew, `${namespace} ${JSON.stringify(labelSelector)} over ${topologyKey}`];
      }
    }
  }
  return { most, of, constraints: seen.size };
}
