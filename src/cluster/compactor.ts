import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Revision, Store } from '#store/store.ts';

/** How long a revision stays readable at least. Source: kube-apiserver --etcd-compaction-interval. */
const compactEveryMs = 5 * 60_000;

/** Forgets, every few minutes, what was history already at the time before, until `signal` aborts. */
export async function runCompactor(store: Store, clock: Clock, log: Log, signal: AbortSignal): Promise<void> {
  let seen: Revision | undefined;
  while (!signal.aborted) {
    try {
      const now = await store.current({ signal });
      if (seen !== undefined && seen > 0n) await store.compact(seen, { signal });
      seen = now;
    } catch (error) {
      if (!signal.aborted) log.warn('compaction failed and is tried again', { error, inMs: compactEveryMs });
    }
    await clock.sleep(compactEveryMs, signal).catch(() => undefined);
  }
}
