import type { Log } from '#lib/log.ts';
import { versionInfo } from '#machinery/version.ts';
import { timeout } from '#machinery/status-error.ts';
import type { Api } from '../api.ts';
import type { Authenticator } from '../authentication/authenticator.ts';
import { anonymousUser } from '../authentication/union.ts';
import { OpenApiHandler } from '../openapi/handler.ts';
import { Callers } from './callers.ts';
import { DiscoveryHandler } from './discovery-handler.ts';
import type { Exchange, HttpRequest, HttpResponse } from './exchange.ts';
import { FlushQueue } from './flush-queue.ts';
import { handleHealth, isHealthPath, ownChecks, type HealthCheck } from './health.ts';
import { flagOf } from './parameters.ts';
import { sendError, sendJson, toStatusError } from './reply.ts';
import { parsePath, unknownPath, type ResourcePath } from './request-path.ts';
import { ResourceHandler } from './resource-handler.ts';
import { WatchHandler } from './watch-handler.ts';

/** How long a request may take that is no watch and no stream. Source: kube-apiserver --request-timeout. */
export const requestMsMax = 60_000;

export interface RouterOptions {
  readonly api: Api;
  readonly authenticator: Authenticator;
  readonly checks?: readonly HealthCheck[];
  readonly log: Log;
}

/** Turns HTTP requests into calls of the API. */
export class Router {
  readonly #api: Api;
  readonly #callers: Callers;
  readonly #checks: readonly HealthCheck[];
  readonly #log: Log;
  readonly #resources: ResourceHandler;
  readonly #discovery: DiscoveryHandler;
  readonly #openapi: OpenApiHandler;
  readonly #open = new Set<AbortController>();

  constructor({ api, authenticator, checks = [], log }: RouterOptions) {
    this.#api = api;
    this.#callers = new Callers(authenticator);
    this.#checks = [...ownChecks(api), ...checks];
    this.#log = log;
    this.#resources = new ResourceHandler(api, new WatchHandler(api, new FlushQueue().add));
    this.#discovery = new DiscoveryHandler(api);
    const kinds = api.catalog.groups.flatMap(({ versions }) => versions.flatMap((version) => version.kinds));
    this.#openapi = new OpenApiHandler(() => kinds);
  }

  /** Ends every request that is still open with `reason`. */
  abort(reason: Error): void {
    for (const controller of this.#open) controller.abort(reason);
  }

  /** Answers one request; never rejects. */
  async handle(req: HttpRequest, res: HttpResponse): Promise<void> {
    const controller = new AbortController();
    this.#open.add(controller);
    const gone = () => controller.abort(new Error('the client has gone away'));
    res.on('close', gone);
    const warnings: string[] = [];
    const url = req.url ?? '/';
    const question = url.indexOf('?');
    const query = new URLSearchParams(question < 0 ? '' : url.slice(question + 1));
    const exchange: Exchange = {
      req,
      res,
      method: req.method ?? 'GET',
      query,
      warnings,
      context: {
        user: anonymousUser,
        signal: controller.signal,
        userAgent: String(req.headers['user-agent'] ?? ''),
        warn: (text) => void warnings.push(text),
      },
    };
    const isLong = flagOf(query, 'watch') === true || flagOf(query, 'follow') === true;
    const late = () =>
      controller.abort(timeout(`Timeout: request did not complete within the allotted ${requestMsMax / 1000} seconds`));
    const timer = isLong ? undefined : setTimeout(late, requestMsMax).unref();
    try {
      await this.#route(exchange, question < 0 ? url : url.slice(0, question));
    } catch (error) {
      await this.#fail(exchange, error).catch(() => res.destroy());
    } finally {
      clearTimeout(timer);
      res.off('close', gone);
      this.#open.delete(controller);
    }
  }

  async #route(exchange: Exchange, path: string): Promise<void> {
    const parsed = parsePath(path);
    if (parsed.is === 'other' && isHealthPath(parsed.path)) return handleHealth(exchange, parsed.path, this.#checks);
    const user = await this.#callers.identify(exchange.req);
    const known: Exchange = { ...exchange, context: { ...exchange.context, user } };
    switch (parsed.is) {
      case 'resource':
        return this.#resource(known, parsed.resource);
      case 'discovery':
        return this.#discovery.handle(known, path, parsed.discovery);
      case 'other':
        return this.#other(known, parsed.path);
    }
  }

  async #resource(exchange: Exchange, path: ResourcePath): Promise<void> {
    const kind = this.#api.catalog.byPlural(path.groupVersion, path.plural);
    if (kind === undefined) throw unknownPath();
    return this.#resources.handle(exchange, kind, path);
  }

  async #other(exchange: Exchange, path: string): Promise<void> {
    await this.#api.authorize({
      user: exchange.context.user,
      verb: exchange.method.toLowerCase(),
      kind: undefined,
      namespace: undefined,
      name: undefined,
      subresource: undefined,
      path,
    });
    if (path === '/version' && exchange.method === 'GET') return sendJson(exchange, 200, version());
    if (this.#openapi.answers(path)) return this.#openapi.handle(exchange, path);
    throw unknownPath();
  }

  async #fail(exchange: Exchange, cause: unknown): Promise<void> {
    const { res, context } = exchange;
    const error = toStatusError(context.signal.aborted ? (context.signal.reason ?? cause) : cause);
    if (error.reason === 'InternalError' && !res.destroyed) {
      this.#log.error('request failed', {
        method: exchange.method,
        url: exchange.req.url,
        user: context.user.username,
        error: cause,
      });
    }
    if (res.headersSent) res.destroy();
    else await sendError(exchange, error);
  }
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
