import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import { keyOf, type ObjectRef } from '#machinery/object.ts';
import type { Explanation } from '../explain.ts';
import { Balance } from './balance.ts';
import { immovable } from './movable.ts';
import { complaints, type RuleName } from './rules.ts';

export interface RebalanceOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Fullness (requested of allocatable, the fuller of cpu and memory) from which on a node is hot. */
  readonly hot: number;
  /** What a move must be worth, 0 to 1: the difference in fullness, the share of replicas, 1 for a broken requirement. */
  readonly gainMin: number;
  /** Moves of one pass. */
  readonly movesMax: number;
  readonly ageMsMin: number;
}

export const rebalanceDefaults = { hot: 0.8, gainMin: 0.2, movesMax: 5, ageMsMin: 300_000 } as const;

/** Questions to the scheduler in one pass. */
const lookupsMax = 100;

export interface Move {
  readonly pod: Required<ObjectRef>;
  readonly uid: string;
  readonly from: string;
  /** Where the scheduler would put it now. */
  readonly to: string;
  readonly rule: RuleName;
  readonly gain: number;
  readonly because: string;
}

export interface MovePlan {
  readonly moves: readonly Move[];
  /** Pods that should move and may not, or would gain too little, with the reason; at most `passedOverMax`. */
  readonly passedOver: readonly { readonly pod: string; readonly rule: RuleName; readonly reason: string }[];
}

const passedOverMax = 100;

export interface RebalanceState {
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  /** The scheduler's answer for a pod: every node, the best first, as if it were to be placed again. */
  readonly why: (pod: Required<ObjectRef>) => Promise<Explanation | undefined>;
}

/**
 * Decides which pods to move. A move is made by evicting the pod: its workload makes a new one, which the scheduler
 * places. So the target is always the node that the scheduler likes best now, and a pod is moved only if being there
 * is worth `gainMin`: packing profiles keep their packing. One move a workload and a target in each pass: the next
 * pass sees what became of it. The only effect is the questions to `why`.
 */
export async function planMoves(state: RebalanceState, options: RebalanceOptions): Promise<MovePlan> {
  const balance = new Balance(state.nodes, state.pods);
  const moves: Move[] = [];
  const passedOver: MovePlan['passedOver'][number][] = [];
  const [considered, workloads, targets] = [new Set<string>(), new Set<string>(), new Set<string>()];
  let lookups = 0;
  for (const { pod, rule, because, gainOn } of complaints(balance, options)) {
    if (moves.length >= options.movesMax || lookups >= lookupsMax) break;
    const uid = pod.metadata?.uid ?? '';
    const workload = pod.metadata?.ownerReferences?.find(({ controller }) => controller === true)?.uid ?? uid;
    if (considered.has(`${uid} ${rule}`) || workloads.has(workload)) continue;
    considered.add(`${uid} ${rule}`);
    const ref = { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' };
    const pass = (reason: string) => {
      if (passedOver.length < passedOverMax) passedOver.push({ pod: keyOf(ref), rule, reason });
    };
    const obstacle = immovable(pod, options);
    if (obstacle !== undefined) {
      pass(obstacle);
      continue;
    }
    lookups++;
    const from = pod.spec.nodeName ?? '';
    const explanation = await state.why(ref);
    const to = explanation?.nodes.find(({ fits }) => fits)?.node;
    if (to === undefined || to === from) {
      pass(to === undefined ? 'no node takes it now' : 'the scheduler likes it best where it is');
      continue;
    }
    const gain = Math.round(gainOn(to) * 1000) / 1000;
    if (gain < options.gainMin) {
      pass(`moving it to ${to} would gain ${gain}, less than ${options.gainMin}`);
      continue;
    }
    if (targets.has(to)) continue;
    workloads.add(workload);
    targets.add(to);
    balance.move(pod, to);
    moves.push({ pod: ref, uid, from, to, rule, gain, because });
  }
  return { moves, passedOver };
}
