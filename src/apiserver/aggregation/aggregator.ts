import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { APIService, localCondition } from '#api/apiregistration/api-service.ts';
import type { Clock } from '#lib/clock.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import { unavailable } from '#machinery/status-error.ts';
import type { Write } from '#store/store.ts';
import type { Api } from '../api.ts';
import { stampNew, timestamp } from '../registry/object-meta.ts';
import { isConflict } from '../registry/store-errors.ts';
import type { Attributes, RequestContext } from '../request.ts';
import type { Exchange } from '../rest/exchange.ts';
import { forward, forwardUpgrade, type Onward } from '../rest/forward.ts';
import { requestInfoOf } from '../rest/request-info.ts';
import type { RequestPath } from '../rest/request-path.ts';
import { CacheFollower } from '../watch-cache/cache-follower.ts';
import { addressOf, BackendError, getDocument, identityHeaders, tlsOf, type ProxyIdentity } from './backend.ts';
import { remoteGroups, type RemoteGroup, type RemoteVersion } from './discovery.ts';
import { localServices, planLocal } from './local-services.ts';

/** Between two looks at servers that answer, and at such that do not. */
const checkMs = 30_000;
const checkAgainMs = 5_000;
const checksAtOnceMax = 8;
/** A server that starts has more urgent things to do than to say what it serves. */
const settleMs = 1_000;

export interface AggregatorOptions {
  readonly api: Api;
  readonly identity: ProxyIdentity;
  /** Which addresses aggregated servers may have; those that a pod can have, unless given. */
  readonly mayReach?: ((host: string) => boolean) | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a server behind an APIService has told of itself. */
interface Told {
  readonly resources: RemoteVersion['resources'];
  readonly isCurrent: boolean;
  /** Where its OpenAPI document is; undefined if it has none. */
  readonly openapi: string | undefined;
}

/**
 * Group versions that other servers serve: passes requests for them on under this server's own certificate, with the
 * caller's name in headers, keeps the Available conditions of APIServices, and knows what there is behind them.
 * Source: https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
 */
export class Aggregator {
  readonly #options: AggregatorOptions;
  readonly #follower: CacheFollower<APIService>;
  /** By `group/version`. */
  readonly #remotes = new Map<string, APIService>();
  readonly #told = new Map<string, Told>();
  #groups: readonly RemoteGroup[] = [];
  #pending = Promise.withResolvers<void>();

  constructor(options: AggregatorOptions) {
    this.#options = options;
    this.#follower = new CacheFollower(options.api.registry.of(APIService).cache, {
      reset: () => this.#remotes.clear(),
      changed: (current, previous) => {
        if (previous !== undefined) this.#remotes.delete(groupVersionOf(previous));
        if (current?.spec.service !== undefined) this.#remotes.set(groupVersionOf(current), current);
      },
    });
  }

  /** What others serve; another list whenever that has changed. */
  get groups(): readonly RemoteGroup[] {
    return this.#groups;
  }

  /** Paths of OpenAPI documents that others have, with where they are. */
  get openapiPaths(): Readonly<Record<string, { readonly serverRelativeURL: string }>> {
    const paths: Record<string, { serverRelativeURL: string }> = {};
    for (const [groupVersion, { openapi }] of this.#told) {
      if (openapi !== undefined) paths[`apis/${groupVersion}`] = { serverRelativeURL: openapi };
    }
    return paths;
  }

  /** Who else serves what a path is about; undefined if this server does. */
  remoteOf(parsed: RequestPath): APIService | undefined {
    if (this.#remotes.size === 0) return undefined;
    switch (parsed.is) {
      case 'resource':
        return this.#remotes.get(parsed.resource.groupVersion);
      case 'discovery':
        return parsed.discovery.of === 'version' ? this.#remotes.get(parsed.discovery.groupVersion) : undefined;
      case 'other': {
        const prefix = '/openapi/v3/apis/';
        return parsed.path.startsWith(prefix) ? this.#remotes.get(parsed.path.slice(prefix.length)) : undefined;
      }
    }
  }

  /** Throws Forbidden, and ServiceUnavailable while nobody answers. */
  async handle(exchange: Exchange, service: APIService, path: string, parsed: RequestPath): Promise<void> {
    const { context, method, query, req } = exchange;
    await this.#authorize(context, { method, query, path, parsed });
    exchange.begun?.();
    await forward(exchange, await this.#onward(service, req.url ?? path, context));
  }

  /** An upgrade, passed on the same way. */
  async upgrade(
    { req, query, context }: Pick<Exchange, 'query' | 'context'> & { readonly req: IncomingMessage },
    service: APIService,
    path: string,
    parsed: RequestPath,
    { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
  ): Promise<void> {
    await this.#authorize(context, { method: req.method ?? 'GET', query, path, parsed });
    const onward = await this.#onward(service, req.url ?? path, context);
    await forwardUpgrade(req, socket, head, onward, context.signal);
  }

  /** Looks after the APIServices until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { api, clock, log } = this.#options;
    const over = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    if (signal.aborted) over.resolve();
    const wake = () => this.#pending.resolve();
    let { kinds } = api.catalog;
    const [services, slices] = [api.registry.of(Service).cache, api.registry.of(EndpointSlice).cache];
    const whereabouts = () => services.lastChanged + slices.lastChanged;
    let checkedAt = whereabouts();
    let allAnswer = true;
    let following = false;
    let isFirst = true;
    while (!signal.aborted) {
      this.#pending = Promise.withResolvers();
      let again = checkAgainMs;
      try {
        await this.#follower.load(signal);
        if (!following) {
          following = true;
          api.registry.feed.onBatch(() => {
            if ((this.#follower.isReady && this.#follower.catchUp()) || kinds !== api.catalog.kinds) wake();
            else if (!allAnswer && this.#remotes.size > 0 && whereabouts() !== checkedAt) wake();
          });
        }
        this.#follower.catchUp();
        if (isFirst) await clock.sleep(settleMs, signal);
        isFirst = false;
        ({ kinds } = api.catalog);
        await this.#keepLocal(signal);
        checkedAt = whereabouts();
        allAnswer = await this.#checkAll(signal);
        if (allAnswer) again = checkMs;
      } catch (error) {
        if (!signal.aborted && !isConflict(error)) log.warn('API services wait', { error });
      }
      const late = Promise.withResolvers<void>();
      using _timer = clock.after(again, late.resolve);
      await Promise.race([this.#pending.promise, over.promise, late.promise]);
    }
  }

  async #authorize(
    { user, audit }: RequestContext,
    { method, query, path, parsed }: { method: string; query: URLSearchParams; path: string; parsed: RequestPath },
  ): Promise<void> {
    const { verb, resource } = requestInfoOf(method, query, path, parsed);
    const attributes: Attributes =
      resource === undefined
        ? { user, verb, kind: undefined, namespace: undefined, name: undefined, subresource: undefined, path }
        : { user, verb, kind: foreignKind(resource), ...pick(resource), path };
    await this.#options.api.authorize(attributes, audit);
  }

  async #onward(service: APIService, path: string, { user, signal }: RequestContext): Promise<Onward> {
    const { api, identity, mayReach } = this.#options;
    if (conditionOf(service)?.status !== 'True') throw unavailable('service unavailable');
    try {
      const address = await addressOf(api.registry, service, signal, mayReach);
      return {
        address,
        scheme: 'https',
        path,
        headers: identityHeaders(user),
        tls: tlsOf(service, identity),
        refusesRedirects: true,
        to: `service ${service.spec.service?.namespace ?? ''}/${service.spec.service?.name ?? ''}`,
      };
    } catch (error) {
      throw error instanceof BackendError ? unavailable(error.message, error) : error;
    }
  }

  /** What this server serves has an APIService each, so that `kubectl get apiservices` tells all there is. */
  async #keepLocal(signal: AbortSignal): Promise<void> {
    const { api, clock } = this.#options;
    const { cache, layout } = api.registry.of(APIService);
    const stored: APIService[] = [];
    cache.scan(undefined, undefined, ({ object }) => stored.push(object) > 0);
    const plan = planLocal(localServices(api.catalog.groups), stored);
    const now = clock.now();
    const writes: Write[] = plan.make.map((wanted) => {
      const ref = { name: wanted.metadata?.name ?? '' };
      const made = stampNew(APIService, wanted, ref, { now, uid: randomUUID() });
      const value = layout.encode({ ...made, status: { conditions: [localCondition(made)] } });
      return { do: 'put', key: layout.key(ref), value, expect: 'absent' };
    });
    for (const name of plan.drop) {
      const item = cache.get({ name });
      if (item !== undefined) writes.push({ do: 'delete', key: item.key, expect: item.revision });
    }
    // Each in a revision of its own: a watch resumes from revisions, and must not do so between two objects of one kind.
    for (const write of writes) await api.registry.store.commit([write], { signal });
  }

  /** False if one of them does not answer. */
  async #checkAll(signal: AbortSignal): Promise<boolean> {
    let all = true;
    for (const groupVersion of this.#told.keys()) if (!this.#remotes.has(groupVersion)) this.#told.delete(groupVersion);
    await forEachLimit([...this.#remotes.values()], checksAtOnceMax, async (service) => {
      if (!(await this.#check(service, signal))) all = false;
    });
    const groups = remoteGroups(
      [...this.#remotes.values()].map(({ spec }) => {
        const { group = '', version = '', groupPriorityMinimum, versionPriority } = spec;
        const told = this.#told.get(`${group}/${version}`);
        return {
          group,
          version,
          groupPriority: groupPriorityMinimum,
          versionPriority,
          resources: told?.resources ?? [],
          isCurrent: told?.isCurrent ?? false,
        };
      }),
    );
    if (JSON.stringify(groups) !== JSON.stringify(this.#groups)) this.#groups = groups;
    return all;
  }

  async #check(service: APIService, signal: AbortSignal): Promise<boolean> {
    const { api, identity, mayReach } = this.#options;
    const groupVersion = groupVersionOf(service);
    try {
      const address = await addressOf(api.registry, service, signal, mayReach);
      const tls = tlsOf(service, identity);
      const path = `/apis/${groupVersion}`;
      const list = (await getDocument(address, path, tls, signal).catch((error: unknown) => {
        const url = `https://${address.host}:${address.port}${path}`;
        const why = error instanceof Error ? error.message : String(error);
        throw new BackendError('FailedDiscoveryCheck', `failing or missing response from ${url}: ${why}`, error);
      })) as { readonly resources?: RemoteVersion['resources'] };
      const index = (await getDocument(address, '/openapi/v3', tls, signal).catch(() => undefined)) as
        | { readonly paths?: Readonly<Record<string, { readonly serverRelativeURL?: string }>> }
        | undefined;
      const openapi = index?.paths?.[`apis/${groupVersion}`]?.serverRelativeURL;
      this.#told.set(groupVersion, { resources: list.resources ?? [], isCurrent: true, openapi });
      await this.#write(service, { status: 'True', reason: 'Passed', message: 'all checks passed' }, signal);
      return true;
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      const told = this.#told.get(groupVersion);
      if (told !== undefined) this.#told.set(groupVersion, { ...told, isCurrent: false });
      await this.#write(service, { status: 'False', reason: error.reason, message: error.message }, signal);
      return false;
    }
  }

  /** Writes what has been found, if it is news. */
  async #write(
    { metadata }: APIService,
    found: { readonly status: string; readonly reason: string; readonly message: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { api, clock } = this.#options;
    const resource = api.registry.of(APIService);
    const stored = resource.cache.get({ name: metadata?.name ?? '' });
    if (stored === undefined) return;
    const was = conditionOf(stored.object);
    if (was?.status === found.status && was.reason === found.reason && was.message === found.message) return;
    const since = was?.status === found.status ? was.lastTransitionTime : undefined;
    const condition = { type: 'Available', ...found, lastTransitionTime: since ?? timestamp(clock.now()) };
    const others = (stored.object.status?.conditions ?? []).filter(({ type }) => type !== 'Available');
    await resource.replace(stored, { ...stored.object, status: { conditions: [...others, condition] } }, signal);
  }
}

const groupVersionOf = ({ spec }: APIService) => `${spec.group ?? ''}/${spec.version ?? ''}`;

const conditionOf = ({ status }: APIService) => status?.conditions?.find(({ type }) => type === 'Available');

interface ForeignResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

const pick = ({ namespace, name, subresource }: ForeignResource) => ({ namespace, name, subresource });

/** As much of a kind of somebody else's as deciding about a request takes. */
function foreignKind({ group, version, plural, namespace }: ForeignResource): Kind {
  const schema = { type: 'object', fields: {}, required: [] } as const;
  return { group, version, kind: plural, plural, singular: '', namespaced: namespace !== undefined, schema };
}
