import type { Entry, Key, Revision, Write } from './store.ts';

/** What the thread that owns the database is started with. */
export interface SqliteWorkerOptions {
  readonly file: string;
}

export type SqliteCall =
  | { readonly do: 'commit'; readonly writes: readonly Write[] }
  | { readonly do: 'get'; readonly key: Key }
  | {
      readonly do: 'list';
      readonly prefix: Key;
      readonly at: Revision | undefined;
      readonly from: Key | undefined;
      readonly limit: number;
    }
  | {
      readonly do: 'changes';
      readonly prefix: Key;
      readonly after: Revision;
      readonly until: Revision;
      readonly limit: number;
    }
  | { readonly do: 'compact'; readonly at: Revision }
  | { readonly do: 'close' };

export type SqliteRequest = SqliteCall & { readonly id: number };

/** The outcome of one write of a commit, in the order of the writes; `previous` is what the key held before. */
export interface Written {
  readonly created: Revision;
  readonly previous: Entry | undefined;
}

export type SqliteFailure =
  | { readonly error: 'conflict'; readonly key: Key; readonly current: Entry | undefined }
  | { readonly error: 'expired'; readonly at: Revision; readonly compacted: Revision }
  | { readonly error: 'future'; readonly at: Revision; readonly current: Revision }
  | { readonly error: 'unavailable'; readonly reason: 'disk-full' | 'closed' | 'failed'; readonly message: string };

/** One message to the caller's thread: replies in the order in which commits took effect. */
export type SqliteReply = { readonly id: number } & ({ readonly value: unknown } | SqliteFailure);

export interface CommitReply {
  readonly revision: Revision;
  /** Empty if the commit changed nothing. */
  readonly written: readonly Written[];
}
export interface ChangeRow {
  readonly key: Key;
  readonly revision: Revision;
  readonly created: Revision;
  /** Null marks a deletion. */
  readonly value: Uint8Array | null;
  readonly previous: Entry | undefined;
}
