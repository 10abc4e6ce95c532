import { createHash } from 'node:crypto';
import type { Kind } from '#machinery/kind.ts';
import { methodNotAllowed } from '#machinery/status-error.ts';
import { groupWith, itemsWith, type RemoteGroup } from '../aggregation/discovery.ts';
import type { Api } from '../api.ts';
import { groupDiscoveryList, type AggregatedVersion } from '../discovery/aggregated.ts';
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from '../discovery/legacy.ts';
import type { Exchange } from './exchange.ts';
import { parseAccept } from './media-type.ts';
import { jsonType } from './negotiation.ts';
import { send, sendJson, writeHead } from './reply.ts';
import { unknownPath, type DiscoveryPath } from './request-path.ts';

const none: readonly RemoteGroup[] = [];

/** Answers `/api`, `/apis` and what lies between them and the resources. */
export class DiscoveryHandler {
  readonly #api: Api;
  readonly #others: () => readonly RemoteGroup[];
  readonly #aggregated = new Map<string, { readonly body: Buffer; readonly etag: string }>();
  #madeOf: { readonly kinds: readonly Kind[]; readonly others: readonly RemoteGroup[] } | undefined;

  /** `others` are the groups of aggregated servers; another list whenever they have changed. */
  constructor(api: Api, others: () => readonly RemoteGroup[] = () => none) {
    this.#api = api;
    this.#others = others;
  }

  async handle(exchange: Exchange, path: string, discovery: DiscoveryPath): Promise<void> {
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      throw methodNotAllowed('the server does not allow this method on the requested resource');
    }
    const { user } = exchange.context;
    await this.#api.authorize({
      user,
      verb: 'get',
      kind: undefined,
      namespace: undefined,
      name: undefined,
      subresource: undefined,
      path,
    });
    const { catalog } = this.#api;
    switch (discovery.of) {
      case 'core':
      case 'groups': {
        const version = aggregatedVersion(exchange.req.headers.accept);
        if (version !== undefined) return this.#sendAggregated(exchange, discovery.of, version);
        return sendJson(exchange, 200, discovery.of === 'core' ? apiVersions(catalog) : this.#groupList());
      }
      case 'group': {
        const group = catalog.group(discovery.group);
        const remote = this.#others().find(({ name }) => name === discovery.group);
        if (remote !== undefined) {
          return sendJson(exchange, 200, { kind: 'APIGroup', apiVersion: 'v1', ...groupWith(group, remote) });
        }
        if (group === undefined || group.name === '') throw unknownPath();
        return sendJson(exchange, 200, apiGroup(group));
      }
      case 'version': {
        const found = catalog.version(discovery.groupVersion);
        if (found === undefined) throw unknownPath();
        return sendJson(exchange, 200, apiResourceList(found));
      }
    }
  }

  /** Groups that others serve, too: where they have one of ours, with the versions of both. */
  #groupList(): unknown {
    const { catalog } = this.#api;
    const remotes = this.#others();
    const list = apiGroupList(catalog) as { readonly groups: readonly { readonly name: string }[] };
    if (remotes.length === 0) return list;
    const names = new Set(remotes.map(({ name }) => name));
    const merged = remotes.map((remote) => groupWith(catalog.group(remote.name), remote));
    return { ...list, groups: [...list.groups.filter(({ name }) => !names.has(name)), ...merged] };
  }

  async #sendAggregated(exchange: Exchange, of: 'core' | 'groups', version: AggregatedVersion): Promise<void> {
    const { kinds } = this.#api.catalog;
    const others = this.#others();
    if (this.#madeOf?.kinds !== kinds || this.#madeOf.others !== others) this.#aggregated.clear();
    this.#madeOf = { kinds, others };
    const id = `${of} ${version}`;
    let document = this.#aggregated.get(id);
    if (document === undefined) {
      const list = groupDiscoveryList(this.#api.catalog, of, version);
      const items = of === 'core' ? list.items : itemsWith(list.items, others);
      const body = Buffer.from(JSON.stringify({ ...list, items }));
      document = { body, etag: `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"` };
      this.#aggregated.set(id, document);
    }
    const headers = { etag: document.etag, vary: 'Accept' };
    if (exchange.req.headers['if-none-match'] === document.etag) {
      if (writeHead(exchange, 304, headers)) exchange.res.end();
      return;
    }
    const type = `${jsonType};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    await send(exchange, 200, type, document.body, headers);
  }
}

/** The version of aggregated discovery that the client likes best, unless it prefers the legacy form. */
function aggregatedVersion(accept: string | undefined): AggregatedVersion | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== jsonType) continue;
    const { g, as, v } = parameters;
    if (as === undefined) return undefined;
    if (g === 'apidiscovery.k8s.io' && as === 'APIGroupDiscoveryList' && (v === 'v2' || v === 'v2beta1')) return v;
  }
  return undefined;
}
