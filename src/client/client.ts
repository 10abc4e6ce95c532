import type { Duplex, Readable, Writable } from 'node:stream';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectList, ObjectRef } from '#machinery/object.ts';
import type { Status } from '#machinery/status-error.ts';

/**
 * The one way to reach the cluster, for every part of Tutti and for its dialects. Two transports implement it:
 * in process (`apiserver/in-process-client.ts`) and HTTPS (`client/http-client.ts`). Every failure is a
 * `StatusError`. Objects that come back are shared and must not be changed.
 */
export interface Client {
  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: ReadOptions): Promise<T>;
  /** In process, lists and watches leave `metadata.managedFields` out. */
  list<T extends ApiObject>(kind: Kind<T>, options: ListOptions): Promise<ObjectList<T>>;
  /** Ends when `signal` aborts or the server closes the watch; throws `Expired` if the start is compacted. */
  watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** With `subresource` (`binding`, `eviction`, `token`), creates that of `metadata.name`. */
  create<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T>;
  /** PUT; `metadata.resourceVersion` in the object makes it conditional. */
  update<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T>;
  patch<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, patch: Patch, options: WriteOptions): Promise<T>;
  /** The object as it was last (or is, while finalizers or grace keep it), or a Status. */
  delete<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: DeleteOptions): Promise<T | Status>;
  deleteCollection<T extends ApiObject>(kind: Kind<T>, options: ListOptions & DeleteOptions): Promise<void>;
  /** A container's log as bytes; with `follow` until the container ends or `signal` aborts. */
  logs(pod: ObjectRef, options: LogOptions): Promise<Readable>;
  exec(pod: ObjectRef, options: ExecOptions): Promise<Session>;
  attach(pod: ObjectRef, options: AttachOptions): Promise<Session>;
  portForward(pod: ObjectRef, port: number, options: CallOptions): Promise<Duplex>;
  /** The same client under another identity; the caller must be allowed to impersonate (in process: is trusted). */
  as(user: UserInfo): Client;
}

export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface CallOptions {
  readonly signal: AbortSignal;
}

export interface ReadOptions extends CallOptions {
  readonly resourceVersion?: string;
  readonly subresource?: string;
}

export interface ListOptions extends CallOptions {
  /** All namespaces unless given. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  /** `'0'` reads from the cache without waiting; absent reads the newest. */
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

export interface WatchOptions extends CallOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Changes after this; absent or `'0'` starts with synthetic ADDED events of what is there. */
  readonly resourceVersion?: string;
  readonly allowWatchBookmarks?: boolean;
  /** Start with ADDED events of the whole state, then a bookmark annotated `k8s.io/initial-events-end`. */
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: ApiObject }
  | { readonly type: 'ERROR'; readonly object: Status };

export interface WriteOptions extends CallOptions {
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
}

export type Patch =
  | { readonly type: 'json'; readonly patch: readonly Readonly<Record<string, unknown>>[] }
  | { readonly type: 'merge' | 'strategic'; readonly patch: Readonly<Record<string, unknown>> }
  | { readonly type: 'apply'; readonly patch: Readonly<Record<string, unknown>>; readonly force?: boolean };

export interface DeleteOptions extends CallOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

export interface LogOptions extends CallOptions {
  /** Needed when the pod has more than one container. */
  readonly container?: string;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** `Stdout`, `Stderr`, or both (`All`, the default). */
  readonly stream?: 'All' | 'Stdout' | 'Stderr';
}

export interface ExecOptions extends AttachOptions {
  readonly command: readonly string[];
}

export interface AttachOptions extends CallOptions {
  readonly container?: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  /** Must be false with `tty`. */
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** A running exec or attach. Ending `stdin` is a half-close: output goes on. */
export interface Session {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Terminal size in character cells; ignored without a tty. */
  resize(width: number, height: number): void;
  /** `Success`, or `Failure` with reason NonZeroExitCode and a cause ExitCode. Settles after the streams have ended. */
  readonly done: Promise<Status>;
  /** Drops the connection at once. */
  close(): void;
}
