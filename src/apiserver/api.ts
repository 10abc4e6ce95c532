import { randomUUID } from 'node:crypto';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { CustomResourceDefinition } from '#api/apiextensions/custom-resource-definition.ts';
import { Binding } from '#api/core/binding.ts';
import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { Eviction } from '#api/policy/eviction.ts';
import { TokenRequest } from '#api/authentication/token-request.ts';
import type { Scale } from '#api/autoscaling/scale.ts';
import type { UserInfo } from '#client/client.ts';
import { parseFieldSelector } from '#machinery/field-selector.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { badRequest, methodNotAllowed, notFoundError, unavailable, type Status } from '#machinery/status-error.ts';
import type { Store } from '#store/store.ts';
import { AdmissionChain } from './admission/chain.ts';
import type { AdmissionPlugin } from './admission/admission.ts';
import type { Auditor } from './audit/auditor.ts';
import type { TokenIssuer } from './authentication/token-request.ts';
import type { Fairness } from './fairness/fairness.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import { refusal } from './authorization/refusal.ts';
import { Catalog } from './catalog.ts';
import { webhookConverters } from './custom-resources/conversion-webhook.ts';
import { KindsInUse } from './custom-resources/kinds-in-use.ts';
import { CustomResources } from './custom-resources/custom-resources.ts';
import { metricsGroup, metricsKinds } from './metrics-api/kinds.ts';
import { listMetrics, type MetricsSource } from './metrics-api/metrics-source.ts';
import { faceOf, type Face } from './registry/face.ts';
import { Registry } from './registry/registry.ts';
import type { Listing, Resource } from './registry/resource.ts';
import { selectionOf } from './registry/selection.ts';
import type { StoredObject } from './registry/stored-object.ts';
import { freshnessOfGet, freshnessOfList, parseVersion } from './registry/versions.ts';
import type { Attributes, AuditEntry, RequestContext } from './request.ts';
import { bindPod } from './verbs/binding.ts';
import { applyObject, applyScale, type AppliedObject, type ApplyBody } from './verbs/apply.ts';
import { createObject } from './verbs/create.ts';
import { deleteAll } from './custom-resources/delete-all.ts';
import { deleteListed, deleteObject, type DeletionOptions } from './verbs/delete.ts';
import { deletionOf, evictPod } from './verbs/eviction.ts';
import { answerReview, isReview, type ReviewSources } from './verbs/reviews.ts';
import { putObject } from './verbs/put.ts';
import { scaleOf, scaled } from './verbs/scale.ts';
import { updateObject, type Wanted } from './verbs/update.ts';
import type { Ledger, Pipeline, WriteCall, WriteHook } from './verbs/pipeline.ts';
import type { WatchStream } from './watch-cache/watcher.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly kinds: readonly Kind[];
  /** As a function if it looks into the registry; `signal` ends with the API. */
  readonly authorizer: Authorizer | ((registry: Registry, signal: AbortSignal) => Authorizer);
  /** In order; as a function if they look into the registry, as the built-in ones do. */
  readonly admission: readonly AdmissionPlugin[] | ((registry: Registry) => readonly AdmissionPlugin[]);
  readonly hooks?: readonly WriteHook[] | ((registry: Registry) => readonly WriteHook[]);
  /** What writes are held against last of all: the quotas of their namespace. */
  readonly ledger?: (registry: Registry) => Ledger;
  readonly reviews?: Partial<Omit<ReviewSources, 'authorizer'>>;
  /** Adds `metrics.k8s.io`. */
  readonly metrics?: MetricsSource;
  /** Answers `serviceaccounts/token`. */
  readonly tokenIssuer?: TokenIssuer;
  /** Answers `pods/why`: the scheduler's reasons for where a pod is; undefined if it knows no such pod. */
  readonly why?: (pod: { readonly namespace: string; readonly name: string }) => object | undefined;
  /** Leaves an audit log; without one, requests leave nothing. */
  readonly auditor?: Auditor | undefined;
  /** Shares the server out among those who call over HTTP; without it, nobody waits. */
  readonly fairness?: Fairness | undefined;
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
  /** Whom the client calls the writer; the first word of its user agent unless given. */
  readonly fieldManager?: string | undefined;
}

/**
 * The way of every request, whichever door it comes through: authorize → admit → validate → registry → store.
 * Bodies come as functions, so that nothing of a request that is refused is read.
 */
export class Api implements AsyncDisposable {
  /** What is served: also what is only computed. */
  readonly catalog: Catalog;
  /** What is stored, custom kinds from their first object on. */
  readonly kindsInUse: KindsInUse;
  /** Undefined where there are no definitions. */
  readonly customs: CustomResources | undefined;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly auditor: Auditor | undefined;
  readonly fairness: Fairness | undefined;
  readonly #authorizer: Authorizer;
  readonly #why: ApiOptions['why'];
  readonly #pipeline: Pipeline;
  readonly #faces = new WeakMap<Kind, Face>();
  readonly #metrics: MetricsSource | undefined;
  readonly #reviews: ReviewSources;
  readonly #tokens: TokenIssuer | undefined;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: ApiOptions) {
    const { clock, log } = options;
    this.clock = clock;
    this.log = log;
    this.auditor = options.auditor;
    this.fairness = options.fairness;
    this.#metrics = options.metrics;
    this.catalog = new Catalog(options.metrics === undefined ? options.kinds : [...options.kinds, ...metricsKinds]);
    this.registry = new Registry({
      store: options.store,
      clock,
      log,
      signal: this.#stop.signal,
      converterOf: webhookConverters(() => this.registry),
    });
    const { authorizer } = options;
    this.#authorizer = typeof authorizer === 'function' ? authorizer(this.registry, this.#stop.signal) : authorizer;
    this.#why = options.why;
    this.#reviews = {
      rules: () => [],
      tokens: undefined,
      audiences: [],
      ...options.reviews,
      authorizer: this.#authorizer,
    };
    this.#tokens = options.tokenIssuer;
    this.#pipeline = {
      registry: this.registry,
      admission: new AdmissionChain(
        typeof options.admission === 'function' ? options.admission(this.registry) : options.admission,
      ),
      clock,
      random: options.random ?? Math.random,
      newUid: options.newUid ?? randomUUID,
      hooks: typeof options.hooks === 'function' ? options.hooks(this.registry) : (options.hooks ?? []),
      ledger: options.ledger?.(this.registry),
    };
    this.kindsInUse = new KindsInUse(options.kinds);
    this.customs = options.kinds.includes(CustomResourceDefinition)
      ? new CustomResources({
          registry: this.registry,
          catalog: this.catalog,
          inUse: this.kindsInUse,
          deleteAll: (kind, signal) => deleteAll(this.#pipeline, kind, signal),
          clock,
          log,
        })
      : undefined;
  }

  /** Connects to the store and follows it until disposed of. */
  async start(): Promise<void> {
    await this.registry.start();
    const { signal } = this.#stop;
    await this.customs?.start(signal);
    this.#running = Promise.all([this.registry.run(), this.customs?.run(signal)]).then(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the API server is shutting down'));
    await this.#running;
  }

  /** Throws Forbidden. */
  async authorize(asked: Attributes, audit?: AuditEntry): Promise<void> {
    const attributes = withinItself(asked);
    const decision = await this.#authorizer.authorize(attributes);
    audit?.annotate('authorization.k8s.io/decision', decision.allowed ? 'allow' : 'forbid');
    audit?.annotate('authorization.k8s.io/reason', decision.reason);
    if (!decision.allowed) throw refusal(attributes, decision.reason);
  }

  async get<T extends ApiObject>(
    target: Target<T> & { readonly name: string },
    { resourceVersion }: { resourceVersion?: string | undefined },
    context: RequestContext,
  ): Promise<StoredObject<T>> {
    await this.authorize(attributesOf('get', target, context.user), context.audit);
    if (target.kind.group === metricsGroup) return this.#measured(target, context);
    const { stored, shown } = this.#face(target.kind);
    return shown(await this.registry.of(stored).get(refOf(target), freshnessOfGet(resourceVersion), context.signal));
  }

  async list<T extends ApiObject>(
    target: Target<T>,
    parameters: ListParameters,
    context: RequestContext,
  ): Promise<Listing<T>> {
    await this.authorize(selectedBy(parameters, attributesOf('list', target, context.user)), context.audit);
    return this.#list(target, parameters, context);
  }

  /** The watcher belongs to the caller, who disposes of it. */
  async watch<T extends ApiObject>(
    target: Target<T>,
    parameters: WatchParameters,
    context: RequestContext,
  ): Promise<WatchStream<T>> {
    await this.authorize(selectedBy(parameters, attributesOf('watch', target, context.user)), context.audit);
    const { resourceVersion = '' } = parameters;
    const face = this.#face(target.kind);
    return this.registry.of(face.stored).watch({
      namespace: target.namespace,
      selection: face.selection(selectionOf(target.kind, parameters)),
      ...(face.translates ? { present: face.record } : {}),
      after: resourceVersion === '' ? undefined : parseVersion(resourceVersion),
      initialEvents: parameters.sendInitialEvents ?? false,
      allowBookmarks: parameters.allowWatchBookmarks ?? false,
      signal: context.signal,
    });
  }

  /** A new object; reviews and bindings are answered and not stored. */
  async create<T extends ApiObject>(
    target: Target<T>,
    body: () => Promise<T>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<T> {
    const { kind } = target;
    const attributes = attributesOf('create', target, context.user);
    await this.authorize(attributes, context.audit);
    const object = await body();
    if (isReview(kind)) {
      const asked = { user: context.user, namespace: target.namespace };
      // A review answers with itself.
      return (await answerReview(kind, object, asked, this.#reviews)) as T;
    }
    if (kind.custom !== undefined && this.customs?.isTerminating(kind) === true) {
      throw methodNotAllowed('create not allowed while custom resource definition is terminating');
    }
    const call = { attributes, context, dryRun, fieldManager };
    if (kind.group === '' && kind.plural === 'bindings') {
      const ref = { namespace: target.namespace ?? '', name: object.metadata?.name ?? '' };
      await bindPod(this.#pipeline, { ...call, kind: Pod }, ref, object as unknown as Binding);
      return object;
    }
    const { stored, toStored, fromStored } = this.#face(kind);
    return fromStored(await createObject(this.#pipeline, { ...call, kind: stored }, toStored(object)));
  }

  /** `binding` and `eviction` of a pod, `token` of a service account; answers what a client expects of each. */
  async createSubresource(
    target: Target<ApiObject> & { readonly name: string; readonly subresource: string },
    body: (kind: Kind) => Promise<ApiObject>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<ApiObject | Status> {
    const attributes = attributesOf('create', target, context.user);
    await this.authorize(attributes, context.audit);
    const ref = { namespace: target.namespace ?? '', name: target.name };
    const call = { kind: Pod, attributes, context, dryRun, fieldManager };
    switch (`${target.kind.group}/${target.kind.plural}/${target.subresource}`) {
      case '/pods/binding':
        await bindPod(this.#pipeline, call, ref, (await body(Binding)) as Binding);
        return done(201);
      case '/pods/eviction':
        await this.#evict(call, ref, await body(Eviction));
        return done(201);
      case '/serviceaccounts/token':
        return this.#token(call, ref, (await body(TokenRequest)) as TokenRequest);
      default:
        throw methodNotAllowed('the server does not allow this method on the requested resource');
    }
  }

  /** Lets a caller reach into a pod (`log`, `exec`, `attach`, `portforward`); returns the pod. */
  async connect(
    verb: string,
    target: Target<Pod> & { readonly name: string; readonly subresource: string },
    context: RequestContext,
    options?: ApiObject,
  ): Promise<Pod> {
    return (await this.reach(verb, target, context, options)).object;
  }

  /** The same for any object with something behind it. */
  async reach<T extends ApiObject>(
    verb: string,
    target: Target<T> & { readonly name: string; readonly subresource: string },
    context: RequestContext,
    options?: ApiObject,
  ): Promise<StoredObject<T>> {
    const attributes = attributesOf(verb, target, context.user);
    await this.authorize(attributes, context.audit);
    const stored = await this.registry.of(target.kind).get(refOf(target), { want: 'newest' }, context.signal);
    const request = {
      attributes,
      operation: 'CONNECT' as const,
      object: options,
      stored: stored.object,
      dryRun: false,
    };
    if (target.subresource !== 'log') await this.#pipeline.admission.validate(request, context);
    return stored;
  }

  /** What the scheduler says of a pod: plain data, no object of any kind. */
  async why(pod: { readonly namespace: string; readonly name: string }, context: RequestContext): Promise<object> {
    await this.authorize(attributesOf('get', { kind: Pod, ...pod, subresource: 'why' }, context.user), context.audit);
    if (this.#why === undefined) throw unavailable('this server has no scheduler to ask');
    const answer = this.#why(pod);
    if (answer === undefined) throw notFoundError(Pod, pod.name);
    return answer;
  }

  /** What `/scale` shows. */
  async getScale(target: Target<ApiObject> & { readonly name: string }, context: RequestContext): Promise<Scale> {
    await this.authorize(attributesOf('get', { ...target, subresource: 'scale' }, context.user), context.audit);
    const { object } = await this.registry.of(target.kind).get(refOf(target), { want: 'newest' }, context.signal);
    return scaleOf(scalePathsOf(target.kind), object);
  }

  /** PUT or PATCH of `/scale`: changes the replicas of the object itself. */
  async updateScale(
    verb: 'update' | 'patch',
    target: Target<ApiObject> & { readonly name: string },
    wanted: () => Promise<Wanted<Scale>>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<Scale> {
    const { kind } = target;
    const paths = scalePathsOf(kind);
    const attributes = attributesOf(verb, { ...target, subresource: 'scale' }, context.user);
    await this.authorize(attributes, context.audit);
    const change = await wanted();
    const call = { kind, attributes, context, dryRun, fieldManager };
    const written = await updateObject(this.#pipeline, call, refOf(target), async (stored) =>
      scaled(paths, stored, await change(scaleOf(paths, stored))),
    );
    return scaleOf(paths, written);
  }

  /** The same by server-side apply. */
  async applyScale(
    target: Target<ApiObject> & { readonly name: string },
    body: () => Promise<ApplyBody>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<Scale> {
    const { kind } = target;
    const paths = scalePathsOf(kind);
    const attributes = attributesOf('patch', { ...target, subresource: 'scale' }, context.user);
    await this.authorize(attributes);
    const call = { kind, attributes, context, dryRun, fieldManager };
    return scaleOf(paths, await applyScale(this.#pipeline, call, refOf(target), await body(), paths.specReplicas));
  }

  /** PUT or PATCH of an object or of one of its subresources that has the object's own shape. */
  async update<T extends ApiObject>(
    verb: 'update' | 'patch',
    target: Target<T> & { readonly name: string },
    wanted: () => Promise<Wanted<T>>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<T> {
    const { kind } = target;
    const attributes = attributesOf(verb, target, context.user);
    await this.authorize(attributes, context.audit);
    const { stored, translates, toStored, fromStored } = this.#face(kind);
    const call: WriteCall<T> = { kind: stored, attributes, context, dryRun, fieldManager };
    const change = await wanted();
    const written = await updateObject(
      this.#pipeline,
      call,
      refOf(target),
      translates ? async (old) => toStored(await change(fromStored(old))) : change,
    );
    return fromStored(written);
  }

  /** PUT of a whole object: what is not there is made, where the kind allows that. */
  async put<T extends ApiObject>(
    target: Target<T> & { readonly name: string },
    body: () => Promise<T>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<AppliedObject<T>> {
    const attributes = attributesOf('update', target, context.user);
    await this.authorize(attributes, context.audit);
    const { stored, toStored, fromStored } = this.#face(target.kind);
    const call: WriteCall<T> = { kind: stored, attributes, context, dryRun, fieldManager };
    const { object, created } = await putObject(this.#pipeline, call, refOf(target), toStored(await body()), () =>
      this.authorize(attributesOf('create', target, context.user)),
    );
    return { object: fromStored(object), created };
  }

  /** A configuration, whose author is named by `fieldManager`. Throws Conflict where others manage what it sets. */
  async apply<T extends ApiObject>(
    target: Target<T> & { readonly name: string },
    body: () => Promise<ApplyBody>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<AppliedObject<T>> {
    const { kind } = target;
    const attributes = attributesOf('patch', target, context.user);
    await this.authorize(attributes);
    const { stored, translates, fromStored } = this.#face(kind);
    if (translates) {
      throw methodNotAllowed(
        `server-side apply works on ${apiVersionOf(stored)}, as which a ${apiVersionOf(kind)} ${kind.kind} is kept; apply that`,
      );
    }
    const call: WriteCall<T> = { kind: stored, attributes, context, dryRun, fieldManager };
    const { object, created } = await applyObject(this.#pipeline, call, refOf(target), await body(), () =>
      this.authorize(attributesOf('create', target, context.user)),
    );
    return { object: fromStored(object), created };
  }

  async delete<T extends ApiObject>(
    target: Target<T> & { readonly name: string },
    body: () => Promise<DeletionOptions>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<T | Status> {
    const attributes = attributesOf('delete', target, context.user);
    await this.authorize(attributes, context.audit);
    const { stored, fromStored } = this.#face(target.kind);
    const call: WriteCall<T> = { kind: stored, attributes, context, dryRun, fieldManager };
    const options = await body();
    if (options.ignoresReadErrors === true) {
      await this.authorize(attributesOf('unsafe-delete-ignore-read-errors', target, context.user), context.audit);
    }
    const answer = await deleteObject(this.#pipeline, call, refOf(target), options);
    return answer.kind === 'Status' ? answer : fromStored(answer as T);
  }

  /** Deletes what the parameters select; returns what was selected. */
  async deleteCollection<T extends ApiObject>(
    target: Target<T>,
    parameters: ListParameters,
    body: () => Promise<DeletionOptions>,
    { dryRun, fieldManager }: WriteParameters,
    context: RequestContext,
  ): Promise<Listing<T>> {
    const attributes = selectedBy(parameters, attributesOf('deletecollection', target, context.user));
    await this.authorize(attributes, context.audit);
    const options = await body();
    const listing = await this.#list(target, parameters, context);
    const { stored } = this.#face(target.kind);
    await deleteListed(
      this.#pipeline,
      { kind: stored, attributes, context, dryRun, fieldManager },
      listing.items,
      options,
    );
    return listing;
  }

  async #evict(call: WriteCall<Pod>, ref: { namespace: string; name: string }, eviction: Eviction): Promise<void> {
    const { name = ref.name } = eviction.metadata ?? {};
    if (name !== ref.name) throw badRequest('name in URL does not match name in Eviction object');
    const { dryRun, ...deletion } = deletionOf(eviction);
    await this.#admit(call, eviction);
    await evictPod(this.#pipeline, { ...call, dryRun: call.dryRun || dryRun }, ref, deletion);
  }

  /** Admits what is only the body of a subresource. */
  async #admit({ attributes, context, dryRun }: WriteCall<Pod>, object: ApiObject): Promise<void> {
    const request = { attributes, operation: 'CREATE' as const, object, stored: undefined, dryRun };
    await this.#pipeline.admission.validate(request, context);
  }

  async #token(call: WriteCall<Pod>, ref: { namespace: string; name: string }, request: TokenRequest) {
    if (this.#tokens === undefined) throw methodNotAllowed('this server issues no tokens');
    const { signal } = call.context;
    const { object } = await this.registry.of(ServiceAccount).get(ref, { want: 'newest' }, signal);
    await this.#admit(call, request);
    return this.#tokens.answer(ref.namespace, { name: ref.name, uid: object.metadata?.uid ?? '' }, request);
  }

  async #measured<T extends ApiObject>(
    target: Target<T> & { readonly name: string },
    context: RequestContext,
  ): Promise<StoredObject<T>> {
    const { items } = await this.#list(target, {}, context);
    const found = items.find(({ name }) => name === target.name);
    if (found === undefined) throw notFoundError(target.kind, target.name);
    return found;
  }

  /** What a list leaves out is said beside it. */
  #warnOfUnreadable<T extends ApiObject>(
    { cache, layout }: Resource<T>,
    namespace: string | undefined,
    context: RequestContext,
  ): void {
    let named = 0;
    const prefix = layout.prefixIn(namespace);
    for (const key of cache.unreadable) {
      if (!key.startsWith(prefix)) continue;
      if (++named > unreadableNamedMax) return context.warn('and more objects cannot be read and are left out');
      context.warn(`the object stored at ${key} cannot be read and is left out; get it to see why`);
    }
  }

  #face<T extends ApiObject>(kind: Kind<T>): Face<T> {
    const id = kind as unknown as Kind;
    let face = this.#faces.get(id) as Face<T> | undefined; // the key is the kind
    if (face === undefined) this.#faces.set(id, (face = faceOf(kind)));
    return face;
  }

  async #list<T extends ApiObject>(
    { kind, namespace }: Target<T>,
    parameters: ListParameters,
    context: RequestContext,
  ): Promise<Listing<T>> {
    const { signal } = context;
    const selection = selectionOf(kind, parameters);
    if (kind.group === metricsGroup && this.#metrics !== undefined) {
      return listMetrics(this.#metrics, kind, { namespace, selection, signal });
    }
    const face = this.#face(kind);
    const resource = this.registry.of(face.stored);
    const listing = await resource.list({
      namespace,
      selection: face.selection(selection),
      freshness: freshnessOfList(parameters),
      limit: parameters.limit ?? 0,
      continue: parameters.continue,
      signal,
    });
    this.#warnOfUnreadable(resource, namespace, context);
    return face.translates ? { ...listing, items: listing.items.map(face.shown) } : listing;
  }
}

/** Warnings of one list about objects that it leaves out. */
const unreadableNamedMax = 5;

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

/**
 * A request for one namespace by its name happens within that namespace: who may read what is in it may read it as well.
 * Source: k8s.io/apiserver/pkg/endpoints/request (requestinfo.go).
 */
function withinItself(attributes: Attributes): Attributes {
  const { kind, name, fields } = attributes;
  const isNamespace = kind?.group === '' && kind.plural === 'namespaces';
  return isNamespace && name !== undefined && fields === undefined ? { ...attributes, namespace: name } : attributes;
}

/**
 * The same with what a field selector narrows it to: who may read one object by its name may also list and watch it by
 * that name. Throws BadRequest. Source: k8s.io/apiserver/pkg/endpoints/request (requestinfo.go).
 */
function selectedBy({ fieldSelector = '' }: ListParameters, attributes: Attributes): Attributes {
  if (fieldSelector === '') return attributes;
  const fields = parseFieldSelector(fieldSelector);
  // Rights by name never cover a whole collection.
  const name = attributes.verb === 'deletecollection' ? undefined : fields.requires('metadata.name');
  return name === undefined || name === '' ? { ...attributes, fields } : { ...attributes, name, fields };
}

function refOf({ namespace, name }: { namespace: string | undefined; name: string }): ObjectRef {
  return namespace === undefined ? { name } : { namespace, name };
}

function scalePathsOf(kind: Kind) {
  const paths = kind.subresources?.scale;
  if (paths === undefined) throw notFoundError(kind, 'scale');
  return paths;
}

const done = (code: number): Status => ({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code });
