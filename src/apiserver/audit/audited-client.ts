import type { Duplex, Readable } from 'node:stream';
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
import { Pod } from '#api/core/pod.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectList, ObjectRef } from '#machinery/object.ts';
import { type Status, StatusError } from '#machinery/status-error.ts';
import { pathOf } from '../api.ts';
import type { AuditEntry } from '../request.ts';
import { toStatusError } from '../rest/reply.ts';
import { auditIdOf, type Auditor, type AuditTrail } from './auditor.ts';

export interface AuditedClientOptions {
  readonly auditor: Auditor;
  readonly user: UserInfo;
  /** Which part of Tutti speaks: what stands for a user agent. */
  readonly door: string;
  /** The client in this process for a user, whose calls are noted in `audit`. */
  readonly clientOf: (user: UserInfo, audit: AuditEntry | undefined) => Client;
}

interface About {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** A client in this process whose every call is audited like one over HTTP: what dialects come to the API with. */
export class AuditedClient implements Client {
  readonly #options: AuditedClientOptions;

  constructor(options: AuditedClientOptions) {
    this.#options = options;
  }

  get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: ReadOptions): Promise<T> {
    const about = { ...ref, subresource: options.subresource };
    return this.#call('get', kind, about, undefined, 200, (client) => client.get(kind, ref, options));
  }

  list<T extends ApiObject>(kind: Kind<T>, options: ListOptions): Promise<ObjectList<T>> {
    return this.#call('list', kind, options, undefined, 200, (client) => client.list(kind, options));
  }

  async *watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const { trail, client } = this.#begin('watch', kind, options);
    let outcome: Parameters<AuditTrail['end']>[0] = { code: 200 };
    try {
      yield* client.watch(kind, options);
    } catch (error) {
      outcome = outcomeOf(error, options.signal);
      throw error;
    } finally {
      trail?.end(outcome);
    }
  }

  create<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const { subresource } = options;
    const about = subresource === undefined ? { namespace } : { namespace, name, subresource };
    return this.#call('create', kind, about, object, 201, (client) => client.create(kind, object, options));
  }

  update<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const about = { namespace, name, subresource: options.subresource };
    return this.#call('update', kind, about, object, 200, (client) => client.update(kind, object, options));
  }

  patch<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, patch: Patch, options: WriteOptions): Promise<T> {
    const about = { ...ref, subresource: options.subresource };
    return this.#call('patch', kind, about, patch.patch, 200, (client) => client.patch(kind, ref, patch, options));
  }

  delete<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: DeleteOptions): Promise<T | Status> {
    return this.#call('delete', kind, ref, undefined, 200, (client) => client.delete(kind, ref, options));
  }

  deleteCollection<T extends ApiObject>(kind: Kind<T>, options: ListOptions & DeleteOptions): Promise<void> {
    const about = { namespace: options.namespace };
    return this.#call('deletecollection', kind, about, undefined, 200, (client) =>
      client.deleteCollection(kind, options),
    );
  }

  logs(pod: ObjectRef, options: LogOptions): Promise<Readable> {
    return this.#call('get', Pod, { ...pod, subresource: 'log' }, undefined, 200, (client) =>
      client.logs(pod, options),
    );
  }

  exec(pod: ObjectRef, options: ExecOptions): Promise<Session> {
    return this.#reach('exec', pod, (client) => client.exec(pod, options));
  }

  attach(pod: ObjectRef, options: AttachOptions): Promise<Session> {
    return this.#reach('attach', pod, (client) => client.attach(pod, options));
  }

  portForward(pod: ObjectRef, port: number, options: CallOptions): Promise<Duplex> {
    return this.#reach('portforward', pod, (client) => client.portForward(pod, port, options));
  }

  as(user: UserInfo): Client {
    return new AuditedClient({ ...this.#options, user });
  }

  #reach<R>(subresource: string, pod: ObjectRef, call: (client: Client) => Promise<R>): Promise<R> {
    return this.#call('create', Pod, { ...pod, subresource }, undefined, 101, call);
  }

  async #call<T extends ApiObject, R>(
    verb: string,
    kind: Kind<T>,
    about: About,
    body: unknown,
    code: number,
    call: (client: Client) => Promise<R>,
  ): Promise<R> {
    const { trail, client } = this.#begin(verb, kind, about);
    if (body !== undefined) trail?.request(body);
    try {
      const answer = await call(client);
      if (code !== 101) trail?.response(() => answer);
      trail?.end({ code });
      return answer;
    } catch (error) {
      trail?.end(outcomeOf(error, undefined));
      throw error;
    }
  }

  #begin<T extends ApiObject>(verb: string, kind: Kind<T>, { namespace, name, subresource }: About) {
    const { auditor, user, door, clientOf } = this.#options;
    const scope = kind.namespaced && namespace !== '' ? namespace : undefined;
    const path = pathOf({ kind, namespace: scope, name, subresource });
    const trail = auditor.begin({
      auditId: auditIdOf(undefined),
      uri: path,
      path,
      verb,
      user,
      sourceIPs: [],
      userAgent: door,
      resource: { group: kind.group, version: kind.version, plural: kind.plural, subresource, namespace: scope, name },
    });
    return { trail, client: clientOf(user, trail) };
  }
}

function outcomeOf(error: unknown, signal: AbortSignal | undefined): Parameters<AuditTrail['end']>[0] {
  const known = error instanceof StatusError ? error : undefined;
  const isAborted = signal?.aborted === true || (error instanceof Error && error.name === 'AbortError');
  return { code: toStatusError(error).code, error: known, panicked: known === undefined && !isAborted };
}
