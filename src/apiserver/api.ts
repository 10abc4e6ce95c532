import { randomUUID } from 'node:crypto';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { UserInfo } from '#client/client.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import type { Status } from '#machinery/status-error.ts';
import type { Store } from '#store/store.ts';
import { AdmissionChain } from './admission/chain.ts';
import type { AdmissionPlugin } from './admission/admission.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import { refusal } from './authorization/refusal.ts';
import { Catalog } from './catalog.ts';
import { Registry } from './registry/registry.ts';
import { keepStatus, onlyStatus } from './registry/object-meta.ts';
import type { Listing } from './registry/resource.ts';
import { selectionOf } from './registry/selection.ts';
import type { StoredObject } from './registry/stored-object.ts';
import { freshnessOfGet, freshnessOfList, parseVersion } from './registry/versions.ts';
import type { Attributes, RequestContext } from './request.ts';
import { createObject } from './verbs/create.ts';
import { deleteListed, deleteObject, type DeletionOptions } from './verbs/delete.ts';
import { updateObject, type UpdateRules, type Wanted } from './verbs/update.ts';
import type { Pipeline, WriteCall, WriteHook } from './verbs/pipeline.ts';
import type { Watcher } from './watch-cache/watcher.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly kinds: readonly Kind[];
  readonly authorizer: Authorizer;
  readonly admission: readonly AdmissionPlugin[];
  readonly hooks?: readonly WriteHook[];
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1); for generated names. */
  readonly random?: () => number;
  readonly newUid?: () => string;
}

/** What a request asks for, before it is known whether its caller may. */
export interface Target<T extends ApiObject> {
  readonly kind: Kind<T>;
  readonly namespace: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

export interface ListParameters {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
}

export interface WatchParameters extends ListParameters {
  readonly allowWatchBookmarks?: boolean | undefined;
  readonly sendInitialEvents?: boolean | undefined;
}

export interface WriteParameters {
  readonly dryRun: boolean;
}

/**
 * The way of every request, whichever door it comes through: authorize → admit → validate → registry → store.
 * Bodies come as functions, so that nothing of a request that is refused is read.
 */
export class Api implements AsyncDisposable {
  readonly catalog: Catalog;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly #authorizer: Authorizer;
  readonly #pipeline: Pipeline;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: ApiOptions) {
    const { clock, log } = options;
    this.clock = clock;
    this.log = log;
    this.catalog = new Catalog(options.kinds);
    this.registry = new Registry({ store: options.store, clock, log, signal: this.#stop.signal });
    this.#authorizer = options.authorizer;
    this.#pipeline = {
      registry: this.registry,
      admission: new AdmissionChain(options.admission),
      clock,
      random: options.random ?? Math.random,
      newUid: options.newUid ?? randomUUID,
      hooks: options.hooks ?? [],
    };
  }

  /** Connects to the store and follows it until disposed of. */
  async start(): Promise<void> {
    await this.registry.start();
    this.#running = this.registry.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the API server is shutting down'));
    await this.#running;
  }

  /** Throws Forbidden. */
  async authorize(attributes: Attributes): Promise<void> {
    const decision = await this.#authorizer.authorize(attributes);
    if (!decision.allowed) throw refusal(attributes, decision.reason);
  }

  async get<T extends ApiObject>(
    target: Target<T> & { readonly name: string },
    { resourceVersion }: { resourceVersion?: string | undefined },
    context: RequestContext,
  ): Promise<StoredObject<T>> {
    await this.authorize(attributesOf('get', target, context.user));
    return this.registry.of(target.kind).get(refOf(target), freshnessOfGet(resourceVersion), context.signal);
  }

  async list<T extends ApiObject>(
    target: Target<T>,
    parameters: ListParameters,
    context: RequestContext,
  ): Promise<Listing<T>> {
    await this.authorize(attributesOf('list', target, context.user));
    return this.#list(target, parameters, context);
  }

  /** The watcher belongs to the caller, who disposes of it. */
  async watch<T extends ApiObject>(
    target: Target<T>,
    parameters: WatchParameters,
    context: RequestContext,
  ): Promise<Watcher<T>> {
    await this.authorize(attributesOf('watch', target, context.user));
    const { resourceVersion = '' } = parameters;
    return this.registry.of(target.kind).watch({
      namespace: target.namespace,
      selection: selectionOf(target.kind, parameters),
      after: resourceVersion === '' ? undefined : parseVersion(resourceVersion),
      initialEvents: parameters.sendInitialEvents ?? false,
      allowBookmarks: parameters.allowWatchBookmarks ?? false,
      signal: context.signal,
    });
  }

  async create<T extends ApiObject>(
    target: Target<T>,
    body: () => Promise<T>,
    { dryRun }: WriteParameters,
    context: RequestContext,
  ): Promise<T> {
    const attributes = attributesOf('create', target, context.user);
    await this.authorize(attributes);
    return createObject(this.#pipeline, { kind: target.kind, attributes, context, dryRun }, await body());
  }

  /** PUT of the object or of its status. `verb` is `patch` when `wanted` applies a patch. */
  async update<T extends ApiObject>(
    verb: 'update' | 'patch',
    target: Target<T> & { readonly name: string },
    wanted: () => Promise<Wanted<T>>,
    { dryRun }: WriteParameters,
    context: RequestContext,
  ): Promise<T> {
    const { kind, subresource } = target;
    const attributes = attributesOf(verb, target, context.user);
    await this.authorize(attributes);
    const call: WriteCall<T> = { kind, attributes, context, dryRun };
    const rules: UpdateRules<T> =
      subresource === 'status'
        ? { scope: onlyStatus<T>, prepare: false }
        : { scope: kind.subresources?.status === true ? keepStatus<T> : (next: T) => next, prepare: true };
    return updateObject(this.#pipeline, call, refOf(target), await wanted(), rules);
  }

  async delete<T extends ApiObject>(
    target: Target<T> & { readonly name: string },
    body: () => Promise<DeletionOptions>,
    { dryRun }: WriteParameters,
    context: RequestContext,
  ): Promise<T | Status> {
    const attributes = attributesOf('delete', target, context.user);
    await this.authorize(attributes);
    const call: WriteCall<T> = { kind: target.kind, attributes, context, dryRun };
    return deleteObject(this.#pipeline, call, refOf(target), await body());
  }

  /** Deletes what the parameters select; returns what was selected. */
  async deleteCollection<T extends ApiObject>(
    target: Target<T>,
    parameters: ListParameters,
    body: () => Promise<DeletionOptions>,
    { dryRun }: WriteParameters,
    context: RequestContext,
  ): Promise<Listing<T>> {
    const attributes = attributesOf('deletecollection', target, context.user);
    await this.authorize(attributes);
    const options = await body();
    const listing = await this.#list(target, parameters, context);
    await deleteListed(this.#pipeline, { kind: target.kind, attributes, context, dryRun }, listing.items, options);
    return listing;
  }

  #list<T extends ApiObject>(
    { kind, namespace }: Target<T>,
    parameters: ListParameters,
    { signal }: RequestContext,
  ): Promise<Listing<T>> {
    return this.registry.of(kind).list({
      namespace,
      selection: selectionOf(kind, parameters),
      freshness: freshnessOfList(parameters),
      limit: parameters.limit ?? 0,
      continue: parameters.continue,
      signal,
    });
  }
}

/** Source of the path: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris */
export function pathOf({ kind, namespace, name, subresource }: Target<ApiObject>): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : '';
  return [`${root}${scope}/${kind.plural}`, name, subresource].filter((part) => part !== undefined).join('/');
}

export function attributesOf<T extends ApiObject>(verb: string, target: Target<T>, user: UserInfo): Attributes {
  const { kind, namespace, name, subresource } = target as unknown as Target<ApiObject>;
  return { user, verb, kind, namespace, name, subresource, path: pathOf({ kind, namespace, name, subresource }) };
}

function refOf({ namespace, name }: { namespace: string | undefined; name: string }): ObjectRef {
  return namespace === undefined ? { name } : { namespace, name };
}
