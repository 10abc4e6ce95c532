import { formatJson } from '#machinery/json.ts';
import { type Duplex, Readable } from 'node:stream';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectList, ObjectRef } from '#machinery/object.ts';
import { type Status, timeout } from '#machinery/status-error.ts';
import { openPortForward, openSession } from './channel-session.ts';
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
  UserInfo,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { bodyOf, named, readError, readJson } from './http-reply.ts';
import { Http2Connection, type Http2Reply } from './http2-connection.ts';
import { jsonLines } from './json-lines.ts';
import {
  attachQuery,
  deleteBody,
  listQuery,
  logQuery,
  pathOf,
  queryOf,
  readQuery,
  type Target,
} from './request-path.ts';
import { watchQuery, writeQuery } from './request-path.ts';
import { identityHeadersOf, type Server } from './server.ts';

export interface HttpClientOptions {
  readonly server: Server;
  readonly clock: Clock;
  /** `kubelet/0.1.0`, as it shall stand in audit logs and managed fields. */
  readonly userAgent: string;
}

/** How long any call may take that is not a watch, a log or a session; the server's own limit is a minute. */
const callMsMax = 65_000;

const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml', // JSON is YAML
} as const;

const pods = { group: '', version: 'v1', plural: 'pods', namespaced: true } as const;

/** The Client over HTTPS. Disposing it drops its connection and everything that still runs on it. */
export class HttpClient implements Client, AsyncDisposable {
  readonly #options: HttpClientOptions;
  readonly #connection: Http2Connection;

  constructor(options: HttpClientOptions, connection?: Http2Connection) {
    this.#options = options;
    this.#connection = connection ?? new Http2Connection(options.server, options.clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async get<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: ReadOptions): Promise<T> {
    const target = { ...ref, subresource: options.subresource };
    return (await this.#call('GET', pathOf(kind, target) + readQuery(options), options)) as T;
  }

  async list<T extends ApiObject>(kind: Kind<T>, options: ListOptions): Promise<ObjectList<T>> {
    const list = (await this.#call('GET', pathOf(kind, options) + listQuery(options), options)) as ObjectList<T>;
    const apiVersion = apiVersionOf(kind);
    return { ...list, items: (list.items ?? []).map((item) => named(item, apiVersion, kind.kind)) };
  }

  async *watch<T extends ApiObject>(kind: Kind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const { signal } = options;
    let reply: Http2Reply;
    try {
      reply = await this.#send('GET', pathOf(kind, options) + watchQuery(options), { accept: json }, undefined, signal);
      if (reply.status !== 200) throw await readError(reply, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    try {
      for await (const event of jsonLines(bodyOf(reply, signal))) yield event as WatchEvent<T>;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      reply.stream.destroy();
    }
  }

  async create<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const target =
      options.subresource === undefined ? { namespace } : { namespace, name, subresource: options.subresource };
    return (await this.#write('POST', kind, target, object, options)) as T;
  }

  async update<T extends ApiObject>(kind: Kind<T>, object: T, options: WriteOptions): Promise<T> {
    const { namespace, name = '' } = object.metadata ?? {};
    return (await this.#write(
      'PUT',
      kind,
      { namespace, name, subresource: options.subresource },
      object,
      options,
    )) as T;
  }

  async patch<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, patch: Patch, options: WriteOptions): Promise<T> {
    const force = patch.type === 'apply' ? patch.force : undefined;
    const path = pathOf(kind, { ...ref, subresource: options.subresource }) + writeQuery({ ...options, force });
    return (await this.#call('PATCH', path, options, patch.patch, patchTypes[patch.type])) as T;
  }

  async delete<T extends ApiObject>(kind: Kind<T>, ref: ObjectRef, options: DeleteOptions): Promise<T | Status> {
    return (await this.#call('DELETE', pathOf(kind, ref), options, deleteBody(options))) as T | Status;
  }

  async deleteCollection<T extends ApiObject>(kind: Kind<T>, options: ListOptions & DeleteOptions): Promise<void> {
    await this.#call('DELETE', pathOf(kind, options) + listQuery(options), options, deleteBody(options));
  }

  /** A call beside the resources, answered as JSON. */
  async raw(method: 'GET' | 'POST', path: string, options: CallOptions): Promise<unknown> {
    return this.#call(method, path, options);
  }

  async logs(pod: ObjectRef, options: LogOptions): Promise<Readable> {
    const { signal } = options;
    const path = pathOf(pods, { ...pod, subresource: 'log' }) + logQuery(options);
    const reply = await this.#send('GET', path, { accept: '*/*' }, undefined, signal);
    if (reply.status !== 200) throw await readError(reply, signal);
    // Whoever destroys it ends the request.
    return Readable.from(bodyOf(reply, signal), { objectMode: false }).once('close', () => reply.stream.destroy());
  }

  exec(pod: ObjectRef, options: ExecOptions): ReturnType<Client['exec']> {
    return this.#session('exec', pod, options);
  }

  attach(pod: ObjectRef, options: AttachOptions): ReturnType<Client['attach']> {
    return this.#session('attach', pod, options);
  }

  async portForward(pod: ObjectRef, port: number, options: CallOptions): Promise<Duplex> {
    const path = pathOf(pods, { ...pod, subresource: 'portforward' }) + queryOf({ ports: port });
    return await openPortForward(this.#options.server, path, await this.#identity(), options.signal);
  }

  as(user: UserInfo): Client {
    const server = { ...this.#options.server, impersonate: user };
    return new HttpClient({ ...this.#options, server }, this.#connection);
  }

  async #session(subresource: string, pod: ObjectRef, options: AttachOptions): ReturnType<Client['exec']> {
    const path = pathOf(pods, { ...pod, subresource }) + attachQuery(options);
    return await openSession(this.#options.server, path, await this.#identity(), options);
  }

  async #identity(): Promise<Record<string, string | string[]>> {
    return { 'user-agent': this.#options.userAgent, ...(await identityHeadersOf(this.#options.server)) };
  }

  #write(method: string, kind: Kind, target: Target, object: ApiObject, options: WriteOptions): Promise<unknown> {
    // A sender that leaves out what it speaks of is refused by some servers.
    const body = { ...object, apiVersion: object.apiVersion ?? apiVersionOf(kind), kind: object.kind ?? kind.kind };
    return this.#call(method, pathOf(kind, target) + writeQuery(options), options, body);
  }

  /** One request with its whole reply, in bounded time. */
  async #call(
    method: string,
    path: string,
    options: CallOptions,
    body?: unknown,
    contentType: string = json,
  ): Promise<unknown> {
    using limit = deadline(this.#options.clock, callMsMax, options.signal, () =>
      timeout(`${method} ${path} took longer than ${callMsMax} ms`),
    );
    const bytes = body === undefined ? undefined : Buffer.from(formatJson(body));
    const headers = { accept: json, ...(bytes === undefined ? {} : { 'content-type': contentType }) };
    return await readJson(await this.#send(method, path, headers, bytes, limit.signal), limit.signal);
  }

  async #send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer | undefined,
    signal: AbortSignal,
  ): Promise<Http2Reply> {
    return await this.#connection.request({
      method,
      path,
      headers: { ...headers, ...(await this.#identity()) },
      ...(body === undefined ? {} : { body }),
      signal,
    });
  }
}

const json = 'application/json';
