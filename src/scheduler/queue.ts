import { ActivePods } from './active-pods.ts';
import type { PendingPod } from './batch.ts';
import type { Signature } from './signature.ts';

/** Where a pod that has no node yet stands. */
export type Standing =
  /** Will be decided when its turn comes. */
  | 'active'
  /** Fits nowhere; waits until a node changes so that it may. */
  | 'parked'
  /** Something failed; waits out its back-off. */
  | 'delayed'
  /** Has scheduling gates. */
  | 'gated'
  /** Belongs to a gang that cannot be placed now. */
  | 'held'
  /** Decided; on its way to its node. */
  | 'taken';

export interface Queued {
  readonly uid: string;
  readonly pending: PendingPod;
  readonly standing: Standing;
  /** Failures in a row; counts for the back-off. */
  readonly failures: number;
}

interface Entry extends Queued {
  pending: PendingPod;
  /** True while it waits for room that is being made for it on one node. */
  promised: boolean;
  standing: Standing;
  failures: number;
  readonly priority: number;
  readonly namespace: string;
  timer: Disposable | undefined;
}

/** Pods of one signature that fit nowhere. */
interface Parked {
  readonly waiting: Set<Entry>;
  /** Those for whom room is being made on some node. */
  readonly promised: Set<Entry>;
  /** No waiting one has a higher priority. */
  highest: number;
  /** True while its pods are let back in portions, because the last ones found room. */
  open: boolean;
}

/** So many pods of one signature return at once when room appears; more follow while they find it. */
const portionMax = 500;

/**
 * The pods that have no node yet. Equal pods are parked together: once one of them fits nowhere, none does, until a
 * node changes. Knows no time but through `after`, and decides nothing.
 */
export class SchedulingQueue {
  readonly #entries = new Map<string, Entry>();
  readonly #active = new ActivePods<Entry>();
  /** Active pods that are free to go to any node. */
  readonly #activeOf = new Map<Signature, Set<Entry>>();
  readonly #groups = new Map<Signature, Parked>();
  /** Parked pods that are pinned to one node, by its name: no other node's change helps them. */
  readonly #pinned = new Map<string, Set<Entry>>();
  readonly #after: (ms: number, fn: () => void) => Disposable;
  readonly #onActive: () => void;

  /** `onActive` is called whenever a pod becomes active other than by `put()`. */
  constructor(after: (ms: number, fn: () => void) => Disposable, onActive: () => void) {
    this.#after = after;
    this.#onActive = onActive;
  }

  get size(): number {
    return this.#entries.size;
  }

  get activeCount(): number {
    return this.#active.size;
  }

  get(uid: string): Queued | undefined {
    return this.#entries.get(uid);
  }

  /** Every pod that is not taken. */
  waiting(): readonly PendingPod[] {
    return [...this.#entries.values()].filter(({ standing }) => standing !== 'taken').map(({ pending }) => pending);
  }

  /** The priority above which no pod of a signature waits without room being made for it; -Infinity if none does. */
  highestParked(signature: Signature): number {
    const group = this.#groups.get(signature);
    return group === undefined || group.waiting.size === 0 ? -Infinity : group.highest;
  }

  /** Signatures with parked pods that are free to go to any node. */
  parkedSignatures(): IterableIterator<Signature> {
    return this.#groups.keys();
  }

  /** Pods that wait for one node; all have the same pin. */
  pinnedTo(nodeName: string): readonly PendingPod[] {
    return [...(this.#pinned.get(nodeName) ?? [])].map(({ pending }) => pending);
  }

  get hasParked(): boolean {
    return this.#groups.size > 0 || this.#pinned.size > 0;
  }

  /**
   * Takes up a pod, or a new version of one: it becomes active if it is new or its demands have changed, and keeps
   * its standing otherwise. A pod that is taken is left alone.
   */
  put(pending: PendingPod): void {
    const { uid = '', namespace = '' } = pending.pod.metadata ?? {};
    const gated = (pending.pod.spec?.schedulingGates?.length ?? 0) > 0;
    const priority = pending.pod.spec?.priority ?? 0;
    const known = this.#entries.get(uid);
    if (known !== undefined) {
      const { signature, pin, claim } = known.pending;
      const same = signature === pending.signature && pin === pending.pin && claim === pending.claim;
      if (
        known.standing === 'taken' ||
        (same && gated === (known.standing === 'gated') && known.priority === priority)
      ) {
        known.pending = pending;
        return;
      }
      this.remove(uid);
    }
    const entry: Entry = {
      uid,
      pending,
      standing: 'gated',
      failures: 0,
      priority,
      namespace,
      promised: false,
      timer: undefined,
    };
    this.#entries.set(uid, entry);
    if (!gated) this.#activate(entry);
  }

  /** Forgets a pod: it is bound, gone, or somebody else's. */
  remove(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#leave(entry);
    this.#entries.delete(uid);
  }

  /** The next pod to decide; it is `taken` until it is removed, parked, delayed or given back. */
  take(): Queued | undefined {
    const entry = this.#active.take();
    if (entry === undefined) return undefined;
    entry.standing = 'taken';
    this.#countActive(entry, -1);
    return entry;
  }

  /** Takes out one particular pod, wherever it stands. */
  takePod(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry !== undefined) this.#leave(entry);
  }

  /** Lets a pod wait until `wakeHeld()`: nothing else brings it back but other demands. */
  hold(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#leave(entry);
    entry.standing = 'held';
  }

  wakeHeld(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.standing === 'held') this.#activate(entry);
  }

  /** Gives one taken pod back. */
  giveBackPod(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.standing === 'taken') this.#activate(entry);
  }

  /**
   * Lets a taken pod wait until a node changes, and with it every equal pod that is active and that it speaks for.
   * Returns all of them.
   */
  park(uid: string, speaksFor: (equal: PendingPod) => boolean = () => true): readonly Queued[] {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return [];
    this.#leave(entry);
    if (entry.pending.pin !== undefined) {
      this.#parkPinned(entry, entry.pending.pin);
      return [entry];
    }
    const group = this.#group(entry.pending.signature);
    group.open = false;
    const active = [...(this.#activeOf.get(entry.pending.signature) ?? [])];
    const equals = [entry, ...active.filter(({ pending }) => speaksFor(pending))];
    for (const other of equals) {
      this.#leave(other);
      other.standing = 'parked';
      this.#group(entry.pending.signature).waiting.add(other);
      group.highest = Math.max(group.highest, other.priority);
    }
    return equals;
  }

  /** Lets a pod wait for the room that is being made for it; its equals go on. */
  promise(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#leave(entry);
    entry.promised = true;
    if (entry.pending.pin !== undefined) this.#parkPinned(entry, entry.pending.pin);
    else {
      entry.standing = 'parked';
      this.#group(entry.pending.signature).promised.add(entry);
    }
  }

  /** Lets one pod try again, if it is parked. */
  wakePod(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.standing !== 'parked') return;
    this.#leave(entry);
    this.#activate(entry);
  }

  /** Lets some of the pods of a signature try again for which room is being made elsewhere. */
  wakePromised(signature: Signature): void {
    for (const entry of [...(this.#groups.get(signature)?.promised ?? [])].slice(0, portionMax)) {
      this.#leave(entry);
      this.#activate(entry);
    }
  }

  /** Lets a pod wait for `ms`, then makes it active again. */
  delay(uid: string, ms: number): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#leave(entry);
    entry.standing = 'delayed';
    entry.failures++;
    entry.timer = this.#after(ms, () => {
      entry.timer = undefined;
      this.#activate(entry);
      this.#onActive();
    });
  }

  /** Lets parked pods of a signature try again: a portion at once, the rest as long as they find room. */
  wake(signature: Signature): void {
    const group = this.#groups.get(signature);
    if (group === undefined || group.waiting.size === 0) return;
    group.open = true;
    this.#letIn(signature, group);
  }

  wakePinned(nodeName: string): void {
    for (const entry of this.#pinned.get(nodeName) ?? []) {
      this.#leave(entry);
      this.#activate(entry);
    }
  }

  /** Lets every parked pod try again. */
  wakeAll(): void {
    for (const signature of this.#groups.keys()) {
      this.wake(signature);
      this.wakePromised(signature);
    }
    for (const nodeName of this.#pinned.keys()) this.wakePinned(nodeName);
  }

  /** Gives back every pod that is taken: whoever took them has stopped. */
  giveBack(): void {
    for (const entry of this.#entries.values()) if (entry.standing === 'taken') this.#activate(entry);
  }

  /** Stops all timers. */
  close(): void {
    for (const uid of this.#entries.keys()) this.remove(uid);
  }

  #activate(entry: Entry): void {
    entry.standing = 'active';
    this.#active.add(entry, entry.priority, entry.namespace);
    this.#countActive(entry, 1);
  }

  #parkPinned(entry: Entry, pin: string): void {
    entry.standing = 'parked';
    let there = this.#pinned.get(pin);
    if (there === undefined) this.#pinned.set(pin, (there = new Set()));
    there.add(entry);
  }

  /** Takes an entry out of wherever it stands. */
  #leave(entry: Entry): void {
    const { pin, signature } = entry.pending;
    entry.timer?.[Symbol.dispose]();
    entry.timer = undefined;
    if (entry.standing === 'active') {
      this.#active.remove(entry, entry.priority, entry.namespace);
      this.#countActive(entry, -1);
    } else if (entry.standing === 'parked' && pin !== undefined) {
      const there = this.#pinned.get(pin);
      there?.delete(entry);
      if (there?.size === 0) this.#pinned.delete(pin);
    } else if (entry.standing === 'parked') {
      const group = this.#groups.get(signature);
      group?.waiting.delete(entry);
      group?.promised.delete(entry);
      this.#endGroup(signature);
    }
    entry.promised = false;
    entry.standing = 'taken';
  }

  #countActive(entry: Entry, by: 1 | -1): void {
    const { signature, pin } = entry.pending;
    if (pin !== undefined) return;
    let active = this.#activeOf.get(signature);
    if (by === 1) {
      if (active === undefined) this.#activeOf.set(signature, (active = new Set()));
      active.add(entry);
    } else active?.delete(entry);
    if (active?.size === 0) this.#activeOf.delete(signature);
    const group = this.#groups.get(signature);
    if (by === -1 && group?.open === true && !this.#activeOf.has(signature)) this.#letIn(signature, group);
  }

  #letIn(signature: Signature, group: Parked): void {
    let left = portionMax;
    for (const entry of group.waiting) {
      if (left-- === 0) return;
      group.waiting.delete(entry);
      this.#activate(entry);
    }
    group.highest = -Infinity;
    this.#endGroup(signature);
  }

  #endGroup(signature: Signature): void {
    const group = this.#groups.get(signature);
    if (group !== undefined && group.waiting.size + group.promised.size === 0) this.#groups.delete(signature);
  }

  #group(signature: Signature): Parked {
    let group = this.#groups.get(signature);
    if (group === undefined) {
      group = { waiting: new Set(), promised: new Set(), highest: -Infinity, open: false };
      this.#groups.set(signature, group);
    }
    return group;
  }
}
