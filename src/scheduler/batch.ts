import type { Pod } from '#api/core/pod.ts';
import { pinOf } from './demand.ts';
import { Evaluation } from './evaluation.ts';
import { FailureCounter, type Failure } from './failure.ts';
import type { NodeTable } from './node-table.ts';
import type { Profile } from './plugin.ts';
import type { Signature } from './signature.ts';

/** A pod to be placed, read once: what it demands and, if it names one node, which. */
export interface PendingPod {
  readonly pod: Pod;
  readonly signature: Signature;
  readonly pin: string | undefined;
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
    }
  | { readonly do: 'refuse'; readonly pending: PendingPod; readonly failure: Failure };

/** Bounds what evaluations keep: this many rows in all, so fewer signatures are remembered the more nodes there are. */
const evaluatedRowsMax = 1 << 20;
const evaluationsMin = 16;

interface Known {
  readonly evaluation: Evaluation;
  /** The failure found at position `at` of the table's log: it holds until something changes. */
  failure?: { readonly at: number; readonly failure: Failure };
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
  /** Least recently used first. */
  readonly #known = new Map<Signature, Known>();

  constructor(table: NodeTable, profiles: readonly Profile[]) {
    this.#table = table;
    this.#profiles = new Map(profiles.map((profile) => [profile.schedulerName, profile]));
  }

  /** Undefined if pods of that scheduler are somebody else's to place. */
  profile(schedulerName: string): Profile | undefined {
    return this.#profiles.get(schedulerName);
  }

  /** Places one pod and assumes it on its node, or says why it cannot. */
  decide(pending: PendingPod): Decision {
    const table = this.#table;
    const { pod, signature, pin } = pending;
    const evaluation = this.#knownOf(signature).evaluation;
    if (pin !== undefined) {
      const row = table.rowOf(pin);
      if (row < 0 || !evaluation.fitsOn(row))
        return { do: 'refuse', pending, failure: this.#pinnedFailure(evaluation, row) };
      table.assume(pod, signature, row);
      return { do: 'place', pending, nodeName: pin, row, score: 0, fitting: 1 };
    }
    const best = evaluation.best();
    if (best === undefined) return { do: 'refuse', pending, failure: this.failureOf(signature) };
    table.assume(pod, signature, best.row);
    return {
      do: 'place',
      pending,
      nodeName: table.nameOf(best.row),
      row: best.row,
      score: best.score,
      fitting: evaluation.fitting,
    };
  }

  /** What is known of all nodes with regard to a signature, current as of now. Do not keep it. */
  evaluationOf(signature: Signature): Evaluation {
    return this.#knownOf(signature).evaluation;
  }

  /** Why a signature fits nowhere; valid while it does. */
  failureOf(signature: Signature): Failure {
    const known = this.#knownOf(signature);
    const at = this.#table.log.end;
    if (known.failure?.at !== at) {
      const counter = new FailureCounter();
      for (let row = 0; row < this.#table.rowEnd; row++) counter.add(known.evaluation.refusals(row));
      known.failure = { at, failure: counter.toFailure(this.#table.nodeCount) };
    }
    return known.failure.failure;
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
  return { pod, signature, pin: pinOf(pod) };
}
