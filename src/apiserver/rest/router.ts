import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { UserInfo } from '#client/client.ts';
import type { Log } from '#lib/log.ts';
import type { Tracer } from '#lib/tracing.ts';
import type { Kind } from '#machinery/kind.ts';
import { badRequest, methodNotAllowed, timeout } from '#machinery/status-error.ts';
import { versionInfo } from '#machinery/version.ts';
import type { Aggregator } from '../aggregation/aggregator.ts';
import type { Api } from '../api.ts';
import { metricsGroup } from '../metrics-api/kinds.ts';
import { auditIdOf, type AuditTrail } from '../audit/auditor.ts';
import { beginTrail, endTrail, noteUnauthenticated } from '../audit/http-trail.ts';
import type { Authenticator } from '../authentication/authenticator.ts';
import { anonymousUser } from '../authentication/union.ts';
import { isLasting, workOf } from '../fairness/width.ts';
import { OpenApiHandler } from '../openapi/handler.ts';
import { subresourceVerbs } from '../discovery/subresources.ts';
import type { ConnectHandler } from '../streaming/connect.ts';
import { upgradeOf } from '../streaming/upgrade.ts';
import type { RequestContext } from '../request.ts';
import { Callers } from './callers.ts';
import { connectRequest, handlerOf, isConnect } from './connect-route.ts';
import { DiscoveryHandler } from './discovery-handler.ts';
import type { Exchange, HttpRequest, HttpResponse } from './exchange.ts';
import { FlushQueue } from './flush-queue.ts';
import { handleHealth, isHealthPath, ownChecks, type HealthCheck } from './health.ts';
import { effectiveUser } from './impersonation.ts';
import { noMetrics, type RequestLabels, type RequestMetrics, type ServerMetrics } from './metrics.ts';
import { isProxy, ProxyHandler } from './proxy-handler.ts';
import { flagOf } from './parameters.ts';
import { send, sendError, sendJson, toStatusError } from './reply.ts';
import { requestInfoOf, type RequestInfo } from './request-info.ts';
import { parsePath, unknownPath, type RequestPath, type ResourcePath } from './request-path.ts';
import { ResourceHandler } from './resource-handler.ts';
import { YamlThread } from './yaml-thread.ts';
import { WatchHandler } from './watch-handler.ts';

/** How long a request may take that is no watch and no stream. Source: kube-apiserver --request-timeout. */
export const requestMsMax = 60_000;

export interface RouterOptions {
  readonly api: Api;
  readonly authenticator: Authenticator;
  /** Without one, logs and sessions of pods are unavailable. */
  readonly connect?: ConnectHandler;
  /** Health checks beside the API's own. */
  readonly checks?: readonly HealthCheck[];
  /** Served at `/metrics`, and told about requests. */
  readonly metrics?: ServerMetrics;
  /** JSON documents by path, for callers who may `get` that path: OpenID discovery, say. */
  readonly documents?: ReadonlyMap<string, unknown>;
  /** What Tutti offers beside Kubernetes' API, by `METHOD /path`, to callers who may do that to the path. Answered as JSON. */
  readonly actions?: ReadonlyMap<string, Action>;
  /** Paths that need no credentials, as far as roles allow; without it, health alone, whatever roles say. */
  readonly mayBeAnonymous?: (path: string) => boolean;
  /** Which addresses `proxy` may call; those that a pod can have, unless given. */
  readonly mayProxyTo?: (host: string) => boolean;
  /** Passes on what other servers serve. */
  readonly aggregator?: Aggregator | undefined;
  /** How long a watch may take nothing; see `stalledMsMax`. */
  readonly stalledMs?: number | undefined;
  /** Makes spans of requests. */
  readonly tracer?: Tracer | undefined;
  readonly log: Log;
}

/** Characters of a request's target that its span holds. */
const targetLengthMax = 2_048;
/** Warnings of one request; more would not reach its client. */
const warningsMax = 64;
const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

export type Action = (context: RequestContext) => Promise<unknown>;

/** Turns HTTP requests into calls of the API. */
export class Router {
  readonly #api: Api;
  readonly #callers: Callers;
  readonly #isHealthPublic: (path: string) => boolean;
  readonly #checks: readonly HealthCheck[];
  readonly #connect: ConnectHandler | undefined;
  readonly #log: Log;
  readonly #served: ServerMetrics | undefined;
  readonly #metrics: RequestMetrics;
  readonly #resources: ResourceHandler;
  readonly #discovery: DiscoveryHandler;
  readonly #openapi: OpenApiHandler;
  readonly #aggregator: Aggregator | undefined;
  readonly #tracer: Tracer | undefined;
  readonly #proxies: ProxyHandler;
  readonly #documents: ReadonlyMap<string, unknown>;
  readonly #actions: ReadonlyMap<string, Action>;
  /** Fails once the server goes, so that nobody sends anything new; it still answers what it has. */
  readonly #shutdown: HealthCheck = {
    name: 'shutdown',
    live: false,
    run: async () => {
      if (this.#isStopping) throw new Error('process is shutting down');
    },
  };
  #isStopping = false;
  readonly #open = new Set<AbortController>();
  readonly #yaml = new YamlThread();

  constructor({
    api,
    authenticator,
    connect,
    checks = [],
    metrics,
    documents,
    mayProxyTo,
    mayBeAnonymous,
    actions = new Map(),
    stalledMs,
    aggregator,
    tracer,
    log,
  }: RouterOptions) {
    this.#actions = actions;
    this.#documents = documents ?? new Map();
    this.#api = api;
    this.#callers = new Callers(authenticator, mayBeAnonymous);
    this.#isHealthPublic = mayBeAnonymous ?? (() => true);
    this.#checks = [...ownChecks(api), ...checks];
    this.#connect = connect;
    this.#log = log;
    this.#served = metrics;
    this.#metrics = metrics?.requests ?? noMetrics;
    this.#resources = new ResourceHandler(
      api,
      new WatchHandler(api, new FlushQueue().add, {
        stalledMs,
        sent: (kind, count) => this.#metrics.watchEvents(kind, count),
      }),
    );
    this.#aggregator = aggregator;
    this.#tracer = tracer;
    this.#discovery = new DiscoveryHandler(api, aggregator && (() => aggregator.groups));
    this.#proxies = new ProxyHandler(api, mayProxyTo);
    this.#openapi = new OpenApiHandler(
      () => api.catalog.kinds,
      ({ group }) => group !== metricsGroup,
      aggregator && (() => aggregator.openapiPaths),
    );
  }

  /** Ends every request that is still open with `reason`. */
  abort(reason: Error): void {
    this.#isStopping = true;
    for (const controller of this.#open) controller.abort(reason);
    this.#yaml[Symbol.dispose]();
  }

  /** Answers one request; never rejects. */
  async handle(req: HttpRequest, res: HttpResponse): Promise<void> {
    const { method = 'GET', url = '/' } = req;
    const span = this.#tracer?.serve('KubernetesAPI', req.headers['traceparent']?.toString(), {
      'http.method': method,
      'http.target': url.slice(0, targetLengthMax),
    });
    if (span === undefined) return this.#handle(req, res);
    await this.#tracer?.within(span, () => this.#handle(req, res));
    span.end({ 'http.status_code': res.statusCode }, res.statusCode >= 500);
  }

  async #handle(req: HttpRequest, res: HttpResponse): Promise<void> {
    const controller = new AbortController();
    this.#open.add(controller);
    const gone = () => controller.abort(new Error('the client has gone away'));
    res.on('close', gone);
    const { path, query } = splitUrl(req.url);
    const warnings: string[] = [];
    const exchange: Exchange = {
      req,
      res,
      method: req.method ?? 'GET',
      query,
      warnings,
      yaml: this.#yaml,
      context: {
        user: anonymousUser,
        signal: controller.signal,
        userAgent: req.headers['user-agent'] ?? '',
        warn: (text) => {
          if (warnings.length < warningsMax && !warnings.includes(text)) warnings.push(text);
        },
      },
    };
    const isLong = flagOf(query, 'watch') === true || flagOf(query, 'follow') === true || path.includes('/proxy/');
    const timer = isLong ? undefined : setTimeout(() => controller.abort(tooSlow()), requestMsMax).unref();
    const mutating = exchange.method !== 'GET' && exchange.method !== 'HEAD';
    const start = performance.now();
    this.#metrics.inflight(1, mutating);
    let parsed: RequestPath | undefined;
    let trail: AuditTrail | undefined;
    let cause: unknown;
    let lasting: RequestLabels | undefined;
    let waitedMs = 0;
    const auditId = auditIdOf(req.headers['audit-id']);
    (res as ServerResponse).setHeader('audit-id', auditId);
    try {
      parsed = parsePath(path);
      if (parsed.is === 'other' && isHealthPath(parsed.path) && this.#isHealthPublic(parsed.path)) {
        return await this.#health(exchange, parsed.path);
      }
      const info = requestInfoOf(exchange.method, query, path, parsed);
      const caller = await this.#identify(req, info, auditId);
      trail = beginTrail(this.#api.auditor, req, info, { user: caller, auditId });
      const user = await effectiveUser(this.#api, caller, req);
      if (user !== caller) trail?.impersonates(user);
      const known: Exchange = { ...exchange, context: { ...exchange.context, user, audit: trail } };
      const labels = this.#labels(exchange, parsed);
      if (labels.verb === 'WATCH' || labels.verb === 'CONNECT') this.#metrics.lasting(1, (lasting = labels));
      const asked = performance.now();
      await this.#inTurn(known, info, (admitted) => {
        waitedMs = performance.now() - asked;
        return this.#route(admitted, path, parsed!);
      });
    } catch (error) {
      cause = error;
      await this.#fail(exchange, error).catch(() => res.destroy());
    } finally {
      endTrail(trail, { code: res.statusCode, cause, abandoned: controller.signal.aborted });
      clearTimeout(timer);
      res.off('close', gone);
      this.#open.delete(controller);
      this.#metrics.inflight(-1, mutating);
      const labels = this.#labels(exchange, parsed);
      if (lasting !== undefined) this.#metrics.lasting(-1, lasting);
      const length = Number((res as ServerResponse).getHeader('content-length') ?? Number.NaN);
      this.#metrics.finished({
        ...labels,
        code: res.statusCode,
        seconds: (performance.now() - start) / 1000,
        waitedSeconds: waitedMs / 1000,
        bytes: Number.isNaN(length) ? undefined : length,
        terminated: res.statusCode === 429 || res.statusCode === 504,
      });
    }
  }

  /** Answers an HTTP/1.1 upgrade; never rejects. The socket belongs to the handler once it is called. */
  async upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const controller = new AbortController();
    this.#open.add(controller);
    socket.once('close', () => {
      controller.abort(new Error('the client has gone away'));
      this.#open.delete(controller);
    });
    socket.on('error', () => socket.destroy());
    let trail: AuditTrail | undefined;
    try {
      const { path, query } = splitUrl(req.url);
      const parsed = parsePath(path);
      const auditId = auditIdOf(req.headers['audit-id']);
      const info = requestInfoOf(req.method ?? 'GET', query, path, parsed);
      const caller = await this.#identify(req, info, auditId);
      trail = beginTrail(this.#api.auditor, req, info, { user: caller, auditId });
      const user = await effectiveUser(this.#api, caller, req);
      if (user !== caller) trail?.impersonates(user);
      const context = {
        user,
        signal: controller.signal,
        userAgent: req.headers['user-agent'] ?? '',
        warn: () => undefined,
        audit: trail,
      };
      const elsewhere = this.#aggregator?.remoteOf(parsed);
      if (elsewhere !== undefined) {
        await this.#aggregator?.upgrade({ req, query, context }, elsewhere, path, parsed, { socket, head });
        return endTrail(trail, { code: 101, cause: undefined, abandoned: false });
      }
      const kind = parsed.is === 'resource' ? this.#kindOf(parsed.resource) : undefined;
      if (parsed.is === 'resource' && kind !== undefined && isProxy(kind, parsed.resource)) {
        await this.#proxies.upgrade({ req, context }, kind, parsed.resource, { socket, head });
        return endTrail(trail, { code: 101, cause: undefined, abandoned: false });
      }
      if (parsed.is === 'resource' && kind !== undefined && info.verb === 'watch' && upgradeOf(req) === 'websocket') {
        const started = () => trail?.started(101);
        await this.#resources.watchSocket({ req, query, context }, kind, parsed.resource, { socket, head, started });
        return endTrail(trail, { code: 101, cause: undefined, abandoned: false });
      }
      if (parsed.is !== 'resource' || kind === undefined || !isConnect(kind, parsed.resource)) {
        throw badRequest('Upgrade request required: this path takes none');
      }
      const request = await connectRequest(this.#api, { context, query, method: req.method ?? 'GET' }, parsed.resource);
      const handler = handlerOf(this.#connect);
      trail?.started(101);
      await handler.upgrade(request, req, socket, head);
      endTrail(trail, { code: 101, cause: undefined, abandoned: false });
    } catch (error) {
      const abandoned = controller.signal.aborted;
      endTrail(trail, { code: toStatusError(error).code, cause: error, abandoned });
      refuseUpgrade(socket, error);
    }
  }

  /** Runs `serve` once the caller's flow has a seat for it; what lasts as long as its client likes needs none. */
  async #inTurn(exchange: Exchange, info: RequestInfo, serve: (exchange: Exchange) => Promise<void>): Promise<void> {
    const { fairness } = this.#api;
    if (fairness === undefined || isLasting(info, exchange.query)) return serve(exchange);
    const { res, context } = exchange;
    const work = workOf(this.#api, info, exchange.query);
    const place = fairness.placeOf(info, context.user);
    (res as ServerResponse).setHeader('x-kubernetes-pf-flowschema-uid', place.flow.schemaUid);
    (res as ServerResponse).setHeader('x-kubernetes-pf-prioritylevel-uid', place.level.uid);
    const seat = await fairness.enter(place, work.width, context.signal);
    try {
      await serve({ ...exchange, begun: () => seat.release() });
    } finally {
      seat.release(res.statusCode < 300 ? work.extraMs : 0);
    }
  }

  async #route(exchange: Exchange, path: string, parsed: RequestPath): Promise<void> {
    const elsewhere = this.#aggregator?.remoteOf(parsed);
    if (elsewhere !== undefined) return this.#aggregator?.handle(exchange, elsewhere, path, parsed);
    switch (parsed.is) {
      case 'resource':
        return this.#resource(exchange, parsed.resource);
      case 'discovery':
        return this.#discovery.handle(exchange, path, parsed.discovery);
      case 'other':
        return this.#other(exchange, parsed.path);
    }
  }

  async #identify(req: HttpRequest, info: RequestInfo, auditId: string): Promise<UserInfo> {
    try {
      return await this.#callers.identify(req, splitUrl(req.url).path);
    } catch (error) {
      noteUnauthenticated(this.#api.auditor, req, info, auditId);
      throw error;
    }
  }

  #kindOf({ groupVersion, plural }: ResourcePath): Kind | undefined {
    return this.#api.catalog.byPlural(groupVersion, plural);
  }

  async #resource(exchange: Exchange, path: ResourcePath): Promise<void> {
    const kind = this.#kindOf(path);
    if (kind === undefined) throw unknownPath();
    if (isWhy(kind, path)) return this.#why(exchange, path);
    if (isProxy(kind, path)) return this.#proxies.handle(exchange, kind, path);
    if (!isConnect(kind, path)) return this.#resources.handle(exchange, kind, path);
    const request = await connectRequest(this.#api, exchange, path);
    return handlerOf(this.#connect).handle(request, exchange.req, exchange.res);
  }

  async #why(exchange: Exchange, { namespace = '', name = '' }: ResourcePath): Promise<void> {
    if (exchange.method !== 'GET')
      throw methodNotAllowed('the server does not allow this method on the requested resource');
    await sendJson(exchange, 200, await this.#api.why({ namespace, name }, exchange.context));
  }

  async #other(exchange: Exchange, path: string): Promise<void> {
    const verb = exchange.method === 'HEAD' ? 'get' : exchange.method.toLowerCase();
    const none = { kind: undefined, namespace: undefined, name: undefined, subresource: undefined };
    await this.#api.authorize({ user: exchange.context.user, verb, ...none, path }, exchange.context.audit);
    if (isHealthPath(path)) return this.#health(exchange, path);
    if (this.#openapi.answers(path)) return this.#openapi.handle(exchange, path);
    const action = this.#actions.get(`${exchange.method} ${path}`);
    if (action !== undefined) return sendJson(exchange, 200, await action(exchange.context));
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw unknownPath();
    if (path === '/version') return sendJson(exchange, 200, version());
    if (this.#documents.has(path)) return sendJson(exchange, 200, this.#documents.get(path));
    if (this.#served !== undefined && (path === '/metrics' || path === '/metrics/slis')) {
      const text = path === '/metrics' ? await this.#served.text() : await this.#served.slis();
      return send(exchange, 200, metricsType, Buffer.from(text));
    }
    if (path === '/') return sendJson(exchange, 200, { paths: this.#paths() });
    throw unknownPath();
  }

  #paths(): readonly string[] {
    const { groups } = this.#api.catalog;
    const resources = groups.flatMap(({ name, versions }) =>
      name === ''
        ? ['/api', ...versions.map(({ version: each }) => `/api/${each}`)]
        : [`/apis/${name}`, ...versions.map(({ groupVersion }) => `/apis/${groupVersion}`)],
    );
    const own = [
      '/apis',
      '/healthz',
      '/livez',
      '/metrics',
      '/metrics/slis',
      '/openapi/v2',
      '/openapi/v3',
      '/readyz',
      '/version',
    ];
    return [...resources, ...own, ...this.#documents.keys()].toSorted();
  }

  async #fail(exchange: Exchange, cause: unknown): Promise<void> {
    const { res, context, method, req } = exchange;
    const error = toStatusError(context.signal.aborted ? (context.signal.reason ?? cause) : cause);
    if (error.reason === 'InternalError' && !res.destroyed) {
      this.#log.error('request failed', { method, url: req.url, user: context.user.username, error: cause });
    }
    if (res.headersSent) res.destroy();
    else await sendError(exchange, error);
  }

  #labels({ method, query }: Pick<Exchange, 'method' | 'query'>, parsed: RequestPath | undefined): RequestLabels {
    const path = parsed?.is === 'resource' ? parsed.resource : undefined;
    const kind = path === undefined ? undefined : this.#kindOf(path);
    const none = { group: '', version: '', resource: '', subresource: '', scope: '', dryRun: false };
    if (path === undefined || kind === undefined) return { verb: otherVerb(method), ...none };
    const { group, version: kindVersion, plural } = kind;
    const { name, namespace, subresource = '' } = path;
    const isKnown = subresource === '' || subresourceVerbs(kind, subresource) !== undefined;
    return {
      verb: metricVerb(method, query, path, isConnect(kind, path) || isProxy(kind, path)),
      group,
      version: kindVersion,
      resource: plural,
      subresource: isKnown ? subresource : 'other',
      scope: name !== undefined || method === 'POST' ? 'resource' : namespace !== undefined ? 'namespace' : 'cluster',
      dryRun: query.has('dryRun'),
    };
  }

  /** Answers health checks, and keeps their results. */
  #health(exchange: Exchange, path: string): Promise<void> {
    const told = (name: string, endpoint: string, ok: boolean) => this.#metrics.health(name, endpoint, ok);
    return handleHealth(exchange, path, [...this.#checks, this.#shutdown], told);
  }
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const otherVerb = (method: string) => (methods.has(method) ? method : 'OTHER');

/** `pods/NAME/why`: Tutti's own, and no part of discovery. */
const isWhy = ({ group, plural }: Kind, { subresource }: ResourcePath) =>
  group === '' && plural === 'pods' && subresource === 'why';

/** Source: k8s.io/apiserver/pkg/endpoints/metrics (canonicalVerb). */
function metricVerb(method: string, query: URLSearchParams, { name }: ResourcePath, connect: boolean): string {
  if (connect) return 'CONNECT';
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (flagOf(query, 'watch') === true) return 'WATCH';
      return name === undefined ? 'LIST' : 'GET';
    case 'DELETE':
      return name === undefined ? 'DELETECOLLECTION' : 'DELETE';
    case 'POST':
    case 'PUT':
    case 'PATCH':
      return method;
    default:
      return 'OTHER';
  }
}

function splitUrl(url = '/'): { readonly path: string; readonly query: URLSearchParams } {
  const question = url.indexOf('?');
  return question < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, question), query: new URLSearchParams(url.slice(question + 1)) };
}

const tooSlow = () => timeout(`Timeout: request did not complete within the allotted ${requestMsMax / 1000} seconds`);

function refuseUpgrade(socket: Duplex, cause: unknown): void {
  if (socket.destroyed) return;
  const error = toStatusError(cause);
  const body = JSON.stringify(error.toStatus());
  socket.end(
    [
      `HTTP/1.1 ${error.code} ${STATUS_CODES[error.code] ?? 'Error'}`,
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

function version(): unknown {
  const { major, minor, gitVersion } = versionInfo;
  return {
    major,
    minor,
    gitVersion,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node ${process.versions.node}`,
    compiler: 'node',
    platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
