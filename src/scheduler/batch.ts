import type { Pod } from '#api/core/pod.ts';
import { reservationAnnotation } from '#api/tutti-scheduling/reservation.ts';
import { pinOf } from './demand.ts';
import { Evaluation, type Candidate } from './evaluation.ts';
import { FailureCounter, withPreemption, type Failure } from './failure.ts';
import type { NodeTable, Occupant } from './node-table.ts';
import type { Profile } from './plugin.ts';
import { DisruptionBudgets } from './preemption/disruption-budgets.ts';
import { Nominations, type Nomination } from './preemption/nominations.ts';
import { Preemptor, type Recourse } from './preemption/preemptor.ts';
import { DisplacementSearch } from './reservations/displacement-search.ts';
import { ReservationBook, type Held } from './reservations/reservation-book.ts';
import { exceeding } from './reservations/room.ts';
import type { Signature } from './signature.ts';

/** A pod to be placed, read once: what it demands and, if it names one node, which. */
export interface PendingPod {
  readonly pod: Pod;
  readonly signature: Signature;
  readonly pin: string | undefined;
  /** `namespace/name` of the reservation that it is placed into, if it names one. */
  readonly claim: string | undefined;
}

export type Decision =
  | {
      readonly do: 'place';
      readonly pending: PendingPod;
      readonly nodeName: string;
      readonly row: number;
      readonly score: number;
      /** Nodes that would have taken it. */
      readonly fitting: number;
      /** Reservations that had to give way. */
      readonly rescinded: readonly Held[];
    }
  /** It fits nowhere yet, but these may be made to leave: it is nominated to their node. */
  | {
      readonly do: 'preempt';
      readonly pending: PendingPod;
      readonly nodeName: string;
      readonly victims: readonly Occupant[];
      /** Pods of lower priority that were nominated there and must look elsewhere. */
      readonly displaced: readonly Nomination[];
      /** Reservations there that had to give way. */
      readonly rescinded: readonly Held[];
      readonly failure: Failure;
    }
  /** Room is being made where it is nominated. */
  | { readonly do: 'wait'; readonly pending: PendingPod; readonly nodeName: string }
  | {
      readonly do: 'refuse';
      readonly pending: PendingPod;
      readonly failure: Failure;
      /** True if it was nominated to a node and is so no more. */
      readonly unnominated: boolean;
      /** Milliseconds after which something should be tried again that was not tried now. */
      readonly again?: number;
    };

/** Bounds what evaluations keep: this many rows in all, so fewer signatures are remembered the more nodes there are. */
const evaluatedRowsMax = 1 << 20;
const evaluationsMin = 16;
/** What a preempting pod is told of why it waits may be so many changes old: the nodes are as full as before. */
const failureAgeMax = 4096;

/** Searches kept for one signature: pods of more priorities than that begin anew. */
const searchesMax = 8;

interface Known {
  readonly evaluation: Evaluation;
  /** The failure found at position `at` of the table's log: it holds until something changes. */
  failure?: { readonly at: number; readonly failure: Failure };
  /** Why preemption does not help, for pods of one priority. */
  words?: { readonly at: number; readonly priority: number; readonly text: string };
}

/**
 * Decides where pods go, one after the other, each with regard to all before it. Equal pods cost one look at every
 * node together, and then each only a look at the node that took the last one; the outcome is exactly that of looking
 * at every node for every pod (`reference.ts` in the tests is that, and random clusters are compared with it).
 *
 * Pure but for the table, in which every placed pod is assumed at once.
 */
export class BatchPlacer {
  readonly #table: NodeTable;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly preemptor: Preemptor;
  readonly reservations: ReservationBook;
  readonly #displacementSearches = new WeakMap<Evaluation, Map<number, DisplacementSearch>>();
  /** Least recently used first. */
  readonly #known = new Map<Signature, Known>();

  constructor(table: NodeTable, profiles: readonly Profile[], options: { readonly now?: () => number } = {}) {
    this.#table = table;
    this.reservations = new ReservationBook(table);
    this.preemptor = new Preemptor(table, new Nominations(table), new DisruptionBudgets(), options.now);
    this.#profiles = new Map(profiles.map((profile) => [profile.schedulerName, profile]));
  }

  /** Undefined if pods of that scheduler are somebody else's to place. */
  profile(schedulerName: string): Profile | undefined {
    return this.#profiles.get(schedulerName);
  }

  /**
   * Places one pod and assumes it on its node, has others leave for it, or says why it must wait. A pod that is
   * nominated to a node goes there if it can, without a look at others. One that fits nowhere gets the room of
   * reservations of lower priority before anybody has to leave for it. One that names a reservation goes there or waits.
   */
  decide(pending: PendingPod): Decision {
    const { uid = '' } = pending.pod.metadata ?? {};
    const { nominations } = this.preemptor;
    nominations.regard(pending.pod.spec?.priority ?? 0, uid);
    try {
      if (pending.claim !== undefined) return this.#placeInto(pending, pending.claim);
      return this.#place(pending) ?? this.#displace(pending) ?? this.#preempt(pending);
    } finally {
      nominations.regardAgain();
    }
  }

  #place(pending: PendingPod): Decision | undefined {
    const table = this.#table;
    const { pod, signature, pin } = pending;
    const { uid = '' } = pod.metadata ?? {};
    const { nominations } = this.preemptor;
    const evaluation = this.#knownOf(signature).evaluation;
    const named = pin ?? nominations.get(uid)?.nodeName;
    const row = named === undefined ? -1 : table.rowOf(named);
    let best = row >= 0 && evaluation.fitsOn(row) ? { row, score: 0 } : undefined;
    if (best === undefined && pin === undefined) best = evaluation.best();
    if (best === undefined) return undefined;
    return this.#assume(pending, best, pin === undefined ? evaluation.fitting : 1);
  }

  #assume(pending: PendingPod, { row, score }: Candidate, fitting: number, rescinded: readonly Held[] = []): Decision {
    const { pod, signature } = pending;
    this.preemptor.nominations.delete(pod.metadata?.uid ?? '');
    this.#table.assume(pod, signature, row);
    const decidesClaims = this.#profileFor(signature).volumeBindMsMax !== undefined;
    if (decidesClaims && (signature.demand.volumes?.unbound.length ?? 0) > 0) this.#table.volumes.assume(pod, row);
    return { do: 'place', pending, nodeName: this.#table.nameOf(row), row, score, fitting, rescinded };
  }

  /** Places a pod where reservations of lower priority are in its way. */
  #displace(pending: PendingPod): Decision | undefined {
    const { pod, signature, pin } = pending;
    const priority = pod.spec?.priority ?? 0;
    if (this.reservations.lowestPriority >= priority) return undefined;
    const best = this.#displacements(this.#knownOf(signature).evaluation, priority).best(pin);
    if (best === undefined) return undefined;
    for (const { uid } of best.gone) this.reservations.release(uid);
    return this.#assume(pending, { row: best.row, score: 0 }, 1, best.gone);
  }

  #displacements(evaluation: Evaluation, priority: number): DisplacementSearch {
    let searches = this.#displacementSearches.get(evaluation);
    if (searches === undefined) this.#displacementSearches.set(evaluation, (searches = new Map()));
    let search = searches.get(priority);
    if (search === undefined) {
      if (searches.size >= searchesMax) searches.clear();
      search = new DisplacementSearch(this.#table, this.reservations, evaluation, priority);
      searches.set(priority, search);
    }
    return search;
  }

  /** Places a pod into the reservation that it names, of which it then has its part. */
  #placeInto(pending: PendingPod, claim: string): Decision {
    const message = this.refusalInto(pending, claim);
    if (message !== undefined) {
      const nodes = this.#table.nodeCount;
      const failure = { nodes, reasons: new Map([[message, nodes]]), message };
      return { do: 'refuse', pending, failure, unnominated: false };
    }
    const row = this.#table.rowOf(this.reservations.byKey(claim)?.held.nodeName ?? '');
    const decision = this.#assume(pending, { row, score: 0 }, 1);
    this.reservations.claim(pending.pod.metadata?.uid ?? '', claim);
    this.reservations.taken(claim);
    return decision;
  }

  /** Why the reservation of that key does not take the pod now; undefined if it does. */
  refusalInto(pending: PendingPod, claim: string): string | undefined {
    const table = this.#table;
    const { signature, pin } = pending;
    const refuse = (why: string) => `reservation "${claim}" ${why}`;
    const entry = this.reservations.byKey(claim);
    if (entry === undefined) return refuse(this.reservations.whyNotHeld(claim));
    const { nodeName, uid } = entry.held;
    const row = table.rowOf(nodeName);
    const excess = exceeding(pending, entry.left);
    if (excess !== undefined) return refuse(`has too little room left: ${excess}`);
    if (row < 0) return refuse(`is on node "${nodeName}", which is gone`);
    if (pin !== undefined && pin !== nodeName) return refuse(`is on node "${nodeName}", and the pod asks for "${pin}"`);
    const { evaluation } = this.#knownOf(signature);
    evaluation.refresh();
    const occupant = table.occupant(uid);
    try {
      if (occupant !== undefined) table.suspend(occupant);
      if (evaluation.wouldFit(row)) return undefined;
    } finally {
      if (occupant !== undefined) table.resume(occupant);
    }
    const reasons = evaluation.refusals(row, true).map(({ reason }) => reason);
    return refuse(`is on node "${nodeName}", which does not take the pod: ${reasons.join(', ')}`);
  }

  #preempt(pending: PendingPod): Decision {
    const { signature, pin, pod } = pending;
    const { uid = '' } = pod.metadata ?? {};
    const { evaluation } = this.#knownOf(signature);
    const recourse = this.recourse(pending);
    if (recourse.do === 'wait') return { do: 'wait', pending, nodeName: recourse.nodeName };
    const failure =
      pin === undefined
        ? this.failureOf(signature, recourse.do === 'preempt' ? failureAgeMax : 0)
        : this.#pinnedFailure(evaluation, this.#table.rowOf(pin));
    if (recourse.do === 'preempt') {
      const { candidate } = recourse;
      const displaced = this.preemptor.book(pending, candidate);
      const nodeName = this.#table.nameOf(candidate.row);
      const lesser = this.reservations.on(nodeName).filter(({ held }) => held.priority < (pod.spec?.priority ?? 0));
      const rescinded = lesser.flatMap(({ held }) => this.reservations.release(held.uid) ?? []);
      return { do: 'preempt', pending, nodeName, victims: candidate.victims, displaced, rescinded, failure };
    }
    const unnominated = recourse.why === 'helpless' && this.preemptor.nominations.get(uid) !== undefined;
    if (unnominated) this.preemptor.nominations.delete(uid);
    if (recourse.why === 'disabled') return { do: 'refuse', pending, failure, unnominated };
    const { again, why } = recourse;
    const words = this.#wordsOf(pending, why);
    return {
      do: 'refuse',
      pending,
      failure: withPreemption(failure, words),
      unnominated,
      ...(again === undefined ? {} : { again }),
    };
  }

  /** What may be done for a pod that fits nowhere; changes nothing. */
  recourse(pending: PendingPod): Recourse {
    const { signature } = pending;
    if (!this.#profileFor(signature).preempts) return { do: 'nothing', why: 'disabled' };
    return this.preemptor.recourse(pending, this.#knownOf(signature).evaluation);
  }

  /** What is known of all nodes with regard to a signature, current as of now. Do not keep it. */
  evaluationOf(signature: Signature): Evaluation {
    return this.#knownOf(signature).evaluation;
  }

  /** Why a signature fits nowhere; valid while it does. What was found up to `ageMax` changes ago may still be told. */
  failureOf(signature: Signature, ageMax = 0): Failure {
    const known = this.#knownOf(signature);
    const at = this.#table.log.end;
    if (known.failure === undefined || at - known.failure.at > ageMax) {
      const counter = new FailureCounter();
      for (let row = 0; row < this.#table.rowEnd; row++) counter.add(known.evaluation.refusals(row));
      known.failure = { at, failure: counter.toFailure(this.#table.nodeCount) };
    }
    return known.failure.failure;
  }

  /** What preemption has to say; remembered as the failure of the signature is. */
  #wordsOf(pending: PendingPod, why: 'never' | 'helpless'): string {
    const { signature, pin, pod } = pending;
    const known = this.#knownOf(signature);
    const { preemptor } = this;
    if (why === 'never' || pin !== undefined) return preemptor.words(pending, known.evaluation, why);
    const at = this.#table.log.end;
    const priority = pod.spec?.priority ?? 0;
    if (known.words?.at !== at || known.words.priority !== priority) {
      known.words = { at, priority, text: preemptor.words(pending, known.evaluation, why) };
    }
    return known.words.text;
  }

  #pinnedFailure(evaluation: Evaluation, row: number): Failure {
    const counter = new FailureCounter();
    if (row >= 0) counter.add(evaluation.refusals(row));
    const others = this.#table.nodeCount - (row >= 0 ? 1 : 0);
    counter.addNodes("node(s) didn't match Pod's node affinity/selector", others);
    return counter.toFailure(this.#table.nodeCount);
  }

  #knownOf(signature: Signature): Known {
    let known = this.#known.get(signature);
    if (known !== undefined) this.#known.delete(signature);
    if (known === undefined || known.evaluation.isOutdated) {
      known?.evaluation[Symbol.dispose]();
      known = { evaluation: new Evaluation(this.#table, this.#profileFor(signature), signature) };
      this.#forget();
    }
    this.#known.set(signature, known);
    return known;
  }

  #profileFor({ demand }: Signature): Profile {
    const profile = this.#profiles.get(demand.schedulerName);
    if (profile === undefined) throw new Error(`No profile for scheduler "${demand.schedulerName}"`);
    return profile;
  }

  /** Makes everything anew that is known for pods of a profile: its plugins may answer differently now. */
  reconsider(schedulerName: string): void {
    for (const [signature, { evaluation }] of this.#known) {
      if (signature.demand.schedulerName !== schedulerName) continue;
      evaluation[Symbol.dispose]();
      this.#known.delete(signature);
    }
  }

  #forget(): void {
    const max = Math.max(evaluationsMin, Math.floor(evaluatedRowsMax / this.#table.present.length));
    for (const [signature, { evaluation }] of this.#known) {
      if (this.#known.size < max) return;
      evaluation[Symbol.dispose]();
      this.#known.delete(signature);
    }
  }
}

/** Reads what is needed to place a pod. */
export function pendingOf(pod: Pod, signature: Signature): PendingPod {
  return { pod, signature, pin: pinOf(pod), claim: claimOf(pod) };
}

/** `namespace/name` of the reservation that a pod names. */
export function claimOf({ metadata }: Pod): string | undefined {
  const name = metadata?.annotations?.[reservationAnnotation];
  return name === undefined ? undefined : `${metadata?.namespace ?? ''}/${name}`;
}
