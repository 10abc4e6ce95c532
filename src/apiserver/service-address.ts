import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { unavailable } from '#machinery/status-error.ts';
import type { Registry } from './registry/registry.ts';
import { selectionOf } from './registry/selection.ts';

/** An address that is called as it is: nobody looks a name up again between the check and the call. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

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

/** True for addresses a pod may have. An IPv4 address in IPv6's clothes is judged as what it is. */
export function isProxyable(host: string): boolean {
  const family = isIP(host);
  return family !== 0 && !forbiddenHosts.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Addresses behind one port of a service, with why there are none. */
type Behind =
  | { readonly is: 'reachable'; readonly addresses: readonly Address[] }
  | { readonly is: 'no-port' | 'no-slices' | 'no-addresses'; readonly portName: string };

/** Finds what is behind `port` (a name, a number, or empty where there is just one) of a service. */
export async function behindService(
  registry: Registry,
  service: Service,
  port: string,
  signal: AbortSignal,
): Promise<Behind> {
  const name = service.metadata?.name ?? '';
  const ports = service.spec?.ports ?? [];
  const chosen =
    port === '' && ports.length === 1
      ? ports[0]
      : ports.find((each) => each.name === port || String(each.port) === port);
  if (chosen === undefined) return { is: 'no-port', portName: '' };
  const portName = chosen.name ?? '';
  const { items } = await registry.of(EndpointSlice).list({
    namespace: service.metadata?.namespace,
    selection: selectionOf(EndpointSlice, { labelSelector: `kubernetes.io/service-name=${name}` }),
    freshness: { want: 'newest' },
    limit: 0,
    continue: undefined,
    signal,
  });
  if (items.length === 0) return { is: 'no-slices', portName };
  const addresses = items.flatMap(({ object: slice }) => {
    const at = slice.ports?.find((each) => (each.name ?? '') === portName)?.port;
    if (at === undefined) return [];
    const ready = slice.endpoints.filter(({ conditions }) => conditions?.ready !== false);
    return ready.flatMap((endpoint) => endpoint.addresses.map((host) => ({ host, port: at })));
  });
  return addresses.length === 0 ? { is: 'no-addresses', portName } : { is: 'reachable', addresses };
}

/** Looks a name up once. Throws ServiceUnavailable. */
export async function resolveOnce(name: string): Promise<string> {
  try {
    return (await lookup(name)).address;
  } catch (error) {
    throw unavailable(`cannot look up ${JSON.stringify(name)}`, error);
  }
}

/** One of them, at random. Throws ServiceUnavailable. */
export async function serviceAddress(
  registry: Registry,
  service: Service,
  port: string,
  signal: AbortSignal,
): Promise<Address> {
  const name = JSON.stringify(service.metadata?.name ?? '');
  const behind = await behindService(registry, service, port, signal);
  if (behind.is === 'no-port') {
    throw unavailable(`no service port ${JSON.stringify(port)} found for service ${name}`);
  }
  const addresses = behind.is === 'reachable' ? behind.addresses : [];
  const address = addresses[Math.floor(Math.random() * addresses.length)];
  if (address === undefined) throw unavailable(`no endpoints available for service ${name}`);
  return address;
}
