import type { PendingPod } from './batch.ts';
import { changed } from './change-log.ts';
import type { StalledGang } from './gangs/gang-scheduler.ts';
import type { NodeTable } from './node-table.ts';
import { NodeView } from './node-view.ts';
import type { Profile } from './plugin.ts';
import type { Nominations } from './preemption/nominations.ts';
import type { SchedulingQueue } from './queue.ts';
import type { Signature } from './signature.ts';

/** Answers whether a row would take one more pod of a signature, as far as the row alone can tell. */
interface Check {
  readonly fitsOn: (row: number) => boolean;
  /** The same with everybody below a priority gone: whom preemption may help, or who outranks the nominated. */
  readonly fitsWithoutLesser: (row: number, priority: number) => boolean;
  /** True if domains may refuse: then a change anywhere may help. */
  readonly coupled: boolean;
  /** When that was found out: by the table's epoch, and by the arrivals of those who mind others. */
  readonly epoch: number;
  readonly arrivals: number;
}

/** Gangs that wait as a whole: each of them is woken if one of its pods would fit. */
interface Gangs {
  readonly hasStalled: boolean;
  stalled(): Iterable<StalledGang>;
  wake(gang: StalledGang): void;
}

/**
 * Wakes parked pods when a node changes so that it may take them: the very filters that refused are asked again, about
 * the changed rows only. So nothing is retried in vain, and nothing waits for a timer.
 */
export class Waker {
  readonly #table: NodeTable;
  readonly #queue: SchedulingQueue;
  readonly #nominations: Nominations;
  readonly #profileOf: (schedulerName: string) => Profile | undefined;
  readonly #checks = new WeakMap<Signature, Check>();
  readonly #gangs: Gangs;
  readonly #view: NodeView;
  #cursor: number;

  constructor(
    table: NodeTable,
    queue: SchedulingQueue,
    nominations: Nominations,
    profileOf: (schedulerName: string) => Profile | undefined,
    gangs: Gangs,
  ) {
    this.#gangs = gangs;
    this.#table = table;
    this.#queue = queue;
    this.#nominations = nominations;
    this.#profileOf = profileOf;
    this.#view = new NodeView(table);
    this.#cursor = table.log.end;
  }

  /** Looks at what changed since the last call. */
  wake(): void {
    const { log } = this.#table;
    const from = this.#cursor;
    this.#cursor = log.end;
    if ((!this.#queue.hasParked && !this.#gangs.hasStalled) || from === log.end) return;
    if (!log.reaches(from)) {
      this.#queue.wakeAll();
      for (const gang of this.#gangs.stalled()) this.#gangs.wake(gang);
      return;
    }
    const eased = new Set<number>();
    for (let at = from; at < log.end; at++) if ((log.bits(at) & changed.eased) !== 0) eased.add(log.row(at));
    for (const signature of this.#queue.parkedSignatures()) {
      const { fitsOn, fitsWithoutLesser, coupled } = this.#check(signature);
      const highest = this.#queue.highestParked(signature);
      if (coupled || any(eased, fitsOn)) {
        this.#queue.wake(signature);
        this.#queue.wakePromised(signature);
      } else if (any(eased, (row) => fitsWithoutLesser(row, highest))) this.#queue.wake(signature);
    }
    if (this.#gangs.hasStalled) this.#wakeGangs(eased);
    for (const row of eased) {
      const name = this.#table.nameOf(row);
      for (const { uid } of this.#nominations.on(name)) this.#queue.wakePod(uid);
      const pinned = this.#queue.pinnedTo(name);
      const helps = ({ signature, pod }: PendingPod) => {
        const { fitsOn, fitsWithoutLesser } = this.#check(signature);
        return fitsOn(row) || fitsWithoutLesser(row, pod.spec?.priority ?? 0);
      };
      if (pinned.some(helps)) this.#queue.wakePinned(name);
    }
  }

  /** Passes over what has changed since the last call. */
  skip(): void {
    this.#cursor = this.#table.log.end;
  }

  #wakeGangs(eased: ReadonlySet<number>): void {
    for (const gang of this.#gangs.stalled()) {
      const helps = [...gang.signatures].some((signature) => {
        const { coupled, fitsOn, fitsWithoutLesser } = this.#check(signature);
        return coupled || any(eased, fitsOn) || any(eased, (row) => fitsWithoutLesser(row, gang.highestPriority));
      });
      if (helps) this.#gangs.wake(gang);
    }
  }

  #check(signature: Signature): Check {
    let check = this.#checks.get(signature);
    const { epoch, affine } = this.#table;
    if (check?.epoch !== epoch || check.arrivals !== affine.end) {
      const profile = this.#profileOf(signature.demand.schedulerName);
      const filters = (profile?.filters ?? []).flatMap((plugin) => {
        const state = plugin.preFilter(signature.demand, this.#table);
        return state === undefined ? [] : [{ plugin, state }];
      });
      const fitsOn = (row: number) => {
        if (this.#table.present[row] !== 1) return false;
        const view = this.#view.at(row);
        return filters.every(({ plugin, state }) => plugin.filter(state, view));
      };
      check = {
        coupled: (profile?.domains ?? []).some(
          ({ plugin }) =>
            plugin.concerns(signature, this.#table) && plugin.mayRefuse?.(signature, this.#table) !== false,
        ),
        epoch,
        arrivals: affine.end,
        fitsOn,
        fitsWithoutLesser: (row, priority) => {
          const lesser = this.#table.occupantsAt(row).filter((each) => each.counts && each.priority < priority);
          if (lesser.length === 0) return false;
          for (const occupant of lesser) this.#table.suspend(occupant);
          const fits = fitsOn(row);
          for (const occupant of lesser) this.#table.resume(occupant);
          return fits;
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
