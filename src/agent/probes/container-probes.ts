import type * as core from '#api/core/types.generated.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { HandlerResult } from './http-get.ts';
import { freshTally, tallyAfter, type ProbeTally } from './probe-tally.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

export interface ProbedContainer {
  readonly id: string;
  readonly spec: core.Container;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** What an earlier agent had found out, so that its restart takes no pod out of service. */
  readonly before?: { readonly started: boolean; readonly ready: boolean };
}

export interface ProbesOptions {
  readonly clock: Clock;
  /** Runs one probe once; a throw is a result that does not count. */
  readonly attempt: (container: ProbedContainer, probe: core.Probe, signal: AbortSignal) => Promise<HandlerResult>;
  readonly onChange: () => void;
  /** A failed attempt, for an event. */
  readonly onFailure: (container: ProbedContainer, kind: ProbeKind, message: string) => void;
}

interface Watched {
  readonly container: ProbedContainer;
  readonly stop: AbortController;
  started: boolean;
  ready: boolean;
  unhealthy: { readonly message: string; readonly graceSeconds?: number } | undefined;
}

const defaultPeriodSeconds = 10;
const defaultTimeoutSeconds = 1;

/**
 * The probes of one pod's running containers. Startup comes first; liveness and readiness begin once it has
 * succeeded. Attempts of a probe follow a fixed beat from the container's start, so a slow one delays none later.
 */
export class ContainerProbes implements Disposable {
  readonly #options: ProbesOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** Probes exactly these containers from now on. */
  follow(containers: readonly ProbedContainer[]): void {
    const wanted = new Set(containers.map(({ id }) => id));
    for (const [id, { stop }] of this.#watched) {
      if (wanted.has(id)) continue;
      stop.abort();
      this.#watched.delete(id);
    }
    for (const container of containers) if (!this.#watched.has(container.id)) this.#start(container);
  }

  /** A pod that ends is no longer ready, and its liveness no longer matters. */
  [Symbol.dispose](): void {
    this.follow([]);
  }

  get started(): ReadonlySet<string> {
    return new Set([...this.#watched].flatMap(([id, { started }]) => (started ? id : [])));
  }

  get ready(): ReadonlySet<string> {
    return new Set([...this.#watched].flatMap(([id, { started, ready }]) => (started && ready ? id : [])));
  }

  get unhealthy(): ReadonlyMap<string, NonNullable<Watched['unhealthy']>> {
    return new Map(
      [...this.#watched].flatMap(([id, { unhealthy }]) => (unhealthy === undefined ? [] : [[id, unhealthy]])),
    );
  }

  #start(container: ProbedContainer): void {
    const { startupProbe, readinessProbe } = container.spec;
    const { started = false, ready = false } = container.before ?? {};
    const stop = abortController();
    const watched: Watched = {
      container,
      stop,
      started: startupProbe === undefined || started,
      ready: readinessProbe === undefined || ready,
      unhealthy: undefined,
    };
    this.#watched.set(container.id, watched);
    if (startupProbe === undefined || started) this.#startServing(watched);
    else void this.#run(watched, 'startup', startupProbe);
  }

  #startServing(watched: Watched): void {
    const { livenessProbe, readinessProbe } = watched.container.spec;
    if (livenessProbe !== undefined) void this.#run(watched, 'liveness', livenessProbe);
    if (readinessProbe !== undefined) void this.#run(watched, 'readiness', readinessProbe);
  }

  async #run(watched: Watched, kind: ProbeKind, probe: core.Probe): Promise<void> {
    const { clock } = this.#options;
    const { signal } = watched.stop;
    const periodMs = (probe.periodSeconds ?? defaultPeriodSeconds) * 1000;
    let next = Math.max(clock.now(), watched.container.startedAt + (probe.initialDelaySeconds ?? 0) * 1000);
    let tally: ProbeTally = freshTally;
    while (!signal.aborted) {
      try {
        await clock.sleep(next - clock.now(), signal);
        const result = await this.#options.attempt(watched.container, probe, signal);
        if (!result.ok) this.#options.onFailure(watched.container, kind, result.message);
        const before = tally.verdict;
        tally = tallyAfter(tally, result.ok, probe);
        if (tally.verdict !== before && this.#conclude(watched, kind, probe, tally)) return;
      } catch {
        if (signal.aborted) return;
      }
      const now = clock.now();
      next += Math.max(1, Math.ceil((now - next) / periodMs)) * periodMs;
    }
  }

  /** True if this probe has said its last word. */
  #conclude(watched: Watched, kind: ProbeKind, probe: core.Probe, tally: ProbeTally): boolean {
    const ok = tally.verdict === 'success';
    let isOver = false;
    if (kind === 'readiness') watched.ready = ok;
    else if (!ok) {
      const grace = probe.terminationGracePeriodSeconds;
      const message = `Container ${watched.container.spec.name} failed ${kind} probe, will be restarted`;
      watched.unhealthy = { message, ...(grace === undefined ? {} : { graceSeconds: grace }) };
      isOver = true;
    } else if (kind === 'startup') {
      watched.started = true;
      this.#startServing(watched);
      isOver = true;
    }
    this.#options.onChange();
    return isOver;
  }
}

/** How long one attempt may take. */
export const probeTimeoutMs = (probe: core.Probe): number => (probe.timeoutSeconds ?? defaultTimeoutSeconds) * 1000;
