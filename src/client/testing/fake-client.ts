import { randomUUID } from 'node:crypto';
import type { Duplex, Readable } from 'node:stream';
import type { Clock } from '#lib/clock.ts';
import { parseSelector } from '#machinery/label-selector-parser.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectList, ObjectRef } from '#machinery/object.ts';
import { alreadyExists, expired, methodNotAllowed, modifiedConflict, notFoundError } from '#machinery/status-error.ts';
import type {
  Client,
  DeleteOptions,
  ListOptions,
  Patch,
  ReadOptions,
  Session,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../client.ts';
import { keyOfObject } from '../object-index.ts';

interface LogEntry {
  readonly version: number;
  readonly resource: string;
  readonly event: WatchEvent<ApiObject>;
}

/** A small in-memory cluster for tests: revisions, conflicts, finalizers, status subresources and watches. */
export class FakeClient implements Client {
  readonly #clock: Clock;
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #log: LogEntry[] = [];
  #compacted = 0;
  #version = 1;
  readonly #waiters = new Set<() => void>();
  /** Called before each request; throw to make it fail. */
  onRequest: (verb: string, kind: Pick<Kind, 'plural'>, ref: { name?: string; namespace?: string }) => void = () => {};
  /** Called after each write, before its reply; throw to lose the reply of what was done. */
  onReply: () => void = () => {};
  /** Watches of these deliver nothing: caches go stale. */
  #held: ReadonlySet<string> | 'all' = new Set();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps back the watch events of `kinds`, or of all. */
  hold(...kinds: readonly Kind[]): void {
    this.#held = kinds.length === 0 ? 'all' : new Set(kinds.map(resourceOf));
  }

  release(): void {
    this.#held = new Set();
    this.#wake();
  }

  /** Forgets history: watches from before it throw Expired. */
  compact(): void {
    this.#compacted = this.#version;
    this.#log.length = 0;
  }

  all<T extends ApiObject>(kind: Kind<T>): readonly T[] {
    return [...this.#of(kind).values()] as T[];
  }

  async get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: ReadOptions): Promise<T> {
    this.#enter('get', kind, ref, options.signal);
    return this.#find(kind, ref);
  }

  async list<T extends ApiObject>(kind: Kind<T>, options: ListOptions): Promise<ObjectList<T>> {
    this.#enter('list', kind, {}, options.signal);
    const selector = options.labelSelector === undefined ? undefined : parseSelector(options.labelSelector);
    const items = this.all(kind).filter(
      ({ metadata }) =>
        (options.namespace === undefined || metadata?.namespace === options.namespace) &&
        (selector === undefined || selector.matches(metadata?.labels)),
    );
    return {
      apiVersion: apiVersionOf(kind),
      kind: `${kind.kind}List`,
      metadata: { resourceVersion: String(this.#version) },
      items,
    };
  }

  async *watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    this.#enter('watch', kind, {}, options.signal);
    let at = Number(options.resourceVersion ?? 0);
    const resource = resourceOf(kind);
    while (!options.signal.aborted) {
      if (at < this.#compacted) throw expired('too old resource version');
      const held = this.#held === 'all' || this.#held.has(resource);
      const next = held ? undefined : this.#log.find(({ version }) => version > at);
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            this.#waiters.delete(wake);
            options.signal.removeEventListener('abort', wake);
            resolve();
          };
          this.#waiters.add(wake);
          options.signal.addEventListener('abort', wake);
        });
        continue;
      }
      at = next.version;
      if (next.resource === resource) yield next.event as WatchEvent<T>;
      else yield { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(at) } } };
    }
  }

  async create<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const { generateName, namespace } = object.metadata ?? {};
    const name = object.metadata?.name ?? `${generateName ?? ''}${randomUUID().slice(0, 5)}`;
    this.#enter('create', kind, { name, ...(namespace === undefined ? {} : { namespace }) }, options.signal);
    if (options.subresource === 'eviction' || options.subresource === 'binding')
      throw methodNotAllowed('not in the fake');
    const metadata = {
      ...object.metadata,
      name,
      uid: randomUUID(),
      creationTimestamp: this.#now(),
      ...(kind.hasGeneration === true ? { generation: 1 } : {}),
    };
    const created = { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata };
    const key = keyOfObject(created);
    if (this.#of(kind).has(key)) throw alreadyExists(kind, name);
    return this.#put('ADDED', kind, key, created);
  }

  async update<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const ref = {
      name: object.metadata?.name ?? '',
      ...(object.metadata?.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
    };
    this.#enter(
      `update${options.subresource === undefined ? '' : `/${options.subresource}`}`,
      kind,
      ref,
      options.signal,
    );
    const stored = this.#find(kind, ref);
    const expect = object.metadata?.resourceVersion;
    if (expect !== undefined && expect !== stored.metadata?.resourceVersion) throw modifiedConflict(kind, ref.name);
    return this.#write(kind, stored, object, options.subresource);
  }

  async patch<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, patch: Patch, options: WriteOptions): Promise<T> {
    this.#enter('patch', kind, ref, options.signal);
    if (patch.type === 'json' || patch.type === 'apply') throw methodNotAllowed('not in the fake');
    const stored = this.#find(kind, ref);
    const merged = merge(stored, patch.patch) as T;
    if (merged.metadata?.resourceVersion !== stored.metadata?.resourceVersion) throw modifiedConflict(kind, ref.name);
    if (merged.metadata?.uid !== stored.metadata?.uid) throw modifiedConflict(kind, ref.name);
    return this.#write(kind, stored, merged, options.subresource);
  }

  async delete<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: DeleteOptions): Promise<T> {
    this.#enter('delete', kind, ref, options.signal);
    const stored = this.#find(kind, ref);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid !== undefined && uid !== stored.metadata?.uid) throw modifiedConflict(kind, ref.name);
    if (resourceVersion !== undefined && resourceVersion !== stored.metadata?.resourceVersion)
      throw modifiedConflict(kind, ref.name);
    const finalizers = new Set(stored.metadata?.finalizers ?? []);
    if (options.propagationPolicy === 'Foreground') finalizers.add('foregroundDeletion');
    if (options.propagationPolicy === 'Orphan') finalizers.add('orphan');
    const key = keyOfObject(stored);
    const graceful =
      kind.kind === 'Pod' &&
      options.gracePeriodSeconds !== 0 &&
      (stored as { spec?: { nodeName?: string } }).spec?.nodeName !== undefined;
    if (finalizers.size > 0 || graceful || kind.kind === 'Namespace') {
      if (stored.metadata?.deletionTimestamp !== undefined && !graceful) return stored;
      const metadata = {
        ...stored.metadata,
        ...(finalizers.size > 0 ? { finalizers: [...finalizers] } : {}),
        deletionTimestamp: this.#now(),
        ...(graceful ? { deletionGracePeriodSeconds: 30 } : {}),
      };
      return this.#put('MODIFIED', kind, key, { ...stored, metadata });
    }
    return this.#put('DELETED', kind, key, stored);
  }

  async deleteCollection<T extends ApiObject>(kind: Kind<T>, options: ListOptions & DeleteOptions): Promise<void> {
    const { items } = await this.list(kind, options);
    for (const { metadata } of items) {
      await this.delete(
        kind,
        { name: metadata?.name ?? '', ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }) },
        { ...options },
      );
    }
  }

  /** Removes an object whatever its finalizers. */
  remove<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef): void {
    const stored = this.#find(kind, ref);
    this.#put('DELETED', kind, keyOfObject(stored), stored);
  }

  logs(): Promise<Readable> {
    throw methodNotAllowed('not in the fake');
  }
  exec(): Promise<Session> {
    throw methodNotAllowed('not in the fake');
  }
  attach(): Promise<Session> {
    throw methodNotAllowed('not in the fake');
  }
  portForward(): Promise<Duplex> {
    throw methodNotAllowed('not in the fake');
  }
  as(): Client {
    return this;
  }

  #write<T extends ApiObject>(kind: Kind<T>, stored: T, object: T, subresource: string | undefined): T {
    type WithStatus = ApiObject & { readonly status?: unknown; readonly spec?: unknown };
    const status = kind.subresources?.status === true;
    let next: WithStatus = object;
    if (subresource === 'status') next = { ...(stored as WithStatus), status: (object as WithStatus).status };
    else if (status) next = { ...object, status: (stored as WithStatus).status };
    const changed = JSON.stringify(next.spec) !== JSON.stringify((stored as WithStatus).spec);
    const generation = stored.metadata?.generation;
    const metadata = {
      ...next.metadata,
      uid: stored.metadata?.uid,
      ...(generation === undefined ? {} : { generation: generation + (changed ? 1 : 0) }),
    };
    next = { ...next, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata };
    const gone =
      next.metadata?.deletionTimestamp !== undefined &&
      next.metadata.deletionGracePeriodSeconds === undefined &&
      (next.metadata.finalizers ?? []).length === 0 &&
      (stored.metadata?.finalizers ?? []).length > 0;
    if (!gone && JSON.stringify(next) === JSON.stringify(stored)) return stored;
    return this.#put(gone ? 'DELETED' : 'MODIFIED', kind, keyOfObject(stored), next);
  }

  #put<T extends ApiObject>(type: 'ADDED' | 'MODIFIED' | 'DELETED', kind: Kind<T>, key: string, object: ApiObject): T {
    const version = ++this.#version;
    const stored = JSON.parse(
      JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } }),
    ) as T;
    if (type === 'DELETED') this.#of(kind).delete(key);
    else this.#of(kind).set(key, stored);
    this.#log.push({ version, resource: resourceOf(kind), event: { type, object: stored } });
    this.#wake();
    this.onReply();
    return stored;
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #find<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef): T {
    const found = this.#of(kind).get(keyOfObject({ metadata: kind.namespaced ? ref : { name: ref.name } }));
    if (found === undefined) throw notFoundError(kind, ref.name);
    return found as T;
  }

  #enter(
    verb: string,
    kind: Pick<Kind, 'plural'>,
    ref: { name?: string; namespace?: string },
    signal: AbortSignal,
  ): void {
    signal.throwIfAborted();
    this.onRequest(verb, kind, ref);
  }

  #of(kind: Pick<Kind, 'group' | 'plural'>): Map<string, ApiObject> {
    const resource = resourceOf(kind);
    let objects = this.#objects.get(resource);
    if (objects === undefined) this.#objects.set(resource, (objects = new Map<string, ApiObject>()));
    return objects;
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}

const resourceOf = ({ group, plural }: Pick<Kind, 'group' | 'plural'>) => `${plural}.${group}`;

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge(result[name], value);
  }
  return result;
}
