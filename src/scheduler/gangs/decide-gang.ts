import type { Pod } from '#api/core/pod.ts';
import type { BatchPlacer, Decision, PendingPod } from '../batch.ts';
import { FailureCounter, type Failure } from '../failure.ts';
import type { NodeTable } from '../node-table.ts';
import type { Nomination } from '../preemption/nominations.ts';
import type { Signature } from '../signature.ts';

/** What becomes of a gang: of all its pods that have no node yet. */
export type GangDecision =
  /** Enough fit now: these decisions stand, in the order they were made. Pods without one are beyond the minimum. */
  | { readonly do: 'place'; readonly decisions: readonly Decision[] }
  /**
   * Enough would fit once others have left. Every pod that has a place is nominated to its node, so that the room stays
   * theirs; none is placed before all can be. Pods without a decision found no place.
   */
  | { readonly do: 'make-room'; readonly decisions: readonly Decision[] }
  /** Too few fit, and nothing has changed. */
  | {
      readonly do: 'refuse';
      /** Of the first pod that found no room, with its fellows before it placed. */
      readonly failure: Failure;
      /** So many fitted before that was known. */
      readonly fitted: number;
      readonly again?: number;
    };

/**
 * Tries to place a whole gang on the table, of which `needed` pods must find room together. Pods are tried by priority
 * and among equals the larger first, each with regard to all before it; where fewer than `needed` fit, everything is
 * taken back. That a gang of unlike pods fits only in another order is not found out.
 *
 * `sign` reads a pod's demands with its labels among them, if these matter now. The table's log grows by what was tried and taken back: whoever wakes others by it must not look at that.
 */
export function decideGang(
  placer: BatchPlacer,
  table: NodeTable,
  members: readonly PendingPod[],
  needed: number,
  sign: (pod: Pod) => Signature,
): GangDecision {
  const trials: Trial[] = [];
  let found: Findings;
  try {
    found = tryAll(placer, table, inOrder(members, table), needed, sign, trials);
  } catch (error) {
    for (const trial of trials.toReversed()) takeBack(trial, placer, table);
    throw error; // a plugin has thrown
  }
  const { failure, again } = found;
  const placed = trials.filter(({ decision }) => decision.do === 'place').length;
  if (placed >= needed) return { do: 'place', decisions: trials.map(({ decision }) => decision) };
  const hopeful = trials.filter(({ decision }) => decision.do !== 'refuse');
  if (hopeful.length >= needed) {
    const words = failure ?? someFailure(hopeful) ?? noFailure;
    return { do: 'make-room', decisions: hopeful.map((trial) => nominated(trial, placer, table, words)) };
  }
  for (const trial of trials.toReversed()) takeBack(trial, placer, table);
  const refusal = { do: 'refuse' as const, failure: failure ?? noFailure, fitted: hopeful.length };
  return again === undefined ? refusal : { ...refusal, again };
}

interface Findings {
  /** Of the first pod that found no place. */
  readonly failure: Failure | undefined;
  readonly again: number | undefined;
}

/** Decides one after the other, until it is clear that too few fit; `trials` gets what was decided. */
function tryAll(
  placer: BatchPlacer,
  table: NodeTable,
  members: readonly PendingPod[],
  needed: number,
  sign: (pod: Pod) => Signature,
  trials: Trial[],
): Findings {
  const refused = new Set<string>();
  let failure: Failure | undefined;
  let again: number | undefined;
  let hopeless = 0;
  const read = table.affine.labelsRead;
  for (const member of members) {
    // Labels matter from the moment one of the gang has a place that minds others by theirs.
    // And a claim that one of the gang was placed with is decided for the others who use it.
    const isAsSigned = table.affine.labelsRead === read && !table.volumes.isChanged(member.pod.metadata?.uid ?? '');
    const pending = isAsSigned ? member : { ...member, signature: sign(member.pod) };
    const equals = equalsOf(pending, placer);
    const known = equals !== undefined && refused.has(equals);
    const trial = known ? undefined : tryOne(placer, pending);
    if (trial !== undefined) trials.push(trial);
    if (trial !== undefined && mayMakeRoom(trial)) refused.clear();
    if (trial !== undefined && trial.decision.do !== 'refuse') continue;
    if (trial?.decision.do === 'refuse') {
      failure ??= trial.decision.failure;
      again ??= trial.decision.again;
      // Where other pods have a say the next one may fit although this one did not.
      if (equals !== undefined && !placer.evaluationOf(pending.signature).isCoupled) refused.add(equals);
    }
    if (members.length - ++hopeless < needed) break;
  }
  return { failure, again };
}

interface Trial {
  readonly decision: Decision;
  /** Where the pod was nominated before. */
  readonly nomination: Nomination | undefined;
}

/** True if others may have more room now: where the pod was nominated before, or where somebody leaves for it. */
function mayMakeRoom({ decision, nomination }: Trial): boolean {
  if (nomination !== undefined || decision.do === 'preempt') return true;
  return decision.do === 'place' && decision.rescinded.length > 0;
}

function tryOne(placer: BatchPlacer, pending: PendingPod): Trial {
  const nomination = placer.preemptor.nominations.get(pending.pod.metadata?.uid ?? '');
  return { nomination, decision: placer.decide(pending) };
}

/** Pods with the same text fit where the others do; undefined for one that looks at one node first. */
function equalsOf({ pod, signature, pin }: PendingPod, { preemptor }: BatchPlacer): string | undefined {
  const { metadata, spec } = pod;
  if (pin !== undefined || preemptor.nominations.get(metadata?.uid ?? '') !== undefined) return undefined;
  return `${signature.id}/${spec?.priority ?? 0}/${spec?.preemptionPolicy ?? ''}`;
}

/** A pod that has its place lets it be kept until the others have theirs. */
function nominated({ decision }: Trial, { preemptor }: BatchPlacer, table: NodeTable, failure: Failure): Decision {
  if (decision.do !== 'place') return decision;
  const { pending, nodeName, rescinded } = decision;
  table.removePod(pending.pod.metadata?.uid ?? '');
  preemptor.nominations.set(pending.pod, pending.signature, nodeName);
  return { do: 'preempt', pending, nodeName, victims: [], displaced: [], rescinded, failure };
}

function takeBack({ decision, nomination }: Trial, { preemptor, reservations }: BatchPlacer, table: NodeTable): void {
  const { uid = '' } = decision.pending.pod.metadata ?? {};
  const { nominations } = preemptor;
  if (decision.do === 'place') table.removePod(uid);
  if (decision.do === 'preempt') {
    preemptor.release(uid, decision.victims);
    for (const other of decision.displaced) restore(other);
  }
  if (decision.do === 'place' || decision.do === 'preempt') {
    for (const held of decision.rescinded) reservations.hold(held);
  }
  if (nomination !== undefined && nominations.get(uid) === undefined) restore(nomination);

  function restore({ pod, signature, nodeName, confirmed }: Nomination): void {
    nominations.set(pod, signature, nodeName, confirmed);
  }
}

function someFailure(trials: readonly Trial[]): Failure | undefined {
  for (const { decision } of trials) if (decision.do === 'preempt') return decision.failure;
  return undefined;
}

const noFailure = new FailureCounter().toFailure(0);

/** By priority, then by the share of the whole cluster that a pod asks for, of the resource it asks most of. */
function inOrder(members: readonly PendingPod[], table: NodeTable): readonly PendingPod[] {
  const totals = table.allocatable.map((column) =>
    column.subarray(0, table.rowEnd).reduce((sum, each) => sum + each, 0),
  );
  const shareOf = ({ signature }: PendingPod) => {
    const { resources, amounts } = table.vectorOf(signature);
    return resources.reduce((most, id, index) => Math.max(most, (amounts[index] ?? 0) / (totals[id] ?? 0)), 0);
  };
  const shares = new Map(members.map((each) => [each.signature, shareOf(each)]));
  return members.toSorted(
    (a, b) =>
      (b.pod.spec?.priority ?? 0) - (a.pod.spec?.priority ?? 0) ||
      (shares.get(b.signature) ?? 0) - (shares.get(a.signature) ?? 0),
  );
}
