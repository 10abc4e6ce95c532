import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Revision, Store } from '#store/store.ts';

/** How long a revision stays readable at least, unless told otherwise. Source: kube-apiserver --etcd-compaction-interval. */
const compactEveryMs = 5 * 60_000;

export interface CompactorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Between two passes. */
  readonly everyMs?: number | undefined;
}

/** Forgets, every few minutes, what was history already at the time before, until `signal` aborts. */
export async function runCompactor(
  { store, clock, log, everyMs = compactEveryMs }: CompactorOptions,
  signal: AbortSignal,
): Promise<void> {
  let seen: Revision | undefined;
  while (!signal.aborted) {
    try {
      const now = await store.current({ signal });
      if (seen !== undefined && seen > 0n) await store.compact(seen, { signal });
      seen = now;
    } catch (error) {
      if (!signal.aborted) log.warn('compaction failed and is tried again', { error, inMs: everyMs });
    }
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
}
