import type { Evaluation } from '../evaluation.ts';
import type { NodeTable } from '../node-table.ts';
import type { Held, ReservationBook } from './reservation-book.ts';

/** A node that takes a pod once these reservations on it have given way. */
export interface Displacement {
  readonly row: number;
  readonly gone: readonly Held[];
}

/**
 * Knows for pods of one signature and one priority on which nodes reservations of lower priority are in the way, and
 * where that does the least harm. Like a `VictimSearch` it looks at all such nodes once and then only at rows that
 * changed, unless other nodes have a say.
 */
export class DisplacementSearch {
  readonly #table: NodeTable;
  readonly #book: ReservationBook;
  readonly #evaluation: Evaluation;
  readonly #priority: number;
  readonly #found = new Map<number, Displacement>();
  #cursor = -1;

  constructor(table: NodeTable, book: ReservationBook, evaluation: Evaluation, priority: number) {
    this.#table = table;
    this.#book = book;
    this.#evaluation = evaluation;
    this.#priority = priority;
  }

  /** The table must regard nominations as for the pod. `pin` is the only node that it asks for. */
  best(pin: string | undefined): Displacement | undefined {
    if (this.#book.lowestPriority >= this.#priority) return undefined;
    this.#evaluation.refresh();
    if (pin !== undefined) return this.#on(this.#table.rowOf(pin));
    this.#refresh();
    let best: Displacement | undefined;
    for (const each of this.#found.values()) {
      if (best === undefined || isLessHarm(each, best, this.#table)) best = each;
    }
    return best;
  }

  #refresh(): void {
    const { log } = this.#table;
    if (this.#cursor < 0 || this.#evaluation.isCoupled || !log.reaches(this.#cursor)) {
      this.#found.clear();
      for (const nodeName of this.#book.nodes()) this.#look(this.#table.rowOf(nodeName));
    } else {
      const rows = new Set<number>();
      for (let at = this.#cursor; at < log.end; at++) rows.add(log.row(at));
      for (const row of rows) this.#look(row);
    }
    this.#cursor = log.end;
  }

  #look(row: number): void {
    const found = this.#on(row);
    if (found === undefined) this.#found.delete(row);
    else this.#found.set(row, found);
  }

  #on(row: number): Displacement | undefined {
    const gone = row < 0 ? undefined : this.#book.inTheWay(row, this.#priority, this.#evaluation);
    return gone === undefined || gone.length === 0 ? undefined : { row, gone };
  }
}

/** Where the least important, and then fewest, are in the way; then as the seed prefers. */
function isLessHarm(a: Displacement, b: Displacement, table: NodeTable): boolean {
  const [highestA, highestB] = [highestOf(a), highestOf(b)];
  if (highestA !== highestB) return highestA < highestB;
  if (a.gone.length !== b.gone.length) return a.gone.length < b.gone.length;
  const [tieA, tieB] = [table.tie[a.row] ?? 0, table.tie[b.row] ?? 0];
  return tieA === tieB ? table.nameOf(a.row) < table.nameOf(b.row) : tieA < tieB;
}

const highestOf = ({ gone }: Displacement) =>
  gone.reduce((highest, { priority }) => Math.max(highest, priority), -Infinity);
