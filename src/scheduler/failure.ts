import type { Refusal } from './plugin.ts';

/** Why no node takes a pod, summed up: enough for the event, the condition and the wait. */
export interface Failure {
  readonly nodes: number;
  /** Reason → nodes refused by it. A node short of two resources counts under both, as upstream counts. */
  readonly reasons: ReadonlyMap<string, number>;
  /** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` */
  readonly message: string;
}

/** Adds what preemption could do, as upstream words it. */
export function withPreemption(failure: Failure, words: string): Failure {
  return { ...failure, message: `${failure.message} preemption: ${words}` };
}

/** Counts refusals node by node. */
export class FailureCounter {
  readonly #reasons = new Map<string, number>();
  readonly #ofPod = new Set<string>();

  add(refusals: readonly Refusal[]): void {
    for (const { reason, ofPod } of refusals) {
      this.addNodes(reason, 1);
      if (ofPod === true) this.#ofPod.add(reason);
    }
  }

  addNodes(reason: string, nodes: number): void {
    if (nodes > 0) this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + nodes);
  }

  toFailure(nodes: number): Failure {
    return { nodes, reasons: this.#reasons, message: failureMessage(nodes, this.#reasons, this.#ofPod) };
  }
}

/**
 * Upstream's text, which people and tools search for: what is said of the pod comes without a number.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/types.go.
 */
export function failureMessage(
  nodes: number,
  reasons: ReadonlyMap<string, number>,
  ofPod: ReadonlySet<string> = new Set(),
): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const parts = [...reasons].map(([reason, count]) => (ofPod.has(reason) ? reason : `${count} ${reason}`)).toSorted();
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
}
