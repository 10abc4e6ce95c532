import type { PendingPod } from '../batch.ts';
import type { Evaluation } from '../evaluation.ts';
import { FailureCounter } from '../failure.ts';
import type { NodeTable, Occupant } from '../node-table.ts';
import { isLesser, type Candidate } from './candidate.ts';
import type { DisruptionBudgets } from './disruption-budgets.ts';
import type { Nomination, Nominations } from './nominations.ts';
import { VictimSearch } from './victim-search.ts';

/** What a pod that fits nowhere may do about it. */
export type Recourse =
  /** Room is being made on the node it is nominated to. */
  | { readonly do: 'wait'; readonly nodeName: string }
  | { readonly do: 'preempt'; readonly candidate: Candidate }
  /** Preemption does not help; `again` tells after how many milliseconds to ask anew, where that was not looked at now. */
  | { readonly do: 'nothing'; readonly why: 'never' | 'helpless'; readonly again?: number }
  /** The pod's profile does without. */
  | { readonly do: 'nothing'; readonly why: 'disabled' };

/** Searches kept for one signature: pods of more priorities than that begin anew. */
const prioritiesMax = 8;
/** Where other nodes have a say a search is long: in vain it is made this often at most. */
const coupledSearchMsMin = 1_000;

/**
 * Makes room by having pods of lower priority leave. Decides who, and keeps the books: victims count as leaving at
 * once, the room they leave is the nominated pod's, and disruption budgets are charged.
 */
export class Preemptor {
  readonly nominations: Nominations;
  readonly budgets: DisruptionBudgets;
  readonly #table: NodeTable;
  readonly #now: (() => number) | undefined;
  readonly #searches = new WeakMap<Evaluation, Map<number, VictimSearch>>();
  readonly #failedAt = new WeakMap<VictimSearch, number>();

  /** Without `now` every search is made, however long. */
  constructor(table: NodeTable, nominations: Nominations, budgets: DisruptionBudgets, now?: () => number) {
    this.#table = table;
    this.nominations = nominations;
    this.budgets = budgets;
    this.#now = now;
  }

  /**
   * What helps a pod that fits nowhere; changes nothing. The table must regard nominations as for that pod.
   * A pod for which room is being made waits for it and has nobody else leave.
   */
  recourse({ pod, pin }: PendingPod, evaluation: Evaluation): Recourse {
    if (pod.spec?.preemptionPolicy === 'Never') return { do: 'nothing', why: 'never' };
    const search = this.#search(evaluation, pod.spec?.priority ?? 0);
    const nominated = this.nominations.get(pod.metadata?.uid ?? '')?.nodeName;
    const row = nominated === undefined ? -1 : this.#table.rowOf(nominated);
    if (nominated !== undefined && row >= 0 && search.on(row)?.victims.length === 0) {
      return { do: 'wait', nodeName: nominated };
    }
    if (pin !== undefined) {
      const pinned = this.#table.rowOf(pin);
      return outcome(pinned < 0 ? undefined : search.on(pinned));
    }
    const sinceFailure = (this.#now?.() ?? Infinity) - (this.#failedAt.get(search) ?? -Infinity);
    if (evaluation.isCoupled && sinceFailure < coupledSearchMsMin) {
      return { do: 'nothing', why: 'helpless', again: coupledSearchMsMin - sinceFailure };
    }
    const best = search.best();
    if (best === undefined && this.#now !== undefined) this.#failedAt.set(search, this.#now());
    return outcome(best);
  }

  /**
   * Why preemption does not help, in upstream's words.
   * Source: k8s.io/kubernetes/pkg/scheduler/framework/preemption (Preempt, findCandidates).
   */
  words({ pod, pin }: PendingPod, evaluation: Evaluation, why: 'never' | 'helpless'): string {
    if (why === 'never') return 'not eligible due to preemptionPolicy=Never.';
    const table = this.#table;
    const priority = pod.spec?.priority ?? 0;
    const anybodyLesser = table.lowestPriority < priority;
    const counter = new FailureCounter();
    for (let row = 0; row < table.rowEnd; row++) {
      if (table.present[row] !== 1) continue;
      const refusals = evaluation.refusals(row);
      const elsewhere = pin !== undefined && pin !== table.nameOf(row);
      if (elsewhere || refusals.some(({ curable }) => !curable)) {
        counter.addNodes('Preemption is not helpful for scheduling', 1);
      } else if (anybodyLesser && table.occupantsAt(row).some((other) => isLesser(other, priority))) {
        counter.add(refusals);
      } else counter.addNodes('No preemption victims found for incoming pod', 1);
    }
    return counter.toFailure(table.nodeCount).message;
  }

  /** Books a preemption: whoever was nominated to the node with lower priority loses that, and is returned. */
  book({ pod, signature }: PendingPod, { row, victims }: Candidate): readonly Nomination[] {
    const nodeName = this.#table.nameOf(row);
    this.budgets.claim(victims);
    for (const { uid } of victims) this.#table.doom(uid);
    const displaced = this.nominations.on(nodeName).filter(({ priority }) => priority < (pod.spec?.priority ?? 0));
    for (const { uid } of displaced) this.nominations.delete(uid);
    this.nominations.set(pod, signature, nodeName);
    return displaced;
  }

  /** Undoes what was booked: these victims could not be made to leave. */
  release(uid: string, victims: readonly Occupant[]): void {
    this.nominations.delete(uid);
    for (const victim of victims) {
      this.#table.spare(victim.uid);
      this.budgets.release(victim);
    }
  }

  #search(evaluation: Evaluation, priority: number): VictimSearch {
    let searches = this.#searches.get(evaluation);
    if (searches === undefined) this.#searches.set(evaluation, (searches = new Map()));
    let search = searches.get(priority);
    if (search === undefined) {
      if (searches.size >= prioritiesMax) searches.clear();
      search = new VictimSearch(this.#table, evaluation, this.budgets, priority);
      searches.set(priority, search);
    }
    return search;
  }
}

function outcome(candidate: Candidate | undefined): Recourse {
  return candidate === undefined ? { do: 'nothing', why: 'helpless' } : { do: 'preempt', candidate };
}
