import type { Change, Key, Revision } from './store.ts';

/** Bytes of undelivered changes after which a watcher is cut off: it must start again from what it last saw. */
export const watchBacklogBytesMax = 64 * 1024 * 1024;

/** A watcher fell so far behind that its backlog passed the bound; the caller resumes from its last revision. */
export class WatchTooSlow extends Error {
  constructor(prefix: Key) {
    super(
      `The watch on ${prefix} was ended: more than ${watchBacklogBytesMax} bytes of changes were waiting for its reader`,
    );
    this.name = 'WatchTooSlow';
  }
}

const sizeOf = (change: Change): number => 200 + (change.type === 'put' ? change.entry.value.byteLength : 0);
const keyOfChange = (change: Change): Key => (change.type === 'put' ? change.entry.key : change.key);

interface Watcher {
  readonly prefix: Key;
  backlog: Change[];
  backlogBytes: number;
  tooSlow: boolean;
  wake: (() => void) | undefined;
}

/**
 * Fans committed changes out to the watchers of one store. The store calls `publish()` in revision order, once a
 * change is durable.
 */
export class WatchHub {
  readonly #watchers = new Set<Watcher>();
  #failure: Error | undefined;

  get watching(): number {
    return this.#watchers.size;
  }

  publish(changes: readonly Change[]): void {
    for (const watcher of this.#watchers) {
      for (const change of changes) {
        if (!keyOfChange(change).startsWith(watcher.prefix)) continue;
        watcher.backlog.push(change);
        watcher.backlogBytes += sizeOf(change);
      }
      if (watcher.backlog.length === 0) continue;
      if (watcher.backlogBytes > watchBacklogBytesMax) {
        watcher.tooSlow = true;
        watcher.backlog = [];
      }
      watcher.wake?.();
    }
  }

  /** Ends every watch with `failure`. */
  close(failure: Error): void {
    this.#failure = failure;
    for (const watcher of this.#watchers) watcher.wake?.();
  }

  /**
   * Subscribes at once, so that nothing published from now on is missed; then yields `history()` (what was
   * committed before, which may overlap) and after it everything live, without gaps or repeats.
   */
  watch(
    prefix: Key,
    options: { after: Revision; signal: AbortSignal; history: () => AsyncIterable<readonly Change[]> },
  ): AsyncIterable<readonly Change[]> {
    const watcher: Watcher = { prefix, backlog: [], backlogBytes: 0, tooSlow: false, wake: undefined };
    this.#watchers.add(watcher);
    return this.#run(watcher, options);
  }

  async *#run(
    watcher: Watcher,
    {
      after,
      signal,
      history,
    }: { after: Revision; signal: AbortSignal; history: () => AsyncIterable<readonly Change[]> },
  ): AsyncGenerator<readonly Change[]> {
    const wake = () => watcher.wake?.();
    signal.addEventListener('abort', wake);
    let seen = after;
    const later = (changes: readonly Change[]): readonly Change[] => {
      const fresh =
        changes[0] !== undefined && changes[0].revision > seen ? changes : changes.filter((c) => c.revision > seen);
      seen = fresh.at(-1)?.revision ?? seen;
      return fresh;
    };
    try {
      for await (const batch of history()) {
        if (signal.aborted) return;
        const fresh = later(batch);
        if (fresh.length > 0) yield fresh;
      }
      for (;;) {
        if (signal.aborted) return;
        if (watcher.tooSlow) throw new WatchTooSlow(watcher.prefix);
        if (watcher.backlog.length > 0) {
          const batch = watcher.backlog;
          watcher.backlog = [];
          watcher.backlogBytes = 0;
          const fresh = later(batch);
          if (fresh.length > 0) yield fresh;
          continue;
        }
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => (watcher.wake = resolve));
        watcher.wake = undefined;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }
}
