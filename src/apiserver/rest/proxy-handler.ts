import { BlockList, isIP } from 'node:net';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { Pod } from '#api/core/pod.ts';
import type { Service } from '#api/core/service.ts';
import type { Kind } from '#machinery/kind.ts';
import { badRequest, unavailable } from '#machinery/status-error.ts';
import type { Api } from '../api.ts';
import { serviceAddress } from '../service-address.ts';
import type { Exchange } from './exchange.ts';
import { writeHead } from './reply.ts';
import { unknownPath, type ResourcePath } from './request-path.ts';

/** Where a proxied request goes. */
interface Address {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

/** Headers that belong to one connection, or that prove who the caller is to us and to nobody else. */
const withheld = new Set([
  'authorization',
  'connection',
  'host',
  'http2-settings',
  'impersonate-group',
  'impersonate-uid',
  'impersonate-user',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** This host itself and its neighbourhood are no pods: a pod that claims such an address gets nothing sent there. */
const forbiddenHosts = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
] as const) {
  forbiddenHosts.addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of [
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  forbiddenHosts.addSubnet(net, bits, 'ipv6');

/** True for addresses a pod may have. */
function isProxyable(host: string): boolean {
  const family = isIP(host);
  return family !== 0 && !forbiddenHosts.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

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
    const { namespace, name = '' } = path;
    if (namespace === undefined) throw unknownPath();
    const wanted = parseTarget(name);
    const target = { kind, namespace, name: wanted.name, subresource: 'proxy' };
    const { object } = await this.#api.reach(verbs[exchange.method] ?? 'get', target, exchange.context);
    const address =
      kind.plural === 'pods'
        ? podAddress(object as Pod, wanted.port)
        : await serviceAddress(this.#api.registry, object as Service, wanted.port, exchange.context.signal);
    if (!this.#mayReach(address.host)) throw badRequest('address not allowed');
    await forward(exchange, { ...address, scheme: wanted.scheme }, path.rest);
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

function podAddress({ metadata, spec, status }: Pod, port: string): Omit<Address, 'scheme'> {
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

async function forward(exchange: Exchange, { scheme, host, port }: Address, rest: string): Promise<void> {
  const { req, res, method, context } = exchange;
  const question = (req.url ?? '').indexOf('?');
  const path = `${rest === '' ? '/' : rest}${question < 0 ? '' : (req.url ?? '').slice(question)}`;
  const headers: Record<string, string | string[]> = {
    host: isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`,
  };
  for (const [key, value] of Object.entries(req.headers)) {
    if (value !== undefined && !key.startsWith(':') && !key.startsWith('impersonate-extra-') && !withheld.has(key))
      headers[key] = value;
  }
  const options = { host, port, method, path, headers, signal: context.signal };
  // Upstream does not verify what serves a pod's port either: nobody signs certificates for pod addresses.
  const outgoing = scheme === 'https' ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', (error) => reject(unavailable(`error trying to reach the pod: ${error.message}`, error)));
  });
  const [answer] = await Promise.all([answered, pipeline(req, outgoing).catch(() => undefined)]);
  const back: Record<string, string> = {};
  for (const [key, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !withheld.has(key)) back[key] = Array.isArray(value) ? value.join(', ') : value;
  }
  if (!writeHead(exchange, answer.statusCode ?? 502, back)) {
    answer.destroy();
    return;
  }
  await pipeline(answer, res).catch(() => res.destroy());
}
