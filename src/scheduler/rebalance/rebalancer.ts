import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Eviction } from '#api/policy/eviction.ts';
import type { Informers } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { apiVersionOf } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { WhySource } from '../explain.ts';
import { planMoves, type Move, type RebalanceOptions } from './plan-moves.ts';

export interface RebalancerOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly scheduler: WhySource;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: Omit<RebalanceOptions, 'now'>;
  /** Between two passes, in milliseconds. */
  readonly intervalMs: number;
}

/** Evicts a pod for a move. False if a disruption budget forbids it, or it is gone or another by now. */
export async function carryOut(client: Client, { pod, uid }: Move, signal: AbortSignal): Promise<boolean> {
  const eviction = {
    apiVersion: apiVersionOf(Eviction),
    kind: Eviction.kind,
    metadata: pod,
    deleteOptions: { preconditions: { uid } },
  };
  try {
    await client.create<ApiObject>(Pod, eviction, { subresource: 'eviction', signal });
    return true;
  } catch (error) {
    if (hasReason(error, 'TooManyRequests', 'NotFound', 'Conflict')) return false;
    throw error;
  }
}

/**
 * Moves pods to where the scheduler would put them today, a few at a time and only where it is worth it. A pass begins
 * only while every pod has a node and what was moved before is ready again.
 */
export class Rebalancer {
  readonly #options: RebalancerOptions;

  constructor(options: RebalancerOptions) {
    this.#options = options;
    options.informers.hold(Node, Pod);
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.pass(signal);
      } catch (error) {
        if (!signal.aborted) log.warn('rebalancing failed; the next pass tries again', { error });
      }
    }
  }

  /** One pass; the moves that were made. */
  async pass(signal: AbortSignal): Promise<readonly Move[]> {
    const { client, informers, scheduler, clock, policy, events, log } = this.#options;
    const pods = informers.list(Pod);
    if (pods.some(isOnItsWay)) return [];
    const { moves } = await planMoves(
      { nodes: informers.list(Node), pods, why: async (ref) => scheduler.why(ref) },
      { ...policy, now: clock.now() },
    );
    const made: Move[] = [];
    for (const move of moves) {
      if (!(await carryOut(client, move, signal))) continue;
      made.push(move);
      const { pod, from, to, rule, gain, because } = move;
      log.info('pod evicted to rebalance', { ...pod, from, to, rule, gain });
      const object = informers.get(Pod, pod);
      const message = `Evicted from ${from}: ${because}; the scheduler now prefers ${to} (rule ${rule}, gain ${gain})`;
      if (object !== undefined) events.record(object, { type: 'Normal', reason: 'Rebalanced', message });
    }
    return made;
  }
}

/** Being placed, started or ended: the cluster is not at rest. */
function isOnItsWay({ metadata, spec, status }: Pod): boolean {
  const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (ended) return false;
  if (metadata?.deletionTimestamp !== undefined) return true;
  return spec.nodeName !== undefined && status?.phase !== 'Running';
}
