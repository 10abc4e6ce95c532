import { Conflict, type Entry, type Key, type Write } from '../store.ts';
import type { EncryptedStore } from './encrypted-store.ts';

/** Values read, and at most written, at a time. */
export const rewriteBatchMax = 50;
/** What one batch may hold: under etcd's limit of 1.5 MiB a request, as sealing adds little. */
const rewriteBytesMax = 1024 * 1024;

export interface Rewritten {
  /** Values that lay otherwise and are now as the store writes them. */
  readonly rewritten: number;
  readonly unchanged: number;
  /** Keys whose values cannot be read, and so were left alone. */
  readonly unreadable: readonly Key[];
}

/**
 * Writes every value under `prefixes` anew that does not lie as the store writes it today. Others may write meanwhile:
 * what they have written is already as it should be. Interrupted, it is simply run again.
 */
export async function rewriteAll(
  store: EncryptedStore,
  prefixes: readonly Key[],
  { signal }: { readonly signal: AbortSignal },
): Promise<Rewritten> {
  let rewritten = 0;
  let unchanged = 0;
  const unreadable: Key[] = [];
  for (const prefix of prefixes) {
    let from: Key | undefined;
    for (;;) {
      const page = await store.inner.list(prefix, {
        signal,
        limit: rewriteBatchMax,
        ...(from === undefined ? {} : { from }),
      });
      const stale = page.entries.filter((entry) => !store.isCurrent(entry)).map((entry) => store.opened(entry));
      const readable = stale.filter((entry) => entry.unreadable === undefined);
      for (const { key } of stale.filter((entry) => entry.unreadable !== undefined)) unreadable.push(key);
      for (const batch of batchesOf(readable)) rewritten += await commit(store, batch, signal);
      unchanged += page.entries.length - stale.length;
      if (!page.more) break;
      from = `${page.entries.at(-1)!.key}\0`;
    }
  }
  return { rewritten, unchanged, unreadable };
}

function* batchesOf(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let batch: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (batch.length > 0 && bytes + entry.value.byteLength > rewriteBytesMax) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += entry.value.byteLength;
  }
  if (batch.length > 0) yield batch;
}

/** Returns how many of the batch it has written; those that somebody else has written since need it no more. */
async function commit(store: EncryptedStore, batch: readonly Entry[], signal: AbortSignal): Promise<number> {
  let left = batch;
  while (left.length > 0) {
    const writes = left.map(({ key, value, modified }): Write => ({ do: 'put', key, value, expect: modified }));
    try {
      await store.commit(writes, { signal });
      return left.length;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      left = left.filter(({ key }) => key !== error.key); // one less each time: it ends
    }
  }
  return 0;
}
