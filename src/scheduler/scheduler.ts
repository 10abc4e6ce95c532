import { setImmediate } from 'node:timers/promises';
import { Namespace } from '#api/core/namespace.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { Workload } from '#api/scheduling/workload.ts';
import { Reservation } from '#api/tutti-scheduling/reservation.ts';
import type { CacheEvent, Informers } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import { backoffMs } from '#lib/backoff.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Metrics } from '#lib/metrics.ts';
import { keyOf, type ObjectRef } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { BatchPlacer, pendingOf, type Decision, type PendingPod } from './batch.ts';
import { Binder, type Placement } from './binder.ts';
import { defaultSpreadFor, followSpreadOwners } from './default-spread.ts';
import { defaultSchedulerName } from './demand.ts';
import {
  DecisionMemory,
  describePreemption,
  judgeNodes,
  preemptionVerdict,
  refOfPod,
  type Explanation,
  type WhySource,
} from './explain.ts';
import { PluginFailure } from './custom-plugins/plugin-failure.ts';
import { FailureReporter } from './failure-reporter.ts';
import { GangScheduler } from './gangs/gang-scheduler.ts';
import { NodeTable, type Occupant } from './node-table.ts';
import { Evictor, type Preemption } from './preemption/evictor.ts';
import { preemptionMetrics, type PreemptionMetrics } from './preemption/metrics.ts';
import { profileOf, type ProfileConfig } from './profile.ts';
import type { Profile } from './plugin.ts';
import { SchedulingQueue, type Queued } from './queue.ts';
import { ReservationKeeper } from './reservations/reservation-keeper.ts';
import { Signatures, type Signature } from './signature.ts';
import { SpreadOwners } from './spread-owners.ts';
import { followVolumes } from './volumes/follow-volumes.ts';
import { VolumeBinder, VolumeBindingFailure } from './volumes/volume-binder.ts';
import { Waker } from './waker.ts';

export interface SchedulerOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  /** One default profile unless given. */
  readonly profiles?: readonly ProfileConfig[];
  /** How long a pod waits after its binding failed: the first time, and at most. Upstream's delays unless given. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  /** Breaks ties between nodes: the same seed and events give the same placements. */
  readonly seed?: number;
  readonly metrics?: Metrics | undefined;
}

/** Pods decided before other work on this thread gets its turn. */
const decisionsPerTurnMax = 256;
const usualBackoff = { initialMs: 1_000, maxMs: 10_000 };
/** How long a bound pod may stay unseen in the cache before it is looked up. */
const confirmationMsMax = 60_000;
const sweepMs = 10_000;
/** Everything that waits is tried again this often, whatever was or was not noticed. Upstream's bound. */
const repairMs = 300_000;

/**
 * Gives pods their nodes. Follows nodes and pods through the shared caches, decides in batches, binds in parallel and
 * tells users why a pod waits. Decisions are those of `BatchPlacer`; this is the loop around it.
 *
 * `follow()` keeps the table current, so that a standby can answer `why()` and take over at once; `run()` schedules,
 * for as long as this process is the one that may.
 */
export class Scheduler implements WhySource {
  readonly #options: SchedulerOptions;
  readonly #profiles: readonly Profile[];
  readonly #signatures: Signatures;
  readonly #table: NodeTable;
  readonly #placer: BatchPlacer;
  readonly #queue: SchedulingQueue;
  readonly #waker: Waker;
  readonly #reporter: FailureReporter;
  readonly #memory = new DecisionMemory();
  readonly #preemptions: PreemptionMetrics;
  readonly #gangs: GangScheduler;
  readonly #reservations: ReservationKeeper;
  /** Decisions on gangs that are booked and not yet carried out: a gang may be larger than what is on its way at once. */
  readonly #backlog: Decision[] = [];
  readonly #subscriptions: Disposable[] = [];
  /** What pods are signed with. */
  #labelsRead: ReadonlySet<string> | undefined;
  /** Whom pods belong with that are spread by default, and which of its answers a pod was signed with. */
  readonly #owners = new SpreadOwners();
  readonly #signedAt = new WeakMap<PendingPod, number>();
  #notify: (() => void) | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { clock, seed, profiles: configs = [{}] } = options;
    const profiles = configs.map(profileOf);
    this.#profiles = profiles;
    this.#signatures = new Signatures({
      needs: (name) => this.#placer.profile(name) ?? {},
    });
    this.#table = new NodeTable(this.#signatures, seed === undefined ? {} : { seed });
    this.#placer = new BatchPlacer(this.#table, profiles, { now: () => clock.now() });
    this.#preemptions = preemptionMetrics(options.metrics);
    this.#queue = new SchedulingQueue(
      (ms, fn) => clock.after(ms, fn),
      () => this.#notify?.(),
    );
    const { nominations } = this.#placer.preemptor;
    this.#reporter = new FailureReporter(options);
    this.#gangs = new GangScheduler({
      table: this.#table,
      placer: this.#placer,
      queue: this.#queue,
      reporter: this.#reporter,
      clock,
      sign: (pod) => this.#sign(pod),
      wake: () => this.#waker.wake(),
      skip: () => this.#waker.skip(),
      onActive: () => this.#notify?.(),
    });
    this.#reservations = new ReservationKeeper({
      ...options,
      cache: options.informers,
      table: this.#table,
      book: this.#placer.reservations,
      nominations,
      wakePod: (uid) => this.#queue.wakeHeld(uid),
      onWork: () => this.#notify?.(),
    });
    const profileFor = (name: string) => this.#placer.profile(name);
    this.#waker = new Waker(this.#table, this.#queue, nominations, profileFor, this.#gangs);
  }

  /** Starts to follow the cluster (idempotent); it ends with `signal`. */
  follow(signal: AbortSignal): void {
    if (this.#subscriptions.length > 0 || signal.aborted) return;
    const { informers } = this.#options;
    this.#subscriptions.push(
      ...followVolumes(informers, this.#table.volumes, () => this.#notify?.()),
      informers.on(Node, (event) => this.#onNode(event)),
      informers.on(Namespace, (event) => this.#onNamespace(event)),
      informers.on(Pod, (event) => this.#onPod(event)),
      informers.on(PodDisruptionBudget, (event) => this.#onBudget(event)),
      informers.on(Workload, (event) => this.#onWorkload(event)),
      informers.on(Reservation, (event) => this.#reservations.follow(event)),
    );
    const spreads = this.#profiles.some(({ defaultSpread }) => defaultSpread.length > 0);
    if (spreads) this.#subscriptions.push(...followSpreadOwners(informers, this.#owners));
    for (const { schedulerName, onChange } of this.#profiles) {
      const subscription = onChange?.(() => this.#reconsider(schedulerName));
      if (subscription !== undefined) this.#subscriptions.push(subscription);
    }
    const end = () => {
      for (const subscription of this.#subscriptions.splice(0)) subscription[Symbol.dispose]();
      this.#queue.close();
      this.#gangs.close();
      this.#reservations.close();
    };
    signal.addEventListener('abort', end, { once: true });
  }

  /** Schedules until `signal` aborts, then waits for what is on its way. May be called again after that. */
  async run(signal: AbortSignal): Promise<void> {
    this.follow(signal);
    const { informers, client, clock } = this.#options;
    await informers.synced(signal).catch(() => {});
    const volumes = new VolumeBinder({ client, clock, table: this.#table });
    const binder = new Binder(client, volumes, (placement, error) => this.#bound(placement, error));
    const evictor = new Evictor({
      client,
      clock,
      events: this.#options.events,
      done: (preemption, error, staying) => this.#preempted(preemption, error, staying),
    });
    const reporting = this.#reporter.run(signal);
    const aborted = () => this.#notify?.();
    signal.addEventListener('abort', aborted, { once: true });
    let sweep = clock.after(sweepMs, () => this.#notify?.());
    let sweptAt = clock.now();
    let repairedAt = sweptAt;
    if (!signal.aborted) {
      this.#reservations.act(signal);
      this.#resign();
      for (const next of this.#gangs.takeLeftInPart()) this.#decideOne(next, binder, evictor, signal);
    }
    while (!signal.aborted) {
      if (clock.now() - sweptAt >= sweepMs) {
        sweptAt = clock.now();
        sweep = clock.after(sweepMs, () => this.#notify?.());
        this.#confirmLapsed(signal);
        void this.#reservations.sweep(signal);
        if (sweptAt - repairedAt >= repairMs) {
          repairedAt = sweptAt;
          this.#queue.wakeAll();
          this.#gangs.wakeAll();
        }
      }
      this.#reservations.act(signal);
      this.#resign();
      this.#waker.wake();
      this.#carryOn(binder, evictor, signal);
      if (this.#queue.activeCount > 0 && binder.room > 0 && evictor.room > 0) {
        this.#decideSome(binder, evictor, signal);
        await setImmediate();
      } else {
        await new Promise<void>((resolve) => (this.#notify = resolve));
      }
    }
    sweep[Symbol.dispose]();
    signal.removeEventListener('abort', aborted);
    await this.#reservations.giveBack();
    await Promise.all([binder.drained(), evictor.drained(), reporting]);
    for (const decision of this.#backlog.splice(0)) this.#takeBack(decision);
    this.#queue.giveBack();
  }

  why(ref: Required<ObjectRef>): Explanation | undefined {
    const pod = this.#options.informers.get(Pod, ref);
    if (pod === undefined) return undefined;
    const { schedulerName = defaultSchedulerName, nodeName, schedulingGates = [] } = pod.spec ?? {};
    const nothing = { pod: ref, nodes: [], nodesOmitted: 0, wouldFit: [] };
    if (this.#placer.profile(schedulerName) === undefined) {
      return { ...nothing, state: 'foreign', summary: `It is left to the scheduler "${schedulerName}".` };
    }
    const uid = pod.metadata?.uid ?? '';
    const decision = this.#memory.get(uid);
    const pending = pendingOf(pod, this.#sign(pod));
    const { signature, pin } = pending;
    this.#placer.preemptor.nominations.regard(pod.spec?.priority ?? 0, uid);
    const judged = judgeNodes(this.#table, this.#placer.evaluationOf(signature), pin, this.#placer.reservations);
    const verdicts = { nodes: judged.nodes, nodesOmitted: judged.omitted, wouldFit: judged.wouldFit };
    if (nodeName !== undefined && nodeName !== '') {
      const summary =
        decision === undefined
          ? `It runs on ${nodeName}; the decision is no longer remembered, or was not made here.`
          : `It was placed on ${decision.nodeName}: the best, with score ${decision.score}, of ${decision.fitting} of ${decision.nodes} nodes that fitted.`;
      return {
        pod: ref,
        state: 'placed',
        summary,
        nodeName,
        ...(decision === undefined ? {} : { decision }),
        ...verdicts,
      };
    }
    if (schedulingGates.length > 0) {
      const gates = schedulingGates.map(({ name }) => name).join(', ');
      return { ...nothing, state: 'gated', summary: `It waits for its scheduling gates: ${gates}.` };
    }
    if (pending.claim !== undefined) {
      const refusal = this.#placer.refusalInto(pending, pending.claim);
      const summary = refusal === undefined ? `It goes into reservation "${pending.claim}".` : `Its ${refusal}.`;
      return { pod: ref, state: 'waiting', summary, ...verdicts };
    }
    const gang = this.#gangs.verdictOf(uid);
    if (gang !== undefined && gang.placed < gang.minCount) {
      const summary = `It belongs to pod group "${gang.podGroup}" of workload "${gang.workload}": ${gang.summary}.`;
      return { pod: ref, state: 'waiting', summary, ...verdicts, gang };
    }
    const occupant = this.#table.occupant(uid);
    if (occupant?.state === 'assumed') {
      const summary = `It goes to ${this.#table.nameOf(occupant.row)}: it is on its way, or held back by a plugin.`;
      return { pod: ref, state: 'waiting', summary, ...verdicts };
    }
    if (judged.fitting > 0) {
      const last = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
      const failed = last?.reason === 'SchedulerError' ? ` The last try failed: ${last.message ?? ''}.` : '';
      const summary = `${judged.fitting} of ${judged.total} nodes would take it; it waits for its turn.${failed}`;
      return { pod: ref, state: 'waiting', summary, ...verdicts };
    }
    const recourse = this.#placer.recourse(pending);
    const preemption = preemptionVerdict(recourse, this.#table);
    const summary = `None of ${judged.total} nodes takes it.${describePreemption(preemption)}`;
    return { pod: ref, state: 'waiting', summary, ...verdicts, preemption };
  }

  #onNode({ type, object }: CacheEvent<Node>): void {
    const { name = '' } = object.metadata ?? {};
    const { nominations } = this.#placer.preemptor;
    if (type === 'DELETED') {
      this.#table.removeNode(name);
      for (const { uid } of nominations.nodeWent(name)) this.#queue.wakePod(uid);
    } else {
      this.#table.setNode(object);
      nominations.nodeCame(name);
    }
    this.#notify?.();
  }

  #onNamespace({ type, object }: CacheEvent<Namespace>): void {
    const { name = '', labels = {} } = object.metadata ?? {};
    if (!this.#table.setNamespace(name, type === 'DELETED' ? undefined : labels)) return;
    this.#queue.wakeAll();
    this.#gangs.wakeAll();
    this.#notify?.();
  }

  #onBudget({ type, object }: CacheEvent<PodDisruptionBudget>): void {
    const { namespace = '', name = '' } = object.metadata ?? {};
    const { budgets } = this.#placer.preemptor;
    if (type === 'DELETED') budgets.remove(namespace, name);
    else budgets.put(object);
  }

  #onWorkload({ type, object }: CacheEvent<Workload>): void {
    if (type === 'DELETED') this.#gangs.removeWorkload(object);
    else this.#gangs.putWorkload(object);
    this.#notify?.();
  }

  #onPod({ type, object: pod }: CacheEvent<Pod>): void {
    const uid = pod.metadata?.uid ?? '';
    const phase = pod.status?.phase;
    const isBound = (pod.spec?.nodeName ?? '') !== '';
    const { namespace = '', deletionTimestamp } = pod.metadata ?? {};
    const ends = type === 'DELETED' || deletionTimestamp !== undefined || phase === 'Succeeded' || phase === 'Failed';
    if (ends && isBound) this.#placer.preemptor.budgets.seenEnding({ uid, namespace });
    if (ends) this.#gangs.removePod(uid);
    const mayClaim = type !== 'DELETED' && phase !== 'Succeeded' && phase !== 'Failed';
    this.#reservations.followPod(pod, mayClaim);
    if (!mayClaim) this.#table.volumes.removePod(uid);
    if (type === 'DELETED') {
      this.#table.removePod(uid);
      this.#forget(uid);
    } else if (isBound) {
      this.#table.setPod(pod);
      this.#forget(uid);
    } else if (ends) {
      this.#forget(uid);
    } else if (this.#placer.profile(pod.spec?.schedulerName ?? defaultSchedulerName) !== undefined) {
      const pending = this.#pendingOf(pod);
      this.#placer.preemptor.nominations.follow(pod, pending.signature);
      this.#queue.put(pending);
    }
    if (!ends) this.#gangs.putPod(pod);
    this.#notify?.();
  }

  /** Plugins of a profile may answer differently now: its pods are tried again. */
  #reconsider(schedulerName: string): void {
    this.#placer.reconsider(schedulerName);
    for (const signature of this.#queue.parkedSignatures()) {
      if (signature.demand.schedulerName === schedulerName) this.#queue.wake(signature);
    }
    for (const { signature, pin } of this.#queue.waiting()) {
      if (pin !== undefined && signature.demand.schedulerName === schedulerName) this.#queue.wakePinned(pin);
    }
    this.#notify?.();
  }

  /** Labels belong to the demands of every pod as far as pods with a place look at them. */
  #sign(pod: Pod): Signature {
    const { labelsRead } = this.#table.affine;
    const defaults = this.#placer.profile(pod.spec?.schedulerName ?? defaultSchedulerName)?.defaultSpread ?? [];
    return this.#signatures.of(pod, { labelsRead, defaultSpread: defaultSpreadFor(pod, defaults, this.#owners) });
  }

  #pendingOf(pod: Pod): PendingPod {
    const pending = pendingOf(pod, this.#sign(pod));
    this.#signedAt.set(pending, this.#owners.version);
    return pending;
  }

  /** Signs a pod that was taken anew if Services or controllers have changed since: its turn may come before theirs. */
  #refreshed(taken: Queued): Queued {
    if (this.#signedAt.get(taken.pending) !== this.#owners.version) this.#queue.put(this.#pendingOf(taken.pending.pod));
    return this.#queue.get(taken.uid) ?? taken;
  }

  /** Signs waiting pods anew whose claims stand otherwise, and all once the first pod is there that looks at labels which nobody looked at before. */
  #resign(): void {
    for (const uid of this.#table.volumes.takeChanged()) {
      const pod = this.#queue.get(uid)?.pending.pod;
      if (pod === undefined) continue;
      const pending = this.#pendingOf(pod);
      this.#placer.preemptor.nominations.follow(pod, pending.signature);
      this.#queue.put(pending);
    }
    const { labelsRead } = this.#table.affine;
    if (this.#labelsRead === labelsRead) return;
    this.#labelsRead = labelsRead;
    if (labelsRead === undefined) return;
    for (const { pod } of this.#queue.waiting()) this.#queue.put(this.#pendingOf(pod));
  }

  #forget(uid: string): void {
    this.#queue.remove(uid);
    this.#reporter.forget(uid);
    this.#placer.preemptor.nominations.delete(uid);
  }

  #decideSome(binder: Binder, evictor: Evictor, signal: AbortSignal): void {
    const count = Math.min(decisionsPerTurnMax, binder.room);
    for (let index = 0; index < count && evictor.room > 0; index++) {
      const taken = this.#queue.take();
      if (taken === undefined) return;
      this.#decideOne(this.#refreshed(taken), binder, evictor, signal);
    }
  }

  #decideOne(next: Queued, binder: Binder, evictor: Evictor, signal: AbortSignal): void {
    try {
      const decisions = this.#gangs.decide(next);
      if (decisions === undefined) {
        const decision = this.#placer.decide(next.pending);
        this.#rescind(decision);
        this.#apply(decision, binder, evictor, signal);
      } else {
        for (const decision of decisions) this.#rescind(decision);
        this.#backlog.push(...decisions);
        this.#carryOn(binder, evictor, signal);
      }
    } catch (error) {
      this.#undecided(next, error);
    }
    this.#resign();
  }

  /** A plugin in this process has thrown: its pod waits, others go on. */
  #undecided({ pending, uid, failures }: Queued, error: unknown): void {
    const { namespace, name } = refOfPod(pending.pod);
    this.#options.log.error('pod not decided', { pod: keyOf({ namespace, name }), error });
    if (this.#table.occupant(uid)?.state === 'assumed') this.#table.removePod(uid);
    this.#placer.reconsider(pending.signature.demand.schedulerName);
    this.#queue.delay(uid, backoffMs(this.#options.backoff ?? usualBackoff, failures + 1));
    this.#reporter.report(pending.pod, 'SchedulerError', error instanceof Error ? error.message : String(error));
  }

  /** Carries out what was decided on gangs, as far as there is room on the way. */
  #carryOn(binder: Binder, evictor: Evictor, signal: AbortSignal): void {
    while (this.#backlog.length > 0 && binder.room > 0 && evictor.room > 0) {
      const decision = this.#backlog.shift();
      if (decision !== undefined) this.#apply(decision, binder, evictor, signal);
    }
  }

  /** Has the holders of reservations told that the decision has taken their room. */
  #rescind(decision: Decision): void {
    if (decision.do !== 'place' && decision.do !== 'preempt') return;
    const { pod } = decision.pending;
    for (const held of decision.rescinded) {
      const message = `its room went to pod "${keyOf(refOfPod(pod))}" of priority ${pod.spec?.priority ?? 0}`;
      this.#reservations.rescind(held, 'Preempted', message);
    }
  }

  /** Undoes a decision that was booked and will not be carried out. */
  #takeBack(decision: Decision): void {
    const { uid = '' } = decision.pending.pod.metadata ?? {};
    if (decision.do === 'preempt') this.#placer.preemptor.release(uid, decision.victims);
    else if (this.#table.occupant(uid)?.state === 'assumed') this.#table.removePod(uid);
  }

  #apply(decision: Decision, binder: Binder, evictor: Evictor, signal: AbortSignal): void {
    const { pending } = decision;
    const { uid = '' } = pending.pod.metadata ?? {};
    if (decision.do === 'refuse') return this.#refuse(decision, uid);
    if (decision.do === 'wait') return this.#queue.promise(uid);
    if (decision.do === 'preempt') {
      this.#preemptions.attempted(decision.victims.length);
      this.#queue.promise(uid);
      for (const displaced of decision.displaced) this.#queue.wakePod(displaced.uid);
      const { nodeName, victims, failure } = decision;
      evictor.start({ pending, nodeName, victims, message: failure.message }, signal);
      return;
    }
    const profile = this.#placer.profile(pending.signature.demand.schedulerName);
    if (profile === undefined) return;
    this.#memory.remember(uid, {
      at: new Date(this.#options.clock.now()).toISOString(),
      nodeName: decision.nodeName,
      score: decision.score,
      fitting: decision.fitting,
      nodes: this.#table.nodeCount,
    });
    const { nodeName } = decision;
    binder.start({ pending, nodeName, profile, cleared: this.#reservations.cleared(nodeName) }, signal);
  }

  #refuse({ pending, failure, unnominated, again }: Decision & { do: 'refuse' }, uid: string): void {
    const never = (pod: Pod) => pod.spec?.preemptionPolicy === 'Never';
    const { nominations } = this.#placer.preemptor;
    const { schedulerName } = pending.signature.demand;
    const mayPreempt = this.#placer.profile(schedulerName)?.preempts === true && !never(pending.pod);
    if (pending.claim !== undefined) {
      this.#queue.hold(uid);
      return this.#reporter.report(pending.pod, 'Unschedulable', failure.message);
    }
    if (mayPreempt) this.#preemptions.attempted(undefined);
    // Who may not preempt speaks only for those who may not either; and the nominated have a node of their own.
    const parked = this.#queue.park(
      uid,
      ({ pod, claim }) =>
        claim === undefined &&
        (!never(pending.pod) || never(pod)) &&
        nominations.get(pod.metadata?.uid ?? '') === undefined,
    );
    for (const { pending: each } of parked) {
      this.#reporter.report(each.pod, 'Unschedulable', failure.message, {
        unnominated: each === pending && unnominated,
      });
    }
    if (again !== undefined) this.#queue.delay(uid, again);
  }

  #preempted({ pending: { pod }, nodeName, victims }: Preemption, error: unknown, staying: readonly Occupant[]): void {
    const { uid = '' } = pod.metadata ?? {};
    const { namespace, name } = refOfPod(pod);
    const { log } = this.#options;
    this.#notify?.();
    if (error === undefined) {
      log.info('pods preempted', { pod: keyOf({ namespace, name }), node: nodeName, victims: victims.length });
      return;
    }
    this.#placer.preemptor.release(uid, staying);
    const queued = this.#queue.get(uid);
    if (queued === undefined) return;
    this.#queue.delay(uid, backoffMs(this.#options.backoff ?? usualBackoff, queued.failures + 1));
    if (hasReason(error, 'Conflict', 'NotFound')) return;
    log.warn('pods not preempted', { pod: keyOf({ namespace, name }), node: nodeName, error });
  }

  #bound({ pending: { pod }, nodeName }: Placement, error: unknown): void {
    const { uid = '' } = pod.metadata ?? {};
    const { clock, events, log } = this.#options;
    const { namespace, name } = refOfPod(pod);
    this.#notify?.();
    if (error === undefined) {
      this.#table.expireAt(uid, clock.now() + confirmationMsMax);
      this.#forget(uid);
      const message = `Successfully assigned ${namespace}/${name} to ${nodeName}`;
      const reporter = pod.spec?.schedulerName ?? defaultSchedulerName;
      events.record(pod, { type: 'Normal', reason: 'Scheduled', action: 'Binding', message, reporter });
      return;
    }
    if (this.#table.occupant(uid)?.state === 'assumed') this.#table.removePod(uid);
    const queued = this.#queue.get(uid);
    if (queued === undefined) return; // it was deleted, or seen bound, meanwhile
    // Bound by somebody else, or gone, although the cache does not show it yet: the watch will tell, or the retry.
    const passing = hasReason(error, 'Conflict', 'NotFound');
    this.#queue.delay(uid, backoffMs(this.#options.backoff ?? usualBackoff, queued.failures + 1));
    if (passing) return;
    log.warn('pod not bound', { pod: keyOf({ namespace, name }), node: nodeName, error });
    const text = error instanceof Error ? error.message : 'unknown error';
    const isToldAsItIs = error instanceof PluginFailure || error instanceof VolumeBindingFailure;
    const message = isToldAsItIs ? text : `binding rejected: ${text}`;
    this.#reporter.report(pod, 'SchedulerError', message);
  }

  /** Looks up pods that were bound long ago and never seen bound: their room must not be given away unasked. */
  #confirmLapsed(signal: AbortSignal): void {
    const { clock } = this.#options;
    for (const occupant of this.#table.lapsed(clock.now())) {
      this.#table.expireAt(occupant.uid, clock.now() + confirmationMsMax);
      void this.#confirm(occupant, signal);
    }
  }

  /** Never rejects. */
  async #confirm(occupant: Occupant, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    try {
      const pod = await client.get(Pod, { namespace: occupant.namespace, name: occupant.name }, { signal });
      if (pod.metadata?.uid === occupant.uid) this.#table.setPod(pod);
      else this.#table.removePod(occupant.uid);
    } catch (error) {
      if (hasReason(error, 'NotFound')) this.#table.removePod(occupant.uid);
      else if (!signal.aborted) log.warn('bound pod not confirmed', { pod: keyOf(occupant), error });
    }
    this.#notify?.();
  }
}
