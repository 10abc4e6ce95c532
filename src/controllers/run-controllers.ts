import type { CacheEvent } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import { EventRecorder } from '#client/event-recorder.ts';
import type { SharedInformers } from '#client/informer.ts';
import { keyOfObject } from '#client/object-index.ts';
import { OwnWrites } from '#client/own-writes.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import type { Log } from '#lib/log.ts';
import { WorkQueue, type WorkQueueMetrics } from '#lib/work-queue.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasReason, timeout } from '#machinery/status-error.ts';
import { type Controller, keysOfKind } from './controller.ts';

export interface RunControllersOptions {
  readonly controllers: readonly Controller[];
  readonly client: Client;
  /** Run by the caller, who may share them. */
  readonly informers: SharedInformers;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
  /** A controller's own identity; `client` unless given. */
  readonly clientFor?: (controller: string) => Client;
  readonly metricsFor?: (controller: string) => WorkQueueMetrics;
  /** How often everything is looked at again, whatever the watches said. */
  readonly resyncMs?: number;
}

const workersDefault = 5;
const resyncMsDefault = 10 * 60_000;
const reconcileMsMax = 2 * 60_000;
/** A key whose own writes the cache has not seen is looked at again after this; mostly the watch is sooner. */
const behindMs = 100;

/** Runs controllers until `signal` aborts; settles once the last pass has ended. */
export async function runControllers(options: RunControllersOptions, signal: AbortSignal): Promise<void> {
  const running = options.controllers.map((controller) => runController(controller, options, signal));
  await Promise.all(running);
}

async function runController(
  controller: Controller,
  options: RunControllersOptions,
  outer: AbortSignal,
): Promise<void> {
  const { informers, clock, random = Math.random } = options;
  const log = options.log.child({ controller: controller.name });
  const client = options.clientFor?.(controller.name) ?? options.client;
  const metrics = options.metricsFor?.(controller.name);
  // All passes listen on it, each for a while.
  const stop = abortController();
  outer.addEventListener('abort', () => stop.abort(outer.reason), { once: true });
  if (outer.aborted) stop.abort(outer.reason);
  const { signal } = stop;

  const queue = new WorkQueue({
    clock,
    random,
    workersMax: controller.workersMax ?? workersDefault,
    ...(metrics === undefined ? {} : { metrics }),
    onError: (key, error, { failures, retryMs }) => {
      // Losing a race is how optimistic concurrency works: only when it goes on is it worth a line.
      const level = hasReason(error, 'Conflict', 'AlreadyExists', 'NotFound') && failures < 5 ? 'debug' : 'warn';
      log[level]('reconcile failed', { key, error, failures, retryMs: Math.round(retryMs) });
    },
  });
  const events = new EventRecorder({ client, clock, log, component: controller.name });
  const ownWrites = new OwnWrites(informers, clock);

  using subscriptions = new DisposableStack();
  controller.index?.(informers);
  if (controller.reads !== undefined) informers.hold(...controller.reads);
  const { reconciles } = controller;
  if (reconciles !== undefined) {
    subscriptions.use(informers.on(reconciles, ({ object }) => queue.add(keyOfObject(object))));
  }
  if (controller.follow !== undefined) {
    const wake = (keys: Iterable<string>) => {
      for (const key of keys) queue.add(key);
    };
    subscriptions.use(controller.follow(informers, wake));
  }
  for (const wake of controller.wakesOn) {
    const handler = (event: CacheEvent<ApiObject>) => {
      for (const key of wake.keysOf(event, informers)) queue.add(key);
    };
    subscriptions.use(informers.on(wake.kind, handler));
  }

  try {
    await informers.synced(signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  // A change of what is missing wakes nobody: keys that were there before are in the queue by their ADDED events,
  // and those of controllers with keys of their own are added here.
  for (const key of controller.keys?.(informers) ?? []) queue.add(key);
  const recording = events.run(signal);
  const resyncing = resync(controller, queue, options, signal);
  const { spacingMs = 0 } = controller;
  /** When the last pass over a key ended, for as long as it matters. */
  const lastPass = new Map<string, number>();
  await queue.run(async (key) => {
    if (ownWrites.isBehind(key)) return { againMs: behindMs };
    const waitMs = (lastPass.get(key) ?? -Infinity) + spacingMs - clock.now();
    if (waitMs > 0) return { againMs: waitMs };
    using limit = deadline(clock, reconcileMsMax, signal, () =>
      timeout(`A pass took longer than ${reconcileMsMax} ms`),
    );
    const result = await controller.reconcile(key, {
      cache: informers,
      client: ownWrites.clientFor(key, client),
      clock,
      log: log.child({ key }),
      signal: limit.signal,
      events,
    });
    if (spacingMs > 0) {
      lastPass.set(key, clock.now());
      clock.after(spacingMs, () => void lastPass.delete(key));
    }
    return result;
  }, signal);
  await Promise.all([recording, resyncing]);
}

/** The slow full pass that repairs whatever a watch, a wake rule or a lost timer has missed. */
async function resync(
  controller: Controller,
  queue: WorkQueue,
  { clock, informers, random = Math.random, resyncMs = resyncMsDefault }: RunControllersOptions,
  signal: AbortSignal,
): Promise<void> {
  const { keys, reconciles } = controller;
  while (!signal.aborted) {
    await clock.sleep(resyncMs * (1 + 0.1 * random()), signal).catch(() => {});
    if (signal.aborted) return;
    const all = keys?.(informers) ?? (reconciles === undefined ? [] : keysOfKind(informers, reconciles));
    for (const key of all) queue.add(key);
  }
}
