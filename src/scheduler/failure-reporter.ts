import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import { defaultSchedulerName } from './demand.ts';

export interface FailureReporterOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
}

const writesInFlightMax = 4;
/** A pod whose reason keeps changing is reported at most this often. */
const repeatMsMin = 5_000;

interface Report {
  readonly pod: Pod;
  readonly reason: 'Unschedulable' | 'SchedulerError';
  readonly message: string;
  /** True if the pod was nominated to a node and is so no more. */
  readonly unnominated: boolean;
}

/**
 * Tells users why a pod waits: the condition `PodScheduled=False` and a FailedScheduling event. Only the newest reason
 * of a pod counts, and what it already says is not written again. Binding never waits for it.
 */
export class FailureReporter {
  readonly #options: FailureReporterOptions;
  /** Reports to write, by uid, in order. */
  readonly #wanted = new Map<string, Report>();
  /** What was last written for pods that still wait. */
  readonly #written = new Map<string, { readonly message: string; readonly at: number }>();
  readonly #delayed = new Map<string, Disposable>();
  readonly #inFlight = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: FailureReporterOptions) {
    this.#options = options;
  }

  report(pod: Pod, reason: Report['reason'], message: string, { unnominated = false } = {}): void {
    const uid = pod.metadata?.uid ?? '';
    const written = this.#written.get(uid);
    this.#undelay(uid);
    if (!unnominated && (written?.message === message || says(pod, reason, message))) {
      this.#wanted.delete(uid);
      return;
    }
    const waitMs = written === undefined ? 0 : written.at + repeatMsMin - this.#options.clock.now();
    const want = () => {
      this.#delayed.delete(uid);
      this.#wanted.set(uid, { pod, reason, message, unnominated });
      this.#pump();
    };
    if (waitMs <= 0) want();
    else this.#delayed.set(uid, this.#options.clock.after(waitMs, want));
  }

  /** The pod waits no more. */
  forget(uid: string): void {
    this.#undelay(uid);
    this.#wanted.delete(uid);
    this.#written.delete(uid);
  }

  /** Writes until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#pump();
    if (!signal.aborted) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }
    this.#signal = undefined;
    for (const uid of this.#delayed.keys()) this.#undelay(uid);
    await Promise.all(this.#inFlight);
  }

  #undelay(uid: string): void {
    this.#delayed.get(uid)?.[Symbol.dispose]();
    this.#delayed.delete(uid);
  }

  #pump(): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    while (this.#inFlight.size < writesInFlightMax) {
      const next = this.#wanted.entries().next();
      if (next.done === true) return;
      const [uid, report] = next.value;
      this.#wanted.delete(uid);
      this.#written.set(uid, { message: report.message, at: this.#options.clock.now() });
      const write = this.#write(report, signal).finally(() => {
        this.#inFlight.delete(write);
        this.#pump();
      });
      this.#inFlight.add(write);
    }
  }

  /** Never rejects: a report that fails is made again with the next reason. */
  async #write({ pod, reason, message, unnominated }: Report, signal: AbortSignal): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    const reporter = pod.spec?.schedulerName ?? defaultSchedulerName;
    const fact = { type: 'Warning', reason: 'FailedScheduling', action: 'Scheduling', message, reporter } as const;
    this.#options.events.record(pod, fact);
    const condition = { type: 'PodScheduled', status: 'False', reason, message, lastTransitionTime: this.#since(pod) };
    const nomination = unnominated ? { nominatedNodeName: null } : {};
    const patch = { metadata: { uid }, status: { conditions: [condition], ...nomination } };
    try {
      await this.#options.client.patch(
        Pod,
        { name, namespace },
        { type: 'strategic', patch },
        { signal, subresource: 'status' },
      );
    } catch (error) {
      this.#written.delete(uid);
      if (signal.aborted || hasReason(error, 'NotFound', 'Conflict')) return;
      this.#options.log.warn('reason for waiting not written', { pod: `${namespace}/${name}`, error });
    }
  }

  /** When the pod was first found unschedulable, in RFC 3339. */
  #since(pod: Pod): string {
    const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    if (before?.status === 'False' && before.lastTransitionTime !== undefined) return before.lastTransitionTime;
    return new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}

function says(pod: Pod, reason: string, message: string): boolean {
  const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return condition?.status === 'False' && condition.reason === reason && condition.message === message;
}
