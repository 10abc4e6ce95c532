import type { Toleration } from '#api/core/types.generated.ts';
import type { Evaluation } from '../evaluation.ts';
import type { NodeTable, Occupant, Room } from '../node-table.ts';
import { unschedulableTaint, untolerated } from '../taints.ts';
import { isEmpty, lacking, roomWithout, vectorOf } from './room.ts';

/** A reservation that holds room. */
export interface Held {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly holder: string;
  readonly nodeName: string;
  readonly priority: number;
  readonly tolerations: readonly Toleration[];
  /** In all: what pods have taken of it included. */
  readonly room: Room;
  /** Milliseconds since the epoch. */
  readonly heldAt: number;
  readonly expiresAt: number;
}

/** A reservation that cannot stay, and why. */
export interface Untenable {
  readonly held: Held;
  readonly reason: 'NodeLost' | 'NodeClosed' | 'Overcommitted';
  readonly message: string;
}

interface Entry {
  held: Held;
  /** What pods have not taken, as the table counts it. */
  left: Room;
}

/**
 * Which reservations hold what, and what is left of it. What is left takes room in the table (state `reserved`); what
 * its pods have taken, they take themselves. So nobody gets room twice, whoever places or binds.
 */
export class ReservationBook {
  /** Says of a reservation that is not held why, to go after its name. */
  whyNotHeld: (key: string) => string = () => 'is not held';
  readonly #table: NodeTable;
  readonly #byUid = new Map<string, Entry>();
  /** `namespace/name` → uid. */
  readonly #byKey = new Map<string, string>();
  readonly #byNode = new Map<string, Set<Entry>>();
  /** Pods that are placed into a reservation or are to be: uid → its key. */
  readonly #claims = new Map<string, string>();
  /** Priority → reservations that have it. */
  readonly #priorities = new Map<number, number>();
  #cursor = 0;

  constructor(table: NodeTable) {
    this.#table = table;
  }

  get(uid: string): Held | undefined {
    return this.#byUid.get(uid)?.held;
  }

  byKey(key: string): { readonly held: Held; readonly left: Room } | undefined {
    return this.#byUid.get(this.#byKey.get(key) ?? '');
  }

  all(): readonly Held[] {
    return [...this.#byUid.values()].map(({ held }) => held);
  }

  on(nodeName: string): readonly { readonly held: Held; readonly left: Room }[] {
    return [...(this.#byNode.get(nodeName) ?? [])];
  }

  /** Why the node cannot grant this room now; undefined if it can. */
  refusal({ nodeName, tolerations, room }: Pick<Held, 'nodeName' | 'tolerations' | 'room'>): string | undefined {
    const closed = this.#closed({ nodeName, tolerations });
    if (closed !== undefined) return closed.message;
    if (isEmpty(room)) return `node "${nodeName}" has nothing free`;
    const lack = lacking(room, this.#table, this.#table.rowOf(nodeName));
    return lack === undefined ? undefined : `node "${nodeName}" has too little room: ${lack}`;
  }

  /** Holds room, whether there is any or not, or takes over another priority or end of what is held. */
  hold(held: Held): void {
    const known = this.#byUid.get(held.uid);
    if (known !== undefined) {
      const moved = known.held.priority !== held.priority;
      this.#countPriority(known.held, -1);
      this.#countPriority(held, 1);
      known.held = held;
      if (!moved) return;
      this.#table.reserve(held, held.nodeName, known.left);
      this.#recount(known);
      return;
    }
    const entry: Entry = { held, left: held.room };
    this.#byUid.set(held.uid, entry);
    this.#countPriority(held, 1);
    this.#byKey.set(keyOfHeld(held), held.uid);
    const there = this.#byNode.get(held.nodeName);
    if (there === undefined) this.#byNode.set(held.nodeName, new Set([entry]));
    else there.add(entry);
    this.#table.reserve(held, held.nodeName, held.room);
    this.#recount(entry);
  }

  /** Gives back what is left of a reservation; `hold()` takes that back. */
  release(uid: string): Held | undefined {
    const entry = this.#byUid.get(uid);
    if (entry === undefined) return undefined;
    const { held } = entry;
    this.#byUid.delete(uid);
    this.#countPriority(held, -1);
    if (this.#byKey.get(keyOfHeld(held)) === uid) this.#byKey.delete(keyOfHeld(held));
    const there = this.#byNode.get(held.nodeName);
    there?.delete(entry);
    if (there?.size === 0) this.#byNode.delete(held.nodeName);
    for (const pod of this.#podsOf(held)) this.#table.guard(pod.uid, -Infinity);
    this.#table.removePod(uid);
    return held;
  }

  /** The pod belongs into the reservation of that key, or into none. */
  claim(podUid: string, key: string | undefined): void {
    if (key !== undefined) this.#claims.set(podUid, key);
    else if (this.#claims.delete(podUid)) this.#table.guard(podUid, -Infinity);
  }

  /** Has a pod take its part, once it was assumed on the reservation's node. */
  taken(key: string): void {
    const entry = this.#byUid.get(this.#byKey.get(key) ?? '');
    if (entry !== undefined) this.#recount(entry);
  }

  /**
   * Catches up with the table: what pods have taken or left of their reservations, and which of these cannot stay as
   * their node is gone, closed, or has less room than it has promised. Must come before anything is decided by it.
   */
  tend(): { readonly untenable: readonly Untenable[]; readonly changed: readonly Held[] } {
    const { log } = this.#table;
    if (this.#byNode.size === 0) {
      this.#cursor = log.end;
      return { untenable: [], changed: [] };
    }
    const nodes = new Set<string>();
    if (log.reaches(this.#cursor)) {
      for (let at = this.#cursor; at < log.end; at++) nodes.add(this.#table.nameOf(log.row(at)));
    } else for (const nodeName of this.#byNode.keys()) nodes.add(nodeName);
    const changed: Held[] = [];
    const untenable: Untenable[] = [];
    for (const nodeName of nodes) {
      const there = [...(this.#byNode.get(nodeName) ?? [])];
      if (there.length === 0) continue;
      for (const entry of there) this.#recount(entry);
      changed.push(...there.map(({ held }) => held));
      untenable.push(...this.#untenableOn(nodeName, there));
    }
    this.#cursor = log.end;
    return { untenable, changed };
  }

  /** Nodes that have reservations. */
  nodes(): IterableIterator<string> {
    return this.#byNode.keys();
  }

  /** Of all reservations; Infinity if there are none. */
  get lowestPriority(): number {
    let lowest = Infinity;
    for (const priority of this.#priorities.keys()) lowest = Math.min(lowest, priority);
    return lowest;
  }

  #countPriority({ priority }: Held, by: 1 | -1): void {
    const count = (this.#priorities.get(priority) ?? 0) + by;
    if (count === 0) this.#priorities.delete(priority);
    else this.#priorities.set(priority, count);
  }

  /**
   * Which reservations of lower priority on `row` one more pod would need the room of, the less important rather than
   * the more; undefined if it would not fit even without them. `evaluation` must be fresh.
   */
  inTheWay(row: number, priority: number, evaluation: Evaluation): readonly Held[] | undefined {
    const lesser = [...(this.#byNode.get(this.#table.nameOf(row)) ?? [])]
      .filter(({ held }) => held.priority < priority)
      .toSorted(byImportance)
      .flatMap((entry) => ({ entry, occupant: this.#table.occupant(entry.held.uid) }));
    if (lesser.length === 0) return undefined;
    const gone: Held[] = [];
    try {
      for (const { occupant } of lesser) if (occupant !== undefined) this.#table.suspend(occupant);
      if (!evaluation.wouldFit(row)) return undefined;
      for (const { entry, occupant } of lesser) {
        if (occupant === undefined) continue;
        this.#table.resume(occupant);
        if (evaluation.wouldFit(row)) continue;
        this.#table.suspend(occupant);
        gone.push(entry.held);
      }
      return gone;
    } finally {
      for (const { occupant } of lesser) if (occupant !== undefined) this.#table.resume(occupant);
    }
  }

  /** Pods that have taken their part of it. */
  #podsOf(held: Held): readonly Occupant[] {
    const key = keyOfHeld(held);
    const row = this.#table.occupant(held.uid)?.row ?? -1;
    return this.#table.occupantsAt(row).filter((each) => isThere(each) && this.#claims.get(each.uid) === key);
  }

  #recount(entry: Entry): void {
    const { held } = entry;
    const mine = this.#podsOf(held);
    for (const { uid } of mine) this.#table.guard(uid, held.priority);
    const left = roomWithout(held.room, mine);
    if (isSameRoom(left, entry.left)) return;
    entry.left = left;
    this.#table.reserve(held, held.nodeName, left);
  }

  #untenableOn(nodeName: string, there: readonly Entry[]): readonly Untenable[] {
    const row = this.#table.rowOf(nodeName);
    const untenable: Untenable[] = [];
    const open: Entry[] = [];
    for (const entry of there) {
      const closed = this.#closed(entry.held);
      if (closed === undefined) open.push(entry);
      else untenable.push({ held: entry.held, ...closed });
    }
    if (open.length === 0) return untenable;
    const free = this.#freeWithout(row, there);
    for (const { held, left } of open.toSorted(byImportance)) {
      const vector = [...vectorOf(left, this.#table)].filter(([, amount]) => amount > 0);
      const short = vector.find(([id, amount]) => amount > (free.get(id) ?? this.#table.free(id, row)));
      if (short === undefined) for (const [id, amount] of vector) free.set(id, (free.get(id) ?? 0) - amount);
      else {
        const message = `node "${nodeName}" has not enough ${this.#table.resources.name(short[0])} for it any more`;
        untenable.push({ held, reason: 'Overcommitted', message });
      }
    }
    return untenable;
  }

  /** Free of each resource that is reserved on `row`, had nobody reserved anything nor been nominated. */
  #freeWithout(row: number, there: readonly Entry[]): Map<number, number> {
    const free = new Map<number, number>();
    const add = (id: number, amount: number) => free.set(id, (free.get(id) ?? this.#table.free(id, row)) + amount);
    for (const { left } of there) for (const [id, amount] of vectorOf(left, this.#table)) add(id, amount);
    for (const occupant of this.#table.occupantsAt(row)) {
      if (occupant.state !== 'nominated' || !occupant.counts) continue;
      const { resources, amounts } = this.#table.vectorOf(occupant.signature);
      for (const [index, id] of resources.entries()) add(id, amounts[index] ?? 0);
    }
    return free;
  }

  #closed({
    nodeName,
    tolerations,
  }: Pick<Held, 'nodeName' | 'tolerations'>): Pick<Untenable, 'reason' | 'message'> | undefined {
    const row = this.#table.rowOf(nodeName);
    if (row < 0) return { reason: 'NodeLost', message: `node "${nodeName}" does not exist` };
    const cordons = this.#table.unschedulable[row] === 1 ? [unschedulableTaint] : [];
    const taints = [...this.#table.taintsAt(row), ...cordons];
    const [taint] = untolerated(taints, tolerations, 'NoSchedule', 'NoExecute');
    if (taint === undefined) return undefined;
    const text = `${taint.key}${taint.value === '' ? '' : `=${taint.value}`}:${taint.effect}`;
    return {
      reason: 'NodeClosed',
      message: `node "${nodeName}" has the taint ${text}, which the reservation does not tolerate`,
    };
  }
}

export const keyOfHeld = ({ namespace, name }: Pick<Held, 'namespace' | 'name'>) => `${namespace}/${name}`;

const isThere = ({ state }: Occupant) => state === 'bound' || state === 'assumed';

/** Higher priority first, then what is held longer. */
function byImportance({ held: a }: { readonly held: Held }, { held: b }: { readonly held: Held }): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.heldAt !== b.heldAt) return a.heldAt - b.heldAt;
  return a.uid < b.uid ? -1 : 1;
}

function isSameRoom(a: Room, b: Room): boolean {
  return (
    a.hostPorts.length === b.hostPorts.length &&
    a.amounts.size === b.amounts.size &&
    [...a.amounts].every(([name, amount]) => b.amounts.get(name) === amount)
  );
}
