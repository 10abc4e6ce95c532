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
  const mean = (sum: number, weightSum: number) => {
    if (weightSum === 0) return 0;
    return isRatio ? Math.round(sum / weightSum) : Math.floor(sum / weightSum);
  };
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
      return mean(sum, weightSum);
    },
    scoreRows({ resources, weights, amounts }, { table, end, refused }, weight, totals) {
      const columns = resources.map((id, index) => ({
        capacity: table.allocatable[id]!, // every resource has its columns, and they reach to `end`
        used: table.nominalUse(id),
        amount: amounts[index] ?? 0,
        weight: weights[index] ?? 0,
      }));
      for (let row = 0; row < end; row++) {
        if (refused[row] !== 0) continue;
        let [sum, weightSum] = [0, 0];
        for (const column of columns) {
          const capacity = column.capacity[row]!;
          if (capacity === 0) continue;
          const score = scorer(column.used[row]! + column.amount, capacity);
          if (score === 0 && isRatio) continue;
          sum += column.weight * score;
          weightSum += column.weight;
        }
        totals[row]! += weight * mean(sum, weightSum);
      }
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
      const shares = new Shares();
      for (let index = 0; index < resources.length; index++) {
        const id = resources[index] ?? 0;
        shares.add(id, node.used(id) + (amounts[index] ?? 0), node.allocatable(id));
      }
      return shares.balance;
    },
    scoreRows({ resources, amounts }, { table, end, refused }, weight, totals) {
      const columns = resources.map((id, index) => ({
        id,
        capacity: table.allocatable[id]!, // every resource has its columns, and they reach to `end`
        used: table.used[id]!,
        amount: amounts[index] ?? 0,
      }));
      const shares = new Shares();
      for (let row = 0; row < end; row++) {
        if (refused[row] !== 0) continue;
        shares.clear();
        for (const { id, used, amount, capacity } of columns) shares.add(id, used[row]! + amount, capacity[row]!);
        totals[row]! += weight * shares.balance;
      }
    },
  };
}

/** What a node's resources would be in use to, as shares of 1. */
class Shares {
  #count = 0;
  #sum = 0;
  #squares = 0;
  #lowest = 1;
  #highest = 0;

  clear(): void {
    this.#count = 0;
    this.#sum = 0;
    this.#squares = 0;
    this.#lowest = 1;
    this.#highest = 0;
  }

  add(id: number, used: number, capacity: number): void {
    if (capacity === 0 && id !== resource.cpu && id !== resource.memory) return; // the node has none of it
    const share = capacity === 0 ? 1 : Math.min(1, used / capacity);
    this.#count++;
    this.#sum += share;
    this.#squares += share * share;
    if (share < this.#lowest) this.#lowest = share;
    if (share > this.#highest) this.#highest = share;
  }

  get balance(): number {
    if (this.#count < 2) return scoreMax;
    // Of two shares it is half their difference: without a root, and without its errors.
    if (this.#count === 2) return Math.floor((1 - (this.#highest - this.#lowest) / 2) * scoreMax);
    const variance = this.#squares / this.#count - (this.#sum / this.#count) ** 2;
    return Math.floor((1 - Math.sqrt(Math.max(0, variance))) * scoreMax);
  }
}

interface Balanced {
  readonly resources: readonly number[];
  readonly amounts: readonly number[];
}
