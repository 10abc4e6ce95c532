import { changed } from './change-log.ts';
import type { NodeTable } from './node-table.ts';
import { NodeView } from './node-view.ts';
import type { Profile } from './plugin.ts';
import type { SchedulingQueue } from './queue.ts';
import type { Signature } from './signature.ts';

/** Answers whether a row would take one more pod of a signature, as far as the row alone can tell. */
interface Check {
  readonly fitsOn: (row: number) => boolean;
  /** True if domains have a say: then a change anywhere may help. */
  readonly coupled: boolean;
}

/**
 * Wakes parked pods when a node changes so that it may take them: the very filters that refused are asked again, about
 * the changed rows only. So nothing is retried in vain, and nothing waits for a timer.
 */
export class Waker {
  readonly #table: NodeTable;
  readonly #queue: SchedulingQueue;
  readonly #profileOf: (schedulerName: string) => Profile | undefined;
  readonly #checks = new WeakMap<Signature, Check>();
  readonly #view: NodeView;
  #cursor: number;

  constructor(table: NodeTable, queue: SchedulingQueue, profileOf: (schedulerName: string) => Profile | undefined) {
    this.#table = table;
    this.#queue = queue;
    this.#profileOf = profileOf;
    this.#view = new NodeView(table);
    this.#cursor = table.log.end;
  }

  /** Looks at what changed since the last call. */
  wake(): void {
    const { log } = this.#table;
    const from = this.#cursor;
    this.#cursor = log.end;
    if (!this.#queue.hasParked || from === log.end) return;
    if (!log.reaches(from)) return this.#queue.wakeAll();
    const eased = new Set<number>();
    for (let at = from; at < log.end; at++) if ((log.bits(at) & changed.eased) !== 0) eased.add(log.row(at));
    for (const signature of this.#queue.parkedSignatures()) {
      const { fitsOn, coupled } = this.#check(signature);
      if (coupled || any(eased, fitsOn)) this.#queue.wake(signature);
    }
    for (const row of eased) {
      const name = this.#table.nameOf(row);
      const pinned = this.#queue.pinnedTo(name);
      if (pinned.some(({ signature }) => this.#check(signature).fitsOn(row))) this.#queue.wakePinned(name);
    }
  }

  #check(signature: Signature): Check {
    let check = this.#checks.get(signature);
    if (check === undefined) {
      const profile = this.#profileOf(signature.demand.schedulerName);
      const filters = (profile?.filters ?? []).flatMap((plugin) => {
        const state = plugin.preFilter(signature.demand, this.#table);
        return state === undefined ? [] : [{ plugin, state }];
      });
      check = {
        coupled: (profile?.domains ?? []).some(({ plugin }) => plugin.concerns(signature, this.#table)),
        fitsOn: (row) => {
          if (this.#table.present[row] !== 1) return false;
          const view = this.#view.at(row);
          return filters.every(({ plugin, state }) => plugin.filter(state, view));
        },
      };
      this.#checks.set(signature, check);
    }
    return check;
  }
}

function any(rows: ReadonlySet<number>, holds: (row: number) => boolean): boolean {
  for (const row of rows) if (holds(row)) return true;
  return false;
}
