import {
  Conflict,
  Expired,
  Future,
  StoreUnavailable,
  revision,
  type Change,
  type Entry,
  type Key,
  type Page,
  type Revision,
  type Store,
  type Write,
} from './store.ts';
import { WatchHub } from './watch-hub.ts';

/** Changes kept for watches and lists in the past, beyond which the oldest are compacted away. */
const historyMax = 100_000;

/** Code-unit order, which is UTF-8 byte order for all characters below U+D800, and so for every name the API allows. */
const compareKeys = (a: Key, b: Key): number => (a < b ? -1 : a > b ? 1 : 0);

/** Keys in order, sorted only when somebody lists: bursts of writes stay cheap. */
class SortedKeys {
  #sorted: Key[] = [];
  #added = new Set<Key>();
  #removed = new Set<Key>();

  add(key: Key): void {
    if (!this.#removed.delete(key)) this.#added.add(key);
  }

  delete(key: Key): void {
    if (!this.#added.delete(key)) this.#removed.add(key);
  }

  /** Keys that start with `prefix`, in order. */
  under(prefix: Key): readonly Key[] {
    if (this.#added.size > 0 || this.#removed.size > 0) {
      const kept = this.#removed.size === 0 ? this.#sorted : this.#sorted.filter((key) => !this.#removed.has(key));
      this.#sorted = this.#added.size === 0 ? kept : [...kept, ...this.#added].sort(compareKeys);
      this.#added.clear();
      this.#removed.clear();
    }
    const start = this.#lowerBound(prefix);
    let end = start;
    while (end < this.#sorted.length && this.#sorted[end]!.startsWith(prefix)) end++;
    return this.#sorted.slice(start, end);
  }

  #lowerBound(key: Key): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * A store that lives and dies with the process; for tests, embedded clusters and simulation. Values are kept as
 * they are handed in, so callers must not change them.
 */
export function memoryStore(): Store {
  const entries = new Map<Key, Entry>();
  const keys = new SortedKeys();
  const hub = new WatchHub();
  let history: Change[] = [];
  let now = revision(0);
  let compacted = revision(0);
  let closed = false;

  const assertOpen = (signal: AbortSignal) => {
    signal.throwIfAborted();
    if (closed) throw new StoreUnavailable('closed', 'The store has been closed');
  };
  const assertReadable = (at: Revision) => {
    if (at > now) throw new Future(at, now);
    if (at < compacted) throw new Expired(at, compacted);
  };

  /** The first change later than `after`, by position in `history`. */
  const positionAfter = (after: Revision): number => {
    let low = 0;
    let high = history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (history[middle]!.revision <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  /** The entries under `prefix` as they were at `at`: the present, with later changes undone. */
  const entriesAt = (prefix: Key, at: Revision): Entry[] => {
    const present = keys.under(prefix).map((key) => entries.get(key)!);
    if (at === now) return present;
    const past = new Map(present.map((entry) => [entry.key, entry]));
    for (let i = history.length - 1; i >= 0 && history[i]!.revision > at; i--) {
      const change = history[i]!;
      const key = change.type === 'put' ? change.entry.key : change.key;
      if (!key.startsWith(prefix)) continue;
      if (change.previous === undefined) past.delete(key);
      else past.set(key, change.previous);
    }
    return [...past.values()].sort((a, b) => compareKeys(a.key, b.key));
  };

  const compactTo = (at: Revision) => {
    history = history.slice(positionAfter(at));
    compacted = at;
  };

  return {
    async get(key, { signal }) {
      assertOpen(signal);
      return entries.get(key);
    },

    async list(prefix, { signal, at, from, limit = Number.POSITIVE_INFINITY }): Promise<Page> {
      assertOpen(signal);
      const wanted = at ?? now;
      assertReadable(wanted);
      const all = entriesAt(prefix, wanted).filter((entry) => from === undefined || entry.key >= from);
      return { entries: all.slice(0, limit), revision: wanted, more: all.length > limit, count: all.length };
    },

    async commit(writes: readonly Write[], { signal }) {
      assertOpen(signal);
      for (const write of writes) {
        const current = entries.get(write.key);
        const holds =
          write.expect === undefined ||
          (write.expect === 'absent' ? current === undefined : current?.modified === write.expect);
        if (!holds) throw new Conflict(write.key, current);
      }
      const next = revision(now + 1n);
      const changes: Change[] = [];
      for (const write of writes) {
        const previous = entries.get(write.key);
        if (write.do === 'put') {
          const entry: Entry = {
            key: write.key,
            value: write.value,
            created: previous?.created ?? next,
            modified: next,
          };
          entries.set(write.key, entry);
          if (previous === undefined) keys.add(write.key);
          changes.push(
            previous === undefined
              ? { type: 'put', revision: next, entry }
              : { type: 'put', revision: next, entry, previous },
          );
        } else if (previous !== undefined) {
          entries.delete(write.key);
          keys.delete(write.key);
          changes.push({ type: 'delete', revision: next, key: write.key, previous });
        }
      }
      if (changes.length === 0) return now;
      now = next;
      history.push(...changes);
      if (history.length > 2 * historyMax) compactTo(history[history.length - historyMax]!.revision);
      hub.publish(changes);
      return now;
    },

    watch(prefix, { after, signal }) {
      assertOpen(signal);
      if (after > now) throw new Future(after, now);
      if (after < compacted) throw new Expired(after, compacted);
      const past = history.slice(positionAfter(after)).filter((change) => {
        const key = change.type === 'put' ? change.entry.key : change.key;
        return key.startsWith(prefix);
      });
      return hub.watch(prefix, {
        after,
        signal,
        async *history() {
          if (past.length > 0) yield past;
        },
      });
    },

    async current({ signal }) {
      assertOpen(signal);
      return now;
    },

    async compact(at, { signal }) {
      assertOpen(signal);
      if (at > now) throw new Future(at, now);
      if (at > compacted) compactTo(at);
    },

    async [Symbol.asyncDispose]() {
      closed = true;
      hub.close(new StoreUnavailable('closed', 'The store has been closed'));
    },
  };
}
