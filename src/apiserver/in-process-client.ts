import type { Duplex, Readable } from 'node:stream';
import { Scale } from '#api/autoscaling/scale.ts';
import { Pod } from '#api/core/pod.ts';
import type {
  AttachOptions,
  CallOptions,
  Client,
  DeleteOptions,
  ExecOptions,
  ListOptions,
  LogOptions,
  Patch,
  ReadOptions,
  Session,
  UserInfo,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '#client/client.ts';
import { apiVersionOf, listKindOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectList, ObjectRef } from '#machinery/object.ts';
import { badRequest, type Status, unavailable } from '#machinery/status-error.ts';
import type { Api, Target } from './api.ts';
import { readObject } from './codec.ts';
import type { AuditEntry, RequestContext } from './request.ts';
import type { NodeStreams } from './streaming/connect.ts';
import { patchedBy } from './verbs/patch.ts';
import { WatchRecord } from './watch-cache/cache-event.ts';
import { bookmarkMetadata, type Bookmark } from './watch-cache/watcher.ts';

/** Records taken from a watch at a time. */
const recordsMax = 500;

export interface InProcessOptions {
  readonly user: UserInfo;
  /** Undefined where no agent can be reached: logs and sessions are then unavailable. */
  readonly streams?: NodeStreams | undefined;
  /** What the calls of this client leave in the audit log: see `AuditedClient`. */
  readonly audit?: AuditEntry | undefined;
}

/**
 * The Client of whatever runs in the server's own process: the same pipeline as every request, authorization
 * included, but without HTTP or JSON. Objects are the cache's own and must not be changed; those handed in must not
 * be changed afterwards.
 */
export class InProcessClient implements Client {
  readonly #api: Api;
  readonly #options: InProcessOptions;

  constructor(api: Api, options: InProcessOptions) {
    this.#api = api;
    this.#options = options;
  }

  async get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: ReadOptions): Promise<T> {
    const target = { ...targetOf(kind, ref), subresource: options.subresource };
    const context = this.#context(options);
    if (options.subresource === 'why') {
      // Plain data, whatever the kind: the caller knows what it has asked for.
      return (await this.#api.why({ namespace: ref.namespace ?? '', name: ref.name }, context)) as unknown as T;
    }
    // With `scale` the caller's T is Scale: the interface has one kind for both.
    if (options.subresource === 'scale') return (await this.#api.getScale(target, context)) as unknown as T;
    return (await this.#api.get(target, { resourceVersion: options.resourceVersion }, context)).whole;
  }

  async list<T extends ApiObject>(kind: Kind<T>, options: ListOptions): Promise<ObjectList<T>> {
    const {
      items,
      revision,
      continue: token,
      remaining,
    } = await this.#api.list({ kind, namespace: given(options.namespace) }, options, this.#context(options));
    return {
      apiVersion: apiVersionOf(kind),
      kind: listKindOf(kind),
      metadata: {
        resourceVersion: String(revision),
        ...(token === undefined ? {} : { continue: token }),
        ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
      },
      items: items.map(({ object }) => object),
    };
  }

  async *watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const { signal } = options;
    const target = { kind, namespace: given(options.namespace) };
    const watcher = await this.#api.watch(target, options, this.#context(options)).catch((error: unknown) => {
      if (signal.aborted) return undefined;
      throw error;
    });
    if (watcher === undefined) return;
    using _watcher = watcher;
    let wake: () => void = () => undefined;
    let ready = false;
    watcher.onReady(() => {
      ready = true;
      wake();
    });
    const over = new AbortController();
    const end = () => {
      over.abort();
      wake();
    };
    signal.addEventListener('abort', end, { once: true });
    using _limit =
      options.timeoutSeconds === undefined ? undefined : this.#api.clock.after(options.timeoutSeconds * 1000, end);
    try {
      while (!over.signal.aborted && !signal.aborted) {
        if (!ready) {
          await new Promise<void>((resolve) => (wake = resolve));
          continue;
        }
        const records = watcher.take(recordsMax);
        if (watcher.ended !== undefined) {
          yield { type: 'ERROR', object: watcher.ended.toStatus() };
          return;
        }
        if (records.length < recordsMax) ready = false;
        for (const record of records) {
          yield eventOf(kind, record);
          if (signal.aborted) return;
        }
      }
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async create<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const { namespace, name = '' } = object.metadata ?? {};
    const context = this.#context(options);
    const parameters = writeParameters(options);
    const { subresource } = options;
    if (subresource === undefined) {
      const target = { kind, namespace: kind.namespaced ? namespace : undefined };
      return this.#api.create(target, async () => this.#read(kind, object, context), parameters, context);
    }
    // With a subresource the object, and the answer, are of that subresource's kind.
    return (await this.#api.createSubresource(
      {
        ...targetOf(kind as unknown as Kind, { name, ...(namespace === undefined ? {} : { namespace }) }),
        subresource,
      },
      async (bodyKind) => this.#read(bodyKind, object, context),
      parameters,
      context,
    )) as T;
  }

  async update<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const { namespace, name = '' } = object.metadata ?? {};
    const context = this.#context(options);
    const parameters = writeParameters(options);
    const target = {
      ...targetOf(kind, { name, ...(namespace === undefined ? {} : { namespace }) }),
      subresource: options.subresource,
    };
    if (options.subresource === 'scale') {
      const wanted = async () => async () => this.#read(Scale, object as unknown as Scale, context);
      return (await this.#api.updateScale('update', target, wanted, parameters, context)) as unknown as T;
    }
    const wanted = async () => {
      const next = this.#read(kind, object, context);
      return async () => next;
    };
    return this.#api.update('update', target, wanted, parameters, context);
  }

  async patch<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, patch: Patch, options: WriteOptions): Promise<T> {
    const context = this.#context(options);
    const parameters = writeParameters(options);
    const target = { ...targetOf(kind, ref), subresource: options.subresource };
    if (patch.type === 'apply') {
      if ((options.fieldManager ?? '') === '') throw badRequest('an apply needs a fieldManager');
      const { patch: config, force = false } = patch;
      const body = async () => ({ config, force, duplicates: [], validation: 'Strict' as const });
      return (await this.#api.apply(target, body, parameters, context)).object;
    }
    const reading = { validation: 'Warn', warn: (text: string) => context.warn(text) } as const;
    if (options.subresource === 'scale') {
      const wanted = async () => patchedBy(Scale, patch, reading);
      return (await this.#api.updateScale('patch', target, wanted, parameters, context)) as unknown as T;
    }
    return this.#api.update('patch', target, async () => patchedBy(kind, patch, reading), parameters, context);
  }

  async delete<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: DeleteOptions): Promise<T | Status> {
    const parameters = { dryRun: options.dryRun ?? false };
    return this.#api.delete(targetOf(kind, ref), async () => options, parameters, this.#context(options));
  }

  async deleteCollection<T extends ApiObject>(kind: Kind<T>, options: ListOptions & DeleteOptions): Promise<void> {
    const target = { kind, namespace: given(options.namespace) };
    const parameters = { dryRun: options.dryRun ?? false };
    await this.#api.deleteCollection(target, options, async () => options, parameters, this.#context(options));
  }

  async logs(pod: ObjectRef, options: LogOptions): Promise<Readable> {
    return this.#streams().logs(await this.#connect(pod, 'log', 'get', options), options);
  }

  async exec(pod: ObjectRef, options: ExecOptions): Promise<Session> {
    return this.#streams().exec(await this.#connect(pod, 'exec', 'create', options), options);
  }

  async attach(pod: ObjectRef, options: AttachOptions): Promise<Session> {
    return this.#streams().attach(await this.#connect(pod, 'attach', 'create', options), options);
  }

  async portForward(pod: ObjectRef, port: number, options: CallOptions): Promise<Duplex> {
    return this.#streams().portForward(await this.#connect(pod, 'portforward', 'create', options), port, options);
  }

  as(user: UserInfo): Client {
    return new InProcessClient(this.#api, { ...this.#options, user });
  }

  #connect(pod: ObjectRef, subresource: string, verb: 'get' | 'create', options: CallOptions): Promise<Pod> {
    return this.#api.connect(verb, { ...targetOf(Pod, pod), subresource }, this.#context(options));
  }

  #streams(): NodeStreams {
    if (this.#options.streams === undefined) throw unavailable('this server has no way to the agents of its nodes');
    return this.#options.streams;
  }

  #read<T extends ApiObject>(kind: Kind<T>, object: T, context: RequestContext): T {
    return readObject(kind, object, { validation: 'Warn', warn: (text) => context.warn(text) });
  }

  #context({ signal }: CallOptions): RequestContext {
    const { user, audit } = this.#options;
    return {
      user,
      signal,
      audit,
      // Names the writer in managedFields: `deployment-controller`, `kube-scheduler`.
      userAgent: `${user.username.split(':').at(-1)}/tutti`,
      warn: (text) => this.#api.log.warn('the API warns a part of this process', { user: user.username, text }),
    };
  }
}

const writeParameters = ({ dryRun = false, fieldManager }: WriteOptions) => ({ dryRun, fieldManager });

const given = (text: string | undefined) => (text === undefined || text === '' ? undefined : text);

function targetOf<T extends ApiObject>(
  kind: Kind<T>,
  { name, namespace }: ObjectRef,
): Target<T> & { readonly name: string } {
  return { kind, name, namespace: kind.namespaced ? namespace : undefined };
}

function eventOf<T extends ApiObject>(kind: Kind<T>, record: WatchRecord<T> | Bookmark): WatchEvent<T> {
  if (record instanceof WatchRecord) return { type: record.type, object: record.item.object };
  return {
    type: 'BOOKMARK',
    object: {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata: bookmarkMetadata(record.resourceVersion, record.initial),
    },
  };
}
