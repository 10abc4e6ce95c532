import { Backoff } from '#lib/backoff.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasReason, StatusError } from '#machinery/status-error.ts';
import type { Client, WatchEvent } from './client.ts';

/** Which part of a kind is held. All of it, unless given. */
export interface Scope {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** Receives a kind's state and its changes, in order. */
export interface Sink<T> {
  /** The whole state at `resourceVersion`; what is not in it no longer exists. */
  replace(objects: readonly T[], resourceVersion: string): void;
  /** One change. */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void;
  /** Everything up to `resourceVersion` has been delivered. */
  progress(resourceVersion: string): void;
}

export interface ReflectorOptions<T extends ApiObject> {
  readonly kind: Kind<T>;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly sink: Sink<T>;
  readonly scope?: Scope;
  readonly random?: () => number;
}

const pageItemsMax = 500;
/** A watch lives between this long and twice as long, so that one which broke in silence is found, and not all at once. */
const watchSecondsMin = 300;
/** A watch that ended sooner than this, without an event, counts as failed. */
const watchMsMin = 1000;
const retry = { initialMs: 100, maxMs: 30_000, jitter: 0.5 };

/**
 * Keeps `sink` in step with one kind until `signal` aborts: lists once, then watches; lists again when the server
 * no longer has the history it would need, and retries everything else with back-off.
 */
export async function reflect<T extends ApiObject>(options: ReflectorOptions<T>, signal: AbortSignal): Promise<void> {
  const { clock, log, sink, random = Math.random } = options;
  const backoff = new Backoff(retry, random);
  /** Where to go on watching from; undefined asks for a list first. */
  let from: string | undefined;
  /** The least a list must know. `0`: anything will do; absent: the newest there is. */
  let atLeast: string | undefined = '0';
  while (!signal.aborted) {
    const started = clock.now();
    let events = 0;
    try {
      if (from === undefined) {
        from = await list(options, atLeast, signal);
        atLeast = from;
      }
      const watch = options.client.watch(options.kind, {
        ...options.scope,
        resourceVersion: from,
        allowWatchBookmarks: true,
        timeoutSeconds: Math.round(watchSecondsMin * (1 + random())),
        signal,
      });
      for await (const event of watch) {
        from = deliver(event, sink) ?? from;
        atLeast = from;
        if (++events === 1) backoff.reset();
      }
      if (signal.aborted) return;
      if (events === 0 && clock.now() - started < watchMsMin) await clock.sleep(backoff.next(), signal);
    } catch (error) {
      if (signal.aborted) return;
      if (hasReason(error, 'Expired', 'Gone')) {
        log.info('watch expired, listing again', { kind: options.kind.kind, from });
        from = undefined;
        atLeast = undefined;
        // Listing at once is right the first time; a server that always says so must not be flooded.
        if (backoff.failures === 0 && events > 0) continue;
      } else if (!hasReason(error, 'ServiceUnavailable', 'TooManyRequests')) {
        // Unknown history (a store that was restored, say): what is there now is always the truth.
        from = undefined;
        atLeast = undefined;
      }
      const retryMs = backoff.next();
      log.warn('watch failed', { kind: options.kind.kind, error, retryMs: Math.round(retryMs) });
      await clock.sleep(retryMs, signal).catch(() => {});
    }
  }
}

/** Lists all pages into the sink and returns the resourceVersion they are consistent with. */
async function list<T extends ApiObject>(
  { kind, client, sink, scope }: ReflectorOptions<T>,
  atLeast: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const objects: T[] = [];
  let next: string | undefined;
  let version: string | undefined;
  do {
    const page: Awaited<ReturnType<typeof client.list<T>>> = await client.list(kind, {
      ...scope,
      signal,
      // A list from the server's cache comes whole; pages are for lists that go to the store.
      ...(next === undefined && atLeast !== undefined ? { resourceVersion: atLeast } : { limit: pageItemsMax }),
      ...(next === undefined ? {} : { continue: next }),
    });
    for (const item of page.items) objects.push(item);
    next = page.metadata.continue === '' ? undefined : page.metadata.continue;
    version ??= page.metadata.resourceVersion;
  } while (next !== undefined);
  if (version === undefined) throw new StatusError('InternalError', `A list of ${kind.plural} has no resourceVersion`);
  sink.replace(objects, version);
  return version;
}

/** Hands an event on; returns the resourceVersion that has now been reached. Throws the error that an ERROR event is. */
function deliver<T extends ApiObject>(event: WatchEvent<T>, sink: Sink<T>): string | undefined {
  if (event.type === 'ERROR') throw StatusError.from(event.object);
  const version = event.object.metadata?.resourceVersion;
  if (event.type !== 'BOOKMARK') sink.apply(event.type, event.object);
  if (version !== undefined) sink.progress(version);
  return version;
}
