import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import type { Clock } from '#lib/clock.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { PendingPod } from '../batch.ts';
import type { Occupant } from '../node-table.ts';

/** A preemption that was decided and booked, to be carried out. */
export interface Preemption {
  readonly pending: PendingPod;
  readonly nodeName: string;
  readonly victims: readonly Occupant[];
  /** Why the pod fits nowhere as it is. */
  readonly message: string;
}

/** Preemptions on their way at once. */
export const preemptionsInFlightMax = 64;

export interface EvictorOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly events: Events;
  /**
   * Gets every preemption once: with undefined, or with what went wrong and the victims that stay because of it. It
   * must not throw.
   */
  readonly done: (preemption: Preemption, error: unknown, staying: readonly Occupant[]) => void;
}

/**
 * Carries preemptions out: first the pod is nominated in its status, so that a scheduler started anew keeps the room
 * for it; then each victim is marked with the condition `DisruptionTarget` and deleted with its own grace period.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/preemption (executor.go).
 */
export class Evictor {
  readonly #options: EvictorOptions;
  readonly #inFlight = new Set<Promise<void>>();

  constructor(options: EvictorOptions) {
    this.#options = options;
  }

  get room(): number {
    return preemptionsInFlightMax - this.#inFlight.size;
  }

  start(preemption: Preemption, signal: AbortSignal): void {
    const work = this.#carryOut(preemption, signal).finally(() => this.#inFlight.delete(work));
    this.#inFlight.add(work);
  }

  /** Resolves once nothing is on its way. */
  async drained(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  /** Never rejects. */
  async #carryOut(preemption: Preemption, signal: AbortSignal): Promise<void> {
    const { victims, pending } = preemption;
    const { done } = this.#options;
    try {
      await this.#nominate(preemption, signal);
    } catch (error) {
      done(preemption, error, victims);
      return;
    }
    const staying: Occupant[] = [];
    let failure: unknown;
    const evictions = victims.map(async (victim) => {
      try {
        await this.#evict(victim, pending.pod, preemption.nodeName, signal);
      } catch (error) {
        failure = error;
        staying.push(victim);
      }
    });
    await Promise.all(evictions);
    done(preemption, failure, staying);
  }

  async #nominate({ pending: { pod }, nodeName, message }: Preemption, signal: AbortSignal): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    const since = scheduled?.status === 'False' ? scheduled.lastTransitionTime : undefined;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: since ?? this.#now(),
    };
    const patch = { metadata: { uid }, status: { nominatedNodeName: nodeName, conditions: [condition] } };
    await this.#options.client.patch(
      Pod,
      { name, namespace },
      { type: 'strategic', patch },
      { signal, subresource: 'status' },
    );
    const fact = { type: 'Warning', reason: 'FailedScheduling', action: 'Scheduling', message } as const;
    this.#options.events.record(pod, fact);
  }

  async #evict(victim: Occupant, preemptor: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    const { client, events } = this.#options;
    const { uid, namespace, name } = victim;
    const schedulerName = preemptor.spec?.schedulerName ?? 'default-scheduler';
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: this.#now(),
    };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    try {
      const pod = await client.patch(
        Pod,
        { namespace, name },
        { type: 'strategic', patch },
        { signal, subresource: 'status' },
      );
      await client.delete(Pod, { namespace, name }, { signal, preconditions: { uid } });
      const message = `Preempted by pod ${preemptor.metadata?.uid ?? ''} on node ${nodeName}`;
      events.record(pod, { type: 'Normal', reason: 'Preempted', action: 'Preempting', message });
    } catch (error) {
      // It is gone: that is as well.
      if (!hasReason(error, 'NotFound')) throw error;
    }
  }

  #now(): string {
    return new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}
