import { resource, type NodeTable } from '../node-table.ts';
import { scoreMax, type ScorePlugin } from '../plugin.ts';
import type { Demand } from '../demand.ts';

/** How the share of a node's capacity that would be in use (0…1) becomes a score. */
export type UtilizationShape = readonly { readonly utilization: number; readonly score: number }[];

export type ScoringStrategy =
  /** Spread: the emptier, the better. Upstream's default, and Swarm's idea of spread by load. */
  | { readonly type: 'LeastAllocated'; readonly resources?: Readonly<Record<string, number>> }
  /** Binpack: the fuller, the better. */
  | { readonly type: 'MostAllocated'; readonly resources?: Readonly<Record<string, number>> }
  /** Score by a bent line over utilization in percent; scores 0…10, as upstream configures them. */
  | {
      readonly type: 'RequestedToCapacityRatio';
      readonly resources?: Readonly<Record<string, number>>;
      readonly shape: UtilizationShape;
    };

interface Asked {
  readonly resources: readonly number[];
  readonly weights: readonly number[];
  readonly amounts: readonly number[];
}

/** Scores one resource: `used` includes the pod to be placed; `capacity` is positive. */
type ResourceScorer = (used: number, capacity: number) => number;

/**
 * Scores nodes by how much of them would be in use with the pod there. Containers without requests count with
 * nominal amounts. Whole-number arithmetic and weights as upstream's; resources a node has none of do not count.
 */
export function nodeResourcesScore(strategy: ScoringStrategy): ScorePlugin<Asked> {
  const scorer = scorerOf(strategy);
  const isRatio = strategy.type === 'RequestedToCapacityRatio';
  const weightOf = strategy.resources ?? { cpu: 1, memory: 1 };
  return {
    name: 'NodeResourcesFit',
    reads: 'use',
    normalize: 'none',
    preScore: (demand, table) => askedOf(demand, table, weightOf),
    score({ resources, weights, amounts }, node) {
      let [sum, weightSum] = [0, 0];
      for (let index = 0; index < resources.length; index++) {
        const id = resources[index] ?? 0;
        const capacity = node.allocatable(id);
        if (capacity === 0) continue;
        const weight = weights[index] ?? 0;
        const score = scorer(node.nominallyUsed(id) + (amounts[index] ?? 0), capacity);
        if (score === 0 && isRatio) continue; // by a shape of one's own, a resource without points has no say
        sum += weight * score;
        weightSum += weight;
      }
      if (weightSum === 0) return 0;
      return isRatio ? Math.round(sum / weightSum) : Math.floor(sum / weightSum);
    },
  };
}

function askedOf(demand: Demand, table: NodeTable, weightOf: Readonly<Record<string, number>>): Asked {
  const asked = Object.entries(weightOf).filter(
    ([name]) => name === 'cpu' || name === 'memory' || (demand.requests.get(name) ?? 0) > 0,
  );
  return {
    resources: asked.map(([name]) => table.resourceId(name)),
    weights: asked.map(([, weight]) => weight),
    amounts: asked.map(([name]) => nominalAmount(demand, name)),
  };
}

function nominalAmount(demand: Demand, name: string): number {
  if (name === 'cpu') return demand.nominalCpuMilli;
  if (name === 'memory') return demand.nominalMemoryBytes;
  return demand.requests.get(name) ?? 0;
}

function scorerOf(strategy: ScoringStrategy): ResourceScorer {
  switch (strategy.type) {
    case 'LeastAllocated':
      return (used, capacity) => (used > capacity ? 0 : Math.floor(((capacity - used) * scoreMax) / capacity));
    case 'MostAllocated':
      return (used, capacity) => Math.floor((Math.min(used, capacity) * scoreMax) / capacity);
    case 'RequestedToCapacityRatio': {
      const shape = strategy.shape.toSorted((a, b) => a.utilization - b.utilization);
      return (used, capacity) => onShape(shape, used > capacity ? 100 : Math.floor((used * 100) / capacity));
    }
  }
}

/** Upstream's shapes score 0…10 and count tenfold. */
function onShape(shape: UtilizationShape, utilization: number): number {
  for (const [index, point] of shape.entries()) {
    if (utilization > point.utilization) continue;
    const before = shape[index - 1];
    if (before === undefined) return point.score * 10;
    const way = (utilization - before.utilization) / (point.utilization - before.utilization);
    return Math.trunc((before.score + (point.score - before.score) * way) * 10);
  }
  return (shape.at(-1)?.score ?? 0) * 10;
}

/**
 * Nodes whose resources would be in use in equal shares are better: 100 less the standard deviation of the shares in
 * percent. Counts real requests only, as upstream does.
 */
export function nodeResourcesBalancedOver(names: readonly string[] = ['cpu', 'memory']): ScorePlugin<Balanced> {
  return {
    name: 'NodeResourcesBalancedAllocation',
    reads: 'use',
    normalize: 'none',
    preScore({ requests }, table) {
      const amounts = names.map((name) => requests.get(name) ?? 0);
      if (amounts.every((amount) => amount === 0)) return undefined; // a pod that asks for nothing tips no balance
      return { resources: names.map((name) => table.resourceId(name)), amounts };
    },
    score({ resources, amounts }, node) {
      let [count, sum, squares, lowest, highest] = [0, 0, 0, 1, 0];
      for (let index = 0; index < resources.length; index++) {
        const id = resources[index] ?? 0;
        const capacity = node.allocatable(id);
        if (capacity === 0 && id !== resource.cpu && id !== resource.memory) continue; // the node has none of it
        const share = capacity === 0 ? 1 : Math.min(1, (node.used(id) + (amounts[index] ?? 0)) / capacity);
        count++;
        sum += share;
        squares += share * share;
        lowest = Math.min(lowest, share);
        highest = Math.max(highest, share);
      }
      if (count < 2) return scoreMax;
      // Of two shares it is half their difference: without a root, and without its errors.
      if (count === 2) return Math.floor((1 - (highest - lowest) / 2) * scoreMax);
      return Math.floor((1 - Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2))) * scoreMax);
    },
  };
}

interface Balanced {
  readonly resources: readonly number[];
  readonly amounts: readonly number[];
}
