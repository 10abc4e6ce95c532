import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { assertSchemaIsKnown, createSchema } from './sqlite-schema.ts';
import type {
  ChangeRow,
  CommitReply,
  SqliteFailure,
  SqliteReply,
  SqliteRequest,
  SqliteWorkerOptions,
  Written,
} from './sqlite-protocol.ts';
import { revision, type Entry, type Key, type Page, type Revision, type Write } from './store.ts';

/**
 * The thread that owns the SQLite file. It takes whatever commits have gathered since the last flush, applies
 * them in one SQLite transaction (each behind its own guards), flushes once, and only then answers them all:
 * acknowledged means on disk.
 *
 * The table is a log: a row a write, `id = revision * 1024 + position in the commit`, so one index by (key, id)
 * finds the newest row of a key and the state at any kept revision.
 */
const writesPerCommitMax = 1024;
/** Rows one compaction step looks at, and free pages it gives back to the disk, before waiting commits get their turn. */
const compactRowsMax = 500;
const vacuumPagesMax = 500;
/** Free pages that are kept: they are what the next writes go to. */
const freePagesKept = 1000;

interface Row {
  readonly id: bigint;
  readonly key: string;
  readonly created: bigint;
  readonly value: Uint8Array | null;
}

const firstIdOf = (at: bigint) => at * BigInt(writesPerCommitMax);
const revisionOf = (id: bigint): Revision => revision(id / BigInt(writesPerCommitMax));
/** The first key behind every key that starts with `prefix`: U+FFFF is no character, so no key holds it. */
const endOf = (prefix: Key): Key => `${prefix}\uffff`;
const entryOf = (row: Row | undefined): Entry | undefined =>
  row === undefined || row.value === null
    ? undefined
    : { key: row.key, value: row.value, created: revision(row.created), modified: revisionOf(row.id) };

class RequestFailed extends Error {
  readonly failure: SqliteFailure;
  constructor(failure: SqliteFailure) {
    super(failure.error);
    this.failure = failure;
  }
}

function asFailure(error: unknown): SqliteFailure {
  if (error instanceof RequestFailed) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0;
  // SQLITE_FULL is 13; a full disk can also surface as SQLITE_IOERR_WRITE (778): https://sqlite.org/rescode.html
  const full = code === 13 || code === 778 || /disk is full|ENOSPC/.test(message);
  return { error: 'unavailable', reason: full ? 'disk-full' : 'failed', message };
}

function openingFailure(error: unknown, file: string): SqliteFailure {
  const failure = asFailure(error);
  if (failure.error !== 'unavailable' || failure.message.includes(file)) return failure;
  return { ...failure, message: `Cannot open the database ${file}: ${failure.message}` };
}

class SqliteLog {
  readonly #db: DatabaseSync;
  readonly #newest: StatementSync;
  readonly #newestAt: StatementSync;
  readonly #insert: StatementSync;
  readonly #listAt: StatementSync;
  readonly #countAt: StatementSync;
  readonly #changes: StatementSync;
  readonly #toCompact: StatementSync;
  readonly #dropOlder: StatementSync;
  readonly #drop: StatementSync;
  readonly #setMeta: StatementSync;
  #now: Revision;
  #compacted: Revision;
  /** Rows with an id up to this one have been looked at by compaction. */
  #sweptId: bigint;

  constructor(file: string) {
    this.#db = new DatabaseSync(file, { readBigInts: true });
    // The file belongs to this thread alone, so the exclusive mode that needs no shared memory is safe and quicker.
    this.#db.exec(
      'PRAGMA auto_vacuum=INCREMENTAL; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8000;',
    );
    assertSchemaIsKnown(this.#db, file);
    createSchema(this.#db);
    const prepare = (sql: string) => this.#db.prepare(sql);
    this.#newest = prepare('SELECT id, key, created, value FROM log WHERE key = ? ORDER BY id DESC LIMIT 1');
    this.#newestAt = prepare(
      'SELECT id, key, created, value FROM log WHERE key = ? AND id < ? ORDER BY id DESC LIMIT 1',
    );
    this.#insert = prepare('INSERT INTO log (id, key, created, value) VALUES (?, ?, ?, ?)');
    const latest = 'SELECT max(id) FROM log INDEXED BY log_key_id WHERE key >= ? AND key < ? AND id < ? GROUP BY key';
    this.#listAt = prepare(
      `SELECT id, key, created, value FROM log WHERE id IN (${latest}) AND value IS NOT NULL ORDER BY key LIMIT ?`,
    );
    this.#countAt = prepare(`SELECT count(*) AS n FROM log WHERE id IN (${latest}) AND value IS NOT NULL`);
    this.#changes = prepare(
      'SELECT id, key, created, value FROM log WHERE id >= ? AND id < ? AND key >= ? AND key < ? ORDER BY id LIMIT ?',
    );
    this.#toCompact = prepare(
      'SELECT id, key, value IS NULL AS gone FROM log WHERE id > ? AND id < ? ORDER BY id LIMIT ?',
    );
    this.#dropOlder = prepare('DELETE FROM log WHERE key = ? AND id < ?');
    this.#drop = prepare('DELETE FROM log WHERE id = ?');
    this.#setMeta = prepare(
      'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    );
    const meta = (name: string): bigint => {
      const row = prepare('SELECT value FROM meta WHERE name = ?').get(name) as { value: bigint } | undefined;
      return row?.value ?? 0n;
    };
    this.#compacted = revision(meta('compacted'));
    this.#sweptId = meta('swept');
    const last = prepare('SELECT max(id) AS id FROM log').get() as { id: bigint | null };
    // After compaction of a trailing deletion the log may end before the revision it had reached.
    this.#now = revision(
      [last.id === null ? 0n : revisionOf(last.id), this.#compacted, meta('revision')].reduce((a, b) =>
        a > b ? a : b,
      ),
    );
  }

  get now(): Revision {
    return this.#now;
  }

  /** Applies commits in one transaction with one flush; a commit whose guards fail leaves the others alone. */
  commitAll(commits: readonly { writes: readonly Write[] }[]): readonly (CommitReply | SqliteFailure)[] {
    const before = this.#now;
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const replies = commits.map(({ writes }) => {
        try {
          return this.#apply(writes);
        } catch (error) {
          if (error instanceof RequestFailed) return error.failure;
          throw error;
        }
      });
      this.#db.exec('COMMIT');
      return replies;
    } catch (error) {
      this.#now = before;
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      const failure = asFailure(error);
      return commits.map(() => failure);
    }
  }

  #apply(writes: readonly Write[]): CommitReply {
    if (writes.length > writesPerCommitMax) {
      throw new RequestFailed({
        error: 'unavailable',
        reason: 'failed',
        message: `A commit may have ${writesPerCommitMax} writes, not ${writes.length}`,
      });
    }
    const previous = writes.map((write) => {
      const current = entryOf(this.#newest.get(write.key) as Row | undefined);
      const holds =
        write.expect === undefined ||
        (write.expect === 'absent' ? current === undefined : current?.modified === write.expect);
      if (!holds) throw new RequestFailed({ error: 'conflict', key: write.key, current });
      return current;
    });
    if (writes.every((write, i) => write.do === 'delete' && previous[i] === undefined))
      return { revision: this.#now, written: [] };
    const next = revision(this.#now + 1n);
    const written = writes.map((write, i): Written => {
      const before = previous[i];
      const id = firstIdOf(next) + BigInt(i);
      if (write.do === 'put') {
        const created = before?.created ?? next;
        this.#insert.run(id, write.key, created, write.value);
        return { created, previous: before };
      }
      if (before !== undefined) this.#insert.run(id, write.key, before.created, null);
      return { created: before?.created ?? next, previous: before };
    });
    this.#now = next;
    return { revision: next, written };
  }

  get(key: Key): Entry | undefined {
    return entryOf(this.#newest.get(key) as Row | undefined);
  }

  list(prefix: Key, at: Revision | undefined, from: Key | undefined, limit: number): Page {
    const wanted = at ?? this.#now;
    this.#assertReadable(wanted);
    const start = from !== undefined && from > prefix ? from : prefix;
    const range = [start, endOf(prefix), firstIdOf(wanted + 1n)] as const;
    const bounded = Number.isFinite(limit);
    const rows = this.#listAt.all(...range, bounded ? limit + 1 : -1) as unknown as Row[];
    const more = bounded && rows.length > limit;
    const entries = (more ? rows.slice(0, limit) : rows).map((row) => entryOf(row)!);
    const count = more ? Number((this.#countAt.get(...range) as { n: bigint }).n) : entries.length;
    return { entries, revision: wanted, more, count };
  }

  changes(prefix: Key, after: Revision, until: Revision, limit: number): readonly ChangeRow[] {
    if (after > this.#now) throw new RequestFailed({ error: 'future', at: after, current: this.#now });
    if (after < this.#compacted) throw new RequestFailed({ error: 'expired', at: after, compacted: this.#compacted });
    const rows = this.#changes.all(
      firstIdOf(after + 1n),
      firstIdOf(until + 1n),
      prefix,
      endOf(prefix),
      limit,
    ) as unknown as Row[];
    return rows.map((row) => ({
      key: row.key,
      revision: revisionOf(row.id),
      created: revision(row.created),
      value: row.value,
      previous: entryOf(this.#newestAt.get(row.key, row.id) as Row | undefined),
    }));
  }

  /** Fixes what is compacted; the rows go in bounded steps by `compactStep()`. */
  compact(at: Revision): void {
    if (at > this.#now) throw new RequestFailed({ error: 'future', at, current: this.#now });
    if (at <= this.#compacted) return;
    this.#setMeta.run('compacted', at);
    this.#compacted = at;
  }

  /** Removes some rows that no kept revision needs. True while there is more to do. */
  compactStep(): boolean {
    const end = firstIdOf(this.#compacted + 1n);
    const rows = this.#toCompact.all(this.#sweptId, end, compactRowsMax) as unknown as {
      id: bigint;
      key: string;
      gone: bigint;
    }[];
    const last = rows.at(-1);
    if (last === undefined) return this.#vacuumStep();
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const row of rows) {
        this.#dropOlder.run(row.key, row.id);
        if (row.gone === 1n) this.#drop.run(row.id);
      }
      this.#setMeta.run('swept', last.id);
      this.#setMeta.run('revision', this.#now);
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
    this.#sweptId = last.id;
    return true;
  }

  /** Gives some free pages back to the disk. True while there are more than it keeps. */
  #vacuumStep(): boolean {
    const free = Number((this.#db.prepare('PRAGMA freelist_count').get() as { freelist_count: bigint }).freelist_count);
    const pages = Math.min(vacuumPagesMax, free - freePagesKept);
    if (pages <= 0) return false;
    this.#db.exec(`PRAGMA incremental_vacuum(${pages})`);
    return true;
  }

  close(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    this.#db.close();
  }

  #assertReadable(at: Revision): void {
    if (at > this.#now) throw new RequestFailed({ error: 'future', at, current: this.#now });
    if (at < this.#compacted) throw new RequestFailed({ error: 'expired', at, compacted: this.#compacted });
  }
}

function serve(port: NonNullable<typeof parentPort>, { file }: SqliteWorkerOptions): void {
  let log: SqliteLog;
  try {
    log = new SqliteLog(file);
  } catch (error) {
    port.postMessage({ failed: openingFailure(error, file) });
    port.close();
    return;
  }
  port.postMessage({ opened: log.now });

  /** Calls whose compaction is under way; they are answered once it is done. */
  let compacting: number[] = [];
  const compactInSteps = (id: number) => {
    compacting.push(id);
    if (compacting.length > 1) return;
    const step = () => {
      let reply: SqliteFailure | { value: undefined } = { value: undefined };
      try {
        if (log.compactStep()) {
          setImmediate(step);
          return;
        }
      } catch (error) {
        // A full disk stops compaction, not service: the next compact() tries again.
        reply = asFailure(error);
      }
      const replies = compacting.map((each) => ({ id: each, ...reply }));
      compacting = [];
      port.postMessage({ replies });
    };
    setImmediate(step);
  };

  const answer = (request: Exclude<SqliteRequest, { do: 'commit' | 'compact' }>): unknown => {
    switch (request.do) {
      case 'get':
        return log.get(request.key);
      case 'list':
        return log.list(request.prefix, request.at, request.from, request.limit);
      case 'changes':
        return log.changes(request.prefix, request.after, request.until, request.limit);
      case 'close':
        log.close();
        return undefined;
    }
  };

  port.on('message', (requests: readonly SqliteRequest[]) => {
    const replies: SqliteReply[] = [];
    const commits = requests.filter((request) => request.do === 'commit');
    if (commits.length > 0) {
      const outcomes = log.commitAll(commits);
      for (const [i, { id }] of commits.entries()) {
        const outcome = outcomes[i]!;
        replies.push('error' in outcome ? { id, ...outcome } : { id, value: outcome });
      }
    }
    for (const request of requests) {
      if (request.do === 'commit') continue;
      try {
        if (request.do === 'compact') {
          log.compact(request.at);
          compactInSteps(request.id);
        } else replies.push({ id: request.id, value: answer(request) });
      } catch (error) {
        replies.push({ id: request.id, ...asFailure(error) });
      }
    }
    port.postMessage({ replies });
    if (requests.some((request) => request.do === 'close')) port.close();
  });
}

if (parentPort !== null) serve(parentPort, workerData as SqliteWorkerOptions);
