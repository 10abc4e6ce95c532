import { createHash } from 'node:crypto';
import { methodNotAllowed } from '#machinery/status-error.ts';
import type { Api } from '../api.ts';
import { groupDiscoveryList, type AggregatedVersion } from '../discovery/aggregated.ts';
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from '../discovery/legacy.ts';
import type { Exchange } from './exchange.ts';
import { parseAccept } from './media-type.ts';
import { jsonType } from './negotiation.ts';
import { send, sendJson, writeHead } from './reply.ts';
import { unknownPath, type DiscoveryPath } from './request-path.ts';

/** Answers `/api`, `/apis` and what lies between them and the resources. */
export class DiscoveryHandler {
  readonly #api: Api;
  readonly #aggregated = new Map<string, { readonly body: Buffer; readonly etag: string }>();
  #madeOf: unknown;

  constructor(api: Api) {
    this.#api = api;
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
        return sendJson(exchange, 200, discovery.of === 'core' ? apiVersions(catalog) : apiGroupList(catalog));
      }
      case 'group': {
        const group = catalog.group(discovery.group);
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

  async #sendAggregated(exchange: Exchange, of: 'core' | 'groups', version: AggregatedVersion): Promise<void> {
    const { kinds } = this.#api.catalog;
    if (this.#madeOf !== kinds) this.#aggregated.clear();
    this.#madeOf = kinds;
    const id = `${of} ${version}`;
    let document = this.#aggregated.get(id);
    if (document === undefined) {
      const body = Buffer.from(JSON.stringify(groupDiscoveryList(this.#api.catalog, of, version)));
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
