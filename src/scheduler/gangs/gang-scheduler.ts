import type { Pod } from '#api/core/pod.ts';
import type { Workload } from '#api/scheduling/workload.ts';
import type { Clock } from '#lib/clock.ts';
import { unreachable } from '#lib/unreachable.ts';
import type { BatchPlacer, Decision, PendingPod } from '../batch.ts';
import type { FailureReporter } from '../failure-reporter.ts';
import type { NodeTable } from '../node-table.ts';
import type { Queued, SchedulingQueue } from '../queue.ts';
import type { Signature } from '../signature.ts';
import { decideGang, type GangDecision } from './decide-gang.ts';
import { GangBook, type Gang } from './gang-book.ts';

export interface GangSchedulerOptions {
  readonly table: NodeTable;
  readonly placer: BatchPlacer;
  readonly queue: SchedulingQueue;
  readonly reporter: Pick<FailureReporter, 'report'>;
  readonly clock: Clock;
  /** Reads a pod's demands as they count now. */
  readonly sign: (pod: Pod) => Signature;
  /** Wakes those who wait for what has changed so far; a second call right after it has nothing to do. */
  readonly wake: () => void;
  /** What has changed since then concerns nobody. */
  readonly skip: () => void;
  /** Called when pods may be decided again because time has passed. */
  readonly onActive: () => void;
}

/** What is told of a pod's gang, as of now. Plain data: it goes over the wire as it is. */
export interface GangVerdict {
  readonly workload: string;
  readonly podGroup: string;
  readonly replicaKey?: string;
  readonly minCount: number;
  /** Pods of it that have not ended. */
  readonly pods: number;
  /** Of these, how many have a node. */
  readonly placed: number;
  /** What the gang waits for. */
  readonly summary: string;
}

/** A gang that found no room, as whoever wakes it must know. */
export interface StalledGang {
  readonly key: string;
  readonly signatures: ReadonlySet<Signature>;
  readonly highestPriority: number;
}

interface State {
  stalled: StalledGang | undefined;
  /** What was said last of why it waits. */
  message: string;
  /** Not tried again before this. */
  retryAt: number;
  timer: Disposable | undefined;
  /** Runs while room is being made. */
  deadline: Disposable | undefined;
}

/** Room that is being made for a gang is its own for so long; upstream's time for a gang to come together. */
export const gangRoomMsMax = 300_000;
/** After that others may have the room for so long. */
const gangYieldMs = 10_000;
/** A gang that was tried in vain is tried again after so long, a pod, at the earliest; and at most. */
const trialSpacing = { msPerPod: 10, msMax: 1_000 };

/**
 * Places pods of a gang together or not at all (`Workload` with `policy.gang`). Its pods wait without being tried until
 * `minCount` of them exist; then one decision tries all of them on the table, and nothing of it stays unless enough fit.
 * So a gang that waits holds no room, and two gangs never wait for each other. Once `minCount` have a node, further pods
 * are placed one by one like any others.
 * Source of behaviour and words: KEP-4671 as of v1.35 (pkg/scheduler/framework/plugins/gangscheduling).
 */
export class GangScheduler {
  readonly #options: GangSchedulerOptions;
  readonly #book = new GangBook();
  readonly #states = new Map<string, State>();
  #stalledCount = 0;

  constructor(options: GangSchedulerOptions) {
    this.#options = options;
  }

  putWorkload(workload: Workload): void {
    for (const gang of this.#book.putWorkload(workload)) this.#activate(gang);
  }

  removeWorkload(workload: Workload): void {
    this.#book.removeWorkload(workload);
  }

  /** Takes up a pod, with or without a node. A gang that it completes is tried. */
  putPod(pod: Pod): void {
    const gang = this.#book.putPod(pod);
    if (gang === undefined) return;
    const policy = this.#book.policyOf(gang);
    if (policy.is === 'gang' && gang.members.size === policy.minCount) this.#activate(gang);
  }

  removePod(uid: string): void {
    const emptied = this.#book.removePod(uid);
    if (emptied !== undefined) this.#end(emptied.key);
  }

  /**
   * Takes a pod from the queue of each gang that is placed in part, as a scheduler before this one may leave it: who
   * decides for them first finds their room as it was.
   */
  *takeLeftInPart(): Iterable<Queued> {
    const { queue } = this.#options;
    for (const gang of this.#book.all()) {
      const policy = this.#book.policyOf(gang);
      const placed = this.#placedOf(gang);
      if (policy.is !== 'gang' || placed === 0 || placed >= policy.minCount) continue;
      const next = [...gang.members.keys()].map((uid) => queue.get(uid)).find((each) => each?.standing === 'active');
      if (next === undefined) continue;
      queue.takePod(next.uid);
      yield next;
    }
  }

  get hasStalled(): boolean {
    return this.#stalledCount > 0;
  }

  /** Gangs that wait for room. */
  *stalled(): Iterable<StalledGang> {
    for (const { stalled } of this.#states.values()) if (stalled !== undefined) yield stalled;
  }

  /** Lets a stalled gang try again, at once or when it has waited long enough. */
  wake({ key }: StalledGang): void {
    const state = this.#states.get(key);
    if (state === undefined) return;
    const waitMs = state.retryAt - this.#options.clock.now();
    if (waitMs > 0) this.#later(key, state, waitMs);
    else this.#activateKey(key);
  }

  /** Lets every stalled gang try again. */
  wakeAll(): void {
    for (const stalled of this.stalled()) this.wake(stalled);
  }

  /** Stops all timers. */
  close(): void {
    for (const key of this.#states.keys()) this.#end(key);
  }

  /**
   * Decides for a pod that was taken from the queue and, if it needs that, for its whole gang. Undefined for a pod that
   * is decided by itself; otherwise decisions to be carried out, none if the pods must wait.
   */
  decide({ uid, pending }: Pick<Queued, 'uid' | 'pending'>): readonly Decision[] | undefined {
    const gang = this.#book.of(uid);
    const policy = gang === undefined ? undefined : this.#book.policyOf(gang);
    if (gang === undefined || policy === undefined || policy.is === 'basic') return undefined;
    // Whoever has a reservation has its room already, and waits for nobody.
    if (pending.claim !== undefined) return undefined;
    const { queue } = this.#options;
    if (policy.is === 'unknown') return this.#hold([pending], `waiting for a place to be decided: ${policy.why}`);
    const needed = policy.minCount - this.#placedOf(gang);
    if (needed <= 0) {
      this.#settle(gang.key);
      return undefined;
    }
    if (gang.members.size < policy.minCount) return this.#hold([pending], tooFew);
    const ready = [...gang.members.keys()].flatMap((member) => {
      if (member === uid) return [pending];
      const queued = queue.get(member);
      const tryable = queued !== undefined && !unready.has(queued.standing) && queued.pending.claim === undefined;
      return tryable ? [queued.pending] : [];
    });
    if (ready.length < needed) return this.#hold(ready, notReady);
    const state = this.#stateOf(gang.key);
    const waitMs = state.retryAt - this.#options.clock.now();
    if (waitMs > 0) {
      this.#later(gang.key, state, waitMs);
      return this.#hold(ready);
    }
    return this.#tryAll(gang, state, ready, needed, policy.minCount, uid);
  }

  /** What can be said of the gang of a pod that waits; undefined if it has none. */
  verdictOf(uid: string): GangVerdict | undefined {
    const gang = this.#book.of(uid);
    const policy = gang === undefined ? undefined : this.#book.policyOf(gang);
    if (gang === undefined || policy === undefined || policy.is === 'basic') return undefined;
    const { workload, podGroup, replicaKey, members, key } = gang;
    const minCount = policy.is === 'gang' ? policy.minCount : 0;
    const placed = this.#placedOf(gang);
    return {
      workload,
      podGroup,
      ...(replicaKey === '' ? {} : { replicaKey }),
      minCount,
      pods: members.size,
      placed,
      summary: this.#summaryOf(policy, key, members.size, placed),
    };
  }

  #summaryOf(policy: ReturnType<GangBook['policyOf']>, key: string, pods: number, placed: number): string {
    if (policy.is === 'unknown') return `its ${policy.why}`;
    if (policy.is === 'basic' || placed >= policy.minCount) return 'it is placed by itself';
    if (pods < policy.minCount) return `${pods} of the ${policy.minCount} pods exist that must be placed together`;
    const { message = '', deadline } = this.#states.get(key) ?? {};
    if (message !== '') return message;
    if (deadline !== undefined) return 'others are leaving for its pods; none is placed before all can be';
    return `it is placed together with at least ${policy.minCount - placed - 1} others when its turn comes`;
  }

  #tryAll(
    gang: Gang,
    state: State,
    ready: readonly PendingPod[],
    needed: number,
    minCount: number,
    uid: string,
  ): readonly Decision[] {
    const { queue, table, placer, clock, sign, wake, skip } = this.#options;
    for (const pending of ready) queue.takePod(uidOf(pending));
    wake();
    let result: GangDecision;
    try {
      result = decideGang(placer, table, ready, needed, sign);
    } catch (error) {
      for (const pending of ready) if (uidOf(pending) !== uid) queue.giveBackPod(uidOf(pending));
      throw error;
    }
    this.#unstall(state);
    const spacingMs = Math.min(trialSpacing.msMax, ready.length * trialSpacing.msPerPod);
    if (result.do !== 'place') {
      skip();
      state.retryAt = clock.now() + spacingMs;
    }
    switch (result.do) {
      case 'place':
        this.#settle(gang.key);
        this.#rest(ready, result, (other) => queue.giveBackPod(other));
        return result.decisions;
      case 'make-room':
        state.message = '';
        state.deadline ??= clock.after(gangRoomMsMax, () => this.#giveUp(gang));
        this.#rest(ready, result, (other) => queue.hold(other));
        return result.decisions;
      case 'refuse': {
        const { failure, fitted, again } = result;
        const already = needed === minCount ? '' : ` (${minCount - needed} have a node)`;
        const message = `${fitted} of the ${needed} pods fit that must be placed together${already}: ${failure.message}`;
        this.#endDeadline(state);
        this.#stall(gang.key, state, ready, message);
        if (again !== undefined) this.#later(gang.key, state, Math.max(again, spacingMs));
        return this.#hold(ready, message);
      }
      default:
        return unreachable(result);
    }
  }

  /** Those of whom nothing was decided. */
  #rest(
    ready: readonly PendingPod[],
    result: Exclude<GangDecision, { do: 'refuse' }>,
    act: (uid: string) => void,
  ): void {
    const decided = new Set(result.decisions.map(({ pending }) => uidOf(pending)));
    for (const pending of ready) if (!decided.has(uidOf(pending))) act(uidOf(pending));
  }

  /** Time is over: the room that was being made is given back, and others may have it for a while. */
  #giveUp(gang: Gang): void {
    const { queue, clock } = this.#options;
    const state = this.#stateOf(gang.key);
    this.#endDeadline(state);
    const waiting = [...gang.members.keys()].flatMap((uid) => queue.get(uid) ?? []);
    const held = waiting.filter(({ standing }) => standing === 'parked' || standing === 'held');
    const message = `the room that others were leaving for its gang did not come free within ${gangRoomMsMax / 1000} seconds and was given back`;
    if (held.length === 0) return;
    const pods = held.map(({ pending }) => pending);
    this.#hold(pods, message);
    this.#stall(gang.key, state, pods, message);
    state.retryAt = clock.now() + gangYieldMs;
    this.#later(gang.key, state, gangYieldMs);
  }

  /** Members whose place is decided, known to the API server or not. */
  #placedOf({ members }: Gang): number {
    let placed = 0;
    for (const uid of members.keys()) {
      const state = this.#options.table.occupant(uid)?.state;
      if (state === 'bound' || state === 'assumed') placed++;
    }
    return placed;
  }

  /** Has pods wait. Those who are told why wait for nothing that was promised to them: they hold no room any more. */
  #hold(pods: readonly PendingPod[], message?: string): readonly Decision[] {
    const { queue, reporter, placer } = this.#options;
    const { nominations } = placer.preemptor;
    for (const pending of pods) {
      const uid = uidOf(pending);
      queue.hold(uid);
      if (message === undefined) continue;
      const unnominated = nominations.get(uid) !== undefined;
      nominations.delete(uid);
      reporter.report(pending.pod, 'Unschedulable', message, { unnominated });
    }
    return [];
  }

  #stall(key: string, state: State, pods: readonly PendingPod[], message: string): void {
    this.#unstall(state);
    this.#stalledCount++;
    state.message = message;
    const signatures = new Set(pods.map(({ signature }) => signature));
    const highestPriority = Math.max(...pods.map(({ pod }) => pod.spec?.priority ?? 0));
    state.stalled = { key, signatures, highestPriority };
  }

  #unstall(state: State): void {
    if (state.stalled !== undefined) this.#stalledCount--;
    state.stalled = undefined;
    state.message = '';
  }

  #later(key: string, state: State, ms: number): void {
    state.timer ??= this.#options.clock.after(ms, () => {
      state.timer = undefined;
      this.#activateKey(key);
      this.#options.onActive();
    });
  }

  #activateKey(key: string): void {
    const state = this.#states.get(key);
    if (state !== undefined) this.#unstall(state);
    const gang = this.#book.get(key);
    if (gang !== undefined) this.#activate(gang);
  }

  /** One pod speaks for all; but whether the gang still needs that is known only when it is decided. */
  #activate(gang: Gang): void {
    for (const uid of gang.members.keys()) this.#options.queue.wakeHeld(uid);
  }

  /** The gang has come together, for now. */
  #settle(key: string): void {
    const state = this.#states.get(key);
    if (state === undefined) return;
    this.#unstall(state);
    this.#endDeadline(state);
    state.retryAt = 0;
  }

  #endDeadline(state: State): void {
    state.deadline?.[Symbol.dispose]();
    state.deadline = undefined;
  }

  #end(key: string): void {
    const state = this.#states.get(key);
    if (state === undefined) return;
    this.#unstall(state);
    this.#endDeadline(state);
    state.timer?.[Symbol.dispose]();
    this.#states.delete(key);
  }

  #stateOf(key: string): State {
    let state = this.#states.get(key);
    if (state === undefined) {
      state = { stalled: undefined, message: '', retryAt: 0, timer: undefined, deadline: undefined };
      this.#states.set(key, state);
    }
    return state;
  }
}

const uidOf = ({ pod }: PendingPod) => pod.metadata?.uid ?? '';

/** Members that cannot be decided now: gated, on their way, or waiting out a failed binding. */
const unready: ReadonlySet<Queued['standing']> = new Set(['gated', 'taken', 'delayed']);
/** Upstream's words. */
const tooFew = 'waiting for minCount pods from a gang to appear in scheduling queue';
const notReady =
  'waiting for minCount pods from a gang to be ready for scheduling: others have scheduling gates or failed';
