import type { NodeTable } from '../node-table.ts';
import { scoreMax, type ScorePlugin } from '../plugin.ts';

interface Asked {
  readonly resources: readonly number[];
  readonly amounts: readonly number[];
}

/** A node whose shares of cpu and memory differ by this much is in balance still. */
const slack = 0.08;
/** An emptier node may be out of balance by this much of what its scarcest resource has left: others even it out. */
const slope = 0.9;
/** How many points of fullness a point of imbalance beyond that costs. */
const penalty = 12;

/**
 * Packs so that few nodes are needed: the fuller, the better, as with `MostAllocated`, but a node that would run out of
 * one resource while another is left over loses against an empty one. Filling by fullness alone strands what is left
 * over: with workloads that ask for cpu and memory in different proportions, and a fleet short of both, that costs a
 * sixth of the nodes; this costs a third of that (`packing` in bench/simulation.bench.ts; the constants were found with
 * traces of other seeds).
 */
export function binPackScore(resources: readonly string[] = ['cpu', 'memory']): ScorePlugin<Asked> {
  return {
    name: 'NodeResourcesFit',
    reads: 'use',
    normalize: 'none',
    preScore: (demand, table: NodeTable) => ({
      resources: resources.map((name) => table.resourceId(name)),
      amounts: resources.map((name) => demand.requests.get(name) ?? 0),
    }),
    score(asked, node) {
      let [fullest, emptiest] = [0, 1];
      for (let index = 0; index < asked.resources.length; index++) {
        const id = asked.resources[index] ?? 0;
        const capacity = node.allocatable(id);
        if (capacity === 0) continue;
        const share = Math.min(1, (node.used(id) + (asked.amounts[index] ?? 0)) / capacity);
        fullest = Math.max(fullest, share);
        emptiest = Math.min(emptiest, share);
      }
      const stranded = Math.max(0, fullest - emptiest - slack - slope * (1 - fullest));
      return Math.max(0, Math.floor((scoreMax / 2) * (1 + fullest - penalty * stranded)));
    },
  };
}
