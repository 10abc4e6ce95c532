import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Pod } from '#api/core/pod.ts';
import type { Service } from '#api/core/service.ts';
import type { Kind } from '#machinery/kind.ts';
import { badRequest, unavailable } from '#machinery/status-error.ts';
import type { Api } from '../api.ts';
import { isProxyable, serviceAddress, type Address } from '../service-address.ts';
import type { Exchange } from './exchange.ts';
import { forward, forwardUpgrade, type Onward } from './forward.ts';
import { unknownPath, type ResourcePath } from './request-path.ts';

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

export function isProxy(kind: Kind, { name, subresource }: ResourcePath): boolean {
  return (
    kind.group === '' &&
    (kind.plural === 'pods' || kind.plural === 'services') &&
    name !== undefined &&
    subresource === 'proxy'
  );
}

/**
 * `pods/proxy` and `services/proxy`: passes an HTTP request on to a pod and its answer back, redirects included
 * (nobody follows them here). The name may carry a scheme and a port: `https:web:8443`.
 */
export class ProxyHandler {
  readonly #api: Api;
  readonly #mayReach: (host: string) => boolean;

  constructor(api: Api, mayReach: (host: string) => boolean = isProxyable) {
    this.#api = api;
    this.#mayReach = mayReach;
  }

  async handle(exchange: Exchange, kind: Kind, path: ResourcePath): Promise<void> {
    const { context, method, req } = exchange;
    await forward(exchange, await this.#onward({ context, method, url: req.url ?? '' }, kind, path));
  }

  /** An upgrade, passed on the same way. */
  async upgrade(
    { req, context }: Pick<Exchange, 'context'> & { readonly req: IncomingMessage },
    kind: Kind,
    path: ResourcePath,
    { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
  ): Promise<void> {
    const request = { context, method: req.method ?? 'GET', url: req.url ?? '' };
    await forwardUpgrade(req, socket, head, await this.#onward(request, kind, path), context.signal);
  }

  async #onward(
    { context, method, url }: Pick<Exchange, 'context' | 'method'> & { readonly url: string },
    kind: Kind,
    path: ResourcePath,
  ): Promise<Onward> {
    const { namespace, name = '', rest } = path;
    if (namespace === undefined) throw unknownPath();
    const wanted = parseTarget(name);
    const target = { kind, namespace, name: wanted.name, subresource: 'proxy' };
    const { object } = await this.#api.reach(verbs[method] ?? 'get', target, context);
    const address =
      kind.plural === 'pods'
        ? podAddress(object as Pod, wanted.port)
        : await serviceAddress(this.#api.registry, object as Service, wanted.port, context.signal);
    if (!this.#mayReach(address.host)) throw badRequest('address not allowed');
    const question = url.indexOf('?');
    const query = question < 0 ? '' : url.slice(question);
    return { address, scheme: wanted.scheme, path: `${rest === '' ? '/' : rest}${query}`, headers: {}, to: 'the pod' };
  }
}

/** `[scheme:]name[:port]`. */
function parseTarget(text: string): {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  readonly port: string;
} {
  const parts = text.split(':');
  const scheme =
    parts.length > 1 && (parts[0] === 'http' || parts[0] === 'https') && parts.length === 3 ? parts.shift() : 'http';
  const [name = '', port = '', ...more] = parts;
  if (more.length > 0 || name === '') throw badRequest(`invalid service request ${JSON.stringify(text)}`);
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port };
}

function podAddress({ metadata, spec, status }: Pod, port: string): Address {
  const host = status?.podIP ?? '';
  if (host === '') throw unavailable(`pod ${JSON.stringify(metadata?.name ?? '')} has no address yet`);
  const own = spec.containers.flatMap(({ ports = [] }) => ports);
  if (port === '') return { host, port: own.find(({ protocol = 'TCP' }) => protocol === 'TCP')?.containerPort ?? 80 };
  const named = own.find(({ name }) => name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw badRequest(`invalid port ${JSON.stringify(port)}`);
  return { host, port: number };
}
