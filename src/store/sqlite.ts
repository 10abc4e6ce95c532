import { Worker } from 'node:worker_threads';
import type {
  ChangeRow,
  CommitReply,
  SqliteCall,
  SqliteFailure,
  SqliteReply,
  SqliteRequest,
  SqliteWorkerOptions,
} from './sqlite-protocol.ts';
import {
  Conflict,
  Expired,
  Future,
  StoreUnavailable,
  revision,
  type Change,
  type Entry,
  type Page,
  type Revision,
  type Store,
  type Write,
} from './store.ts';
import { WatchHub } from './watch-hub.ts';

/** Changes fetched at a time when a watch starts in the past. */
const historyPageMax = 1000;

function errorOf(failure: SqliteFailure): Error {
  switch (failure.error) {
    case 'conflict':
      return new Conflict(failure.key, failure.current);
    case 'expired':
      return new Expired(failure.at, failure.compacted);
    case 'future':
      return new Future(failure.at, failure.current);
    case 'unavailable':
      return new StoreUnavailable(
        failure.reason,
        failure.reason === 'disk-full'
          ? `The disk that holds the data directory is full, nothing was written: ${failure.message}`
          : failure.message,
      );
  }
}

interface Pending {
  readonly writes: readonly Write[] | undefined;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const closedError = () => new StoreUnavailable('closed', 'The store has been closed');

/** Changes of a commit, from the writes we still hold and what the database answered. */
function changesOf(writes: readonly Write[], { revision: at, written }: CommitReply): Change[] {
  const changes: Change[] = [];
  for (const [i, { created, previous }] of written.entries()) {
    const write = writes[i]!;
    if (write.do === 'put') {
      const entry: Entry = { key: write.key, value: write.value, created, modified: at };
      changes.push(
        previous === undefined ? { type: 'put', revision: at, entry } : { type: 'put', revision: at, entry, previous },
      );
    } else if (previous !== undefined) {
      changes.push({ type: 'delete', revision: at, key: write.key, previous });
    }
  }
  return changes;
}

function changeOf(row: ChangeRow): Change | undefined {
  const { previous } = row;
  if (row.value === null)
    return previous === undefined ? undefined : { type: 'delete', revision: row.revision, key: row.key, previous };
  const entry: Entry = { key: row.key, value: row.value, created: row.created, modified: row.revision };
  return previous === undefined
    ? { type: 'put', revision: row.revision, entry }
    : { type: 'put', revision: row.revision, entry, previous };
}

/** The calls of one turn of the event loop travel to the database's thread as one message. */
class SqliteConnection {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #outbox: SqliteRequest[] = [];
  #nextId = 1;
  #failure: Error | undefined;
  readonly #onCommitted: (changes: readonly Change[], at: Revision) => void;

  constructor(worker: Worker, onCommitted: (changes: readonly Change[], at: Revision) => void) {
    this.#worker = worker;
    this.#onCommitted = onCommitted;
    worker.on('message', ({ replies }: { replies?: readonly SqliteReply[] }) => {
      for (const reply of replies ?? []) this.#settle(reply);
    });
  }

  fail(failure: Error): void {
    this.#failure ??= failure;
    for (const pending of this.#pending.values()) pending.reject(failure);
    this.#pending.clear();
  }

  call(call: SqliteCall): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject, writes: call.do === 'commit' ? call.writes : undefined });
      if (this.#outbox.length === 0) setImmediate(() => this.#flush());
      this.#outbox.push({ ...call, id });
    });
  }

  #flush(): void {
    const requests = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(requests);
  }

  #settle(reply: SqliteReply): void {
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    if ('error' in reply) return pending.reject(errorOf(reply));
    if (pending.writes !== undefined) {
      const committed = reply.value as CommitReply;
      this.#onCommitted(changesOf(pending.writes, committed), committed.revision);
      pending.resolve(committed.revision);
      return;
    }
    pending.resolve(reply.value);
  }
}

/**
 * The embedded store: one SQLite file, owned by a thread of its own so that flushes never block the event loop.
 * A commit resolves once it is flushed. Throws `StoreUnavailable` if the file cannot be opened; the caller makes
 * sure that no other process has it (`cluster/data-dir.ts`).
 */
export async function sqliteStore(file: string): Promise<Store> {
  const options: SqliteWorkerOptions = { file };
  const worker = new Worker(
    new URL(import.meta.url.endsWith('.ts') ? './sqlite-worker.ts' : './sqlite-worker.js', import.meta.url),
    {
      workerData: options,
      name: 'tutti-store',
      // The caller's own flags (--input-type, --test, …) are not for this thread.
      execArgv: [],
      // The thread holds no objects beyond the batch at hand.
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    },
  );
  let now = await new Promise<Revision>((resolve, reject) => {
    worker.once('message', (message: { opened: Revision } | { failed: SqliteFailure }) => {
      if ('opened' in message) resolve(message.opened);
      else reject(errorOf(message.failed));
    });
    worker.once('error', (error) =>
      reject(new StoreUnavailable('failed', `Cannot open ${file}: ${error.message}`, error)),
    );
  });

  const hub = new WatchHub();
  let closing = false;
  const connection = new SqliteConnection(worker, (changes, at) => {
    if (at > now) now = at;
    if (changes.length > 0) hub.publish(changes);
  });
  const fail = (failure: Error) => {
    connection.fail(failure);
    hub.close(failure);
  };
  worker.on('error', (error) =>
    fail(new StoreUnavailable('failed', `The store's thread has failed: ${error.message}`, error)),
  );
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', (code) => {
      fail(closing ? closedError() : new StoreUnavailable('failed', `The store's thread has ended with code ${code}`));
      resolve();
    });
  });

  return {
    async get(key, { signal }) {
      signal.throwIfAborted();
      return (await connection.call({ do: 'get', key })) as Entry | undefined;
    },

    async list(prefix, { signal, at, from, limit = Number.POSITIVE_INFINITY }): Promise<Page> {
      signal.throwIfAborted();
      return (await connection.call({ do: 'list', prefix, at, from, limit })) as Page;
    },

    async commit(writes, { signal }) {
      signal.throwIfAborted();
      return (await connection.call({ do: 'commit', writes })) as Revision;
    },

    watch(prefix, { after, signal }) {
      if (after > now) throw new Future(after, now);
      const until = now;
      return hub.watch(prefix, {
        after,
        signal,
        async *history() {
          let from = after;
          while (from < until) {
            const rows = (await connection.call({
              do: 'changes',
              prefix,
              after: from,
              until,
              limit: historyPageMax,
            })) as readonly ChangeRow[];
            const full = rows.length === historyPageMax;
            // A page may end inside a commit; its last revision is then read again, whole, unless it is all there is.
            const last = rows.at(-1)?.revision;
            const split = full && last !== rows[0]!.revision;
            const whole = split ? rows.filter((row) => row.revision !== last) : rows;
            const changes = whole.map(changeOf).filter((change) => change !== undefined);
            if (changes.length > 0) yield changes;
            if (!full) return;
            from = split ? revision(last! - 1n) : last!;
          }
        },
      });
    },

    async current({ signal }) {
      signal.throwIfAborted();
      return now;
    },

    async compact(at, { signal }) {
      signal.throwIfAborted();
      await connection.call({ do: 'compact', at });
    },

    async [Symbol.asyncDispose]() {
      if (closing) return exited;
      closing = true;
      await connection.call({ do: 'close' }).catch(() => undefined);
      await exited;
    },
  };
}
