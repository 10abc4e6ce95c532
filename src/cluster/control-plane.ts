import { hostname } from 'node:os';
import type { Client, UserInfo } from '#client/client.ts';
import { EventRecorder } from '#client/event-recorder.ts';
import { SeriesRecorder } from '#client/series-recorder.ts';
import { SharedInformers } from '#client/informer.ts';
import type { Controller } from '#controllers/controller.ts';
import { runControllers } from '#controllers/run-controllers.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Metrics } from '#lib/metrics.ts';
import type { WorkQueueMetrics } from '#lib/work-queue.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import type { RebalanceOptions } from '#scheduler/rebalance/plan-moves.ts';
import { Rebalancer } from '#scheduler/rebalance/rebalancer.ts';
import { Scheduler } from '#scheduler/scheduler.ts';
import { controllerUser } from './controller-users.ts';

export interface ControlPlaneOptions {
  /** May act as others (`Client.as()`): each part comes under its own identity. */
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly controllers: readonly Controller[];
  readonly profiles?: readonly ProfileConfig[];
  /** How long a pod waits after its binding failed: the first time, and at most. */
  readonly schedulerBackoff?: { readonly initialMs: number; readonly maxMs: number };
  /** Hears how the controllers' queues do. */
  readonly queueMetrics?: ((name: string) => WorkQueueMetrics) | undefined;
  /** Where the scheduler tells how it does. */
  readonly metrics?: Metrics | undefined;
  /** Moves pods to better nodes from time to time, within these bounds. */
  readonly rebalance?: RebalancePolicy;
  /** In [0, 1): for jitter. */
  readonly random?: () => number;
  /** Breaks the scheduler's ties. */
  readonly seed?: number;
}

/** As whom the shared caches read: list and watch of everything, and hardly any writes. */
export interface RebalancePolicy extends Omit<RebalanceOptions, 'now'> {
  /** Between two passes, in milliseconds. */
  readonly intervalMs: number;
}

const managerUser: UserInfo = { username: 'system:kube-controller-manager', groups: ['system:authenticated'] };
const schedulerUser: UserInfo = { username: 'system:kube-scheduler', groups: ['system:authenticated'] };

/**
 * Controllers and scheduler, as they run wherever there is a client: in the server's process, in a test, on another
 * machine. `caches` are shared by all of them and by whoever else wants to read.
 */
export class ControlPlane {
  readonly caches: SharedInformers;
  readonly scheduler: Scheduler;
  readonly #options: ControlPlaneOptions;
  readonly #schedulerEvents: SeriesRecorder;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { client, clock, log, random, profiles, schedulerBackoff, seed, metrics } = options;
    const manager = client.as(managerUser);
    const scheduling = client.as(schedulerUser);
    this.caches = new SharedInformers({ client: manager, clock, log, ...(random === undefined ? {} : { random }) });
    const component = 'default-scheduler';
    const instance = `${component}-${hostname()}`;
    this.#schedulerEvents = new SeriesRecorder({ client: scheduling, clock, log, controller: component, instance });
    this.scheduler = new Scheduler({
      client: scheduling,
      informers: this.caches,
      clock,
      log: log.child({ area: 'scheduler' }),
      events: this.#schedulerEvents,
      metrics,
      ...(profiles === undefined ? {} : { profiles }),
      ...(schedulerBackoff === undefined ? {} : { backoff: schedulerBackoff }),
      ...(seed === undefined ? {} : { seed }),
    });
  }

  /**
   * Fills the caches and keeps them current until `signal` aborts: also on a server that does not lead, so that it can
   * take over at once and answer why a pod waits.
   */
  async follow(signal: AbortSignal): Promise<void> {
    this.scheduler.follow(signal);
    await this.caches.run(signal);
  }

  /** Controls and schedules until `signal` aborts; only one process of a cluster may. `follow()` runs beside it. */
  async lead(signal: AbortSignal): Promise<void> {
    const { client, clock, log, controllers, random, queueMetrics } = this.#options;
    // Many wait on it: a signal of our own spares the caller's the warning about that.
    const stop = abortController();
    const abort = () => stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await Promise.all([
      this.scheduler.run(stop.signal),
      this.#schedulerEvents.run(stop.signal),
      runControllers(
        {
          controllers,
          client: client.as(managerUser),
          clientFor: (controller) => client.as(controllerUser(controller)),
          informers: this.caches,
          clock,
          log: log.child({ area: 'controllers' }),
          ...(queueMetrics === undefined ? {} : { metricsFor: queueMetrics }),
          ...(random === undefined ? {} : { random }),
        },
        stop.signal,
      ),
      this.#rebalance(stop.signal),
    ]);
    signal.removeEventListener('abort', abort);
  }

  async #rebalance(signal: AbortSignal): Promise<void> {
    const { client, clock, log, rebalance } = this.#options;
    if (rebalance === undefined) return;
    const { intervalMs, ...policy } = rebalance;
    const { caches: informers, scheduler } = this;
    const own = client.as(controllerUser('rebalancer'));
    const events = new EventRecorder({ client: own, clock, log, component: 'rebalancer' });
    const rebalancer = new Rebalancer({
      client: own,
      informers,
      scheduler,
      events,
      clock,
      log: log.child({ area: 'rebalancer' }),
      policy,
      intervalMs,
    });
    await Promise.all([events.run(signal), rebalancer.run(signal)]);
  }
}
