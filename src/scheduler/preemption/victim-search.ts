import type { Evaluation } from '../evaluation.ts';
import type { NodeTable } from '../node-table.ts';
import { candidateOn, isBetter, type Candidate } from './candidate.ts';
import type { DisruptionBudgets } from './disruption-budgets.ts';

/** Where other nodes have a say, every search is made anew: it ends with so many candidates. Upstream's least number. */
const coupledCandidatesMax = 100;

/**
 * Knows for pods of one signature and one priority which nodes would take one more if others left, and which of them
 * does the least harm. Like an `Evaluation` it looks at all nodes once and then only at rows that changed: a preemption
 * changes one, so the next equal pod costs one try-out, whatever the number of nodes.
 */
export class VictimSearch {
  readonly #table: NodeTable;
  readonly #evaluation: Evaluation;
  readonly #budgets: DisruptionBudgets;
  readonly #priority: number;
  readonly #candidates = new Map<number, Candidate>();
  #cursor = 0;
  #budgetVersion = -1;

  constructor(table: NodeTable, evaluation: Evaluation, budgets: DisruptionBudgets, priority: number) {
    this.#table = table;
    this.#evaluation = evaluation;
    this.#budgets = budgets;
    this.#priority = priority;
  }

  /** Whom `row` would have to give up. The table must regard nominations as for the pod; so too for `best()`. */
  on(row: number): Candidate | undefined {
    this.#evaluation.refresh();
    return candidateOn(row, this.#priority, this.#table, this.#evaluation, this.#budgets);
  }

  /** The least harmful choice, if preemption helps at all. */
  best(): Candidate | undefined {
    if (this.#table.lowestPriority >= this.#priority) return undefined;
    this.#evaluation.refresh();
    if (this.#evaluation.isCoupled) return this.#searchAll();
    this.#refresh();
    let best: Candidate | undefined;
    for (const candidate of this.#candidates.values()) {
      if (best === undefined || isBetter(candidate, best, this.#table)) best = candidate;
    }
    return best;
  }

  #searchAll(): Candidate | undefined {
    let best: Candidate | undefined;
    let found = 0;
    for (let row = 0; row < this.#table.rowEnd && found < coupledCandidatesMax; row++) {
      const candidate = candidateOn(row, this.#priority, this.#table, this.#evaluation, this.#budgets);
      if (candidate === undefined) continue;
      found++;
      if (best === undefined || isBetter(candidate, best, this.#table)) best = candidate;
    }
    return best;
  }

  #refresh(): void {
    const { log, rowEnd } = this.#table;
    const rows = new Set<number>();
    if (this.#budgetVersion !== this.#budgets.version || !log.reaches(this.#cursor)) {
      this.#candidates.clear();
      for (let row = 0; row < rowEnd; row++) rows.add(row);
    } else for (let at = this.#cursor; at < log.end; at++) rows.add(log.row(at));
    this.#cursor = log.end;
    this.#budgetVersion = this.#budgets.version;
    for (const row of rows) {
      const candidate = candidateOn(row, this.#priority, this.#table, this.#evaluation, this.#budgets);
      if (candidate === undefined) this.#candidates.delete(row);
      else this.#candidates.set(row, candidate);
    }
  }
}
