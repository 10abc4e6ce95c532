import { isIPv4 } from 'node:net';
import type { Endpoint } from '#api/discovery/types.generated.ts';
import type { ServiceView } from '../service-index.ts';

/** An endpoint of a headless service under its own name. */
export interface NamedEndpoint {
  /** The pod's hostname, or its address with dashes. One label, lower case. */
  readonly host: string;
  readonly ip: string;
  readonly ports: readonly NamedPort[];
}

export interface NamedPort {
  /** Empty for a port without a name. */
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/** What DNS knows of one service. Lower case throughout. */
export type ServiceNames =
  | { readonly kind: 'cluster'; readonly ips: readonly string[]; readonly ports: readonly NamedPort[] }
  | { readonly kind: 'headless'; readonly endpoints: readonly NamedEndpoint[] }
  | { readonly kind: 'alias'; readonly target: string };

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const hostName = /^([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/;

/**
 * The names of a service, as Kubernetes' DNS specification 1.1.0 has them; undefined where there are none. Of a
 * headless service only ready endpoints count (with publishNotReadyAddresses, slices call all of them ready).
 */
export function namesOf({ service, slices }: ServiceView): ServiceNames | undefined {
  if (service === undefined) return undefined;
  const { spec } = service;
  if (spec.type === 'ExternalName') {
    const target = (spec.externalName ?? '').toLowerCase().replace(/\.$/, '');
    return hostName.test(target) && target.length <= 253 ? { kind: 'alias', target } : undefined;
  }
  if (spec.clusterIP !== 'None') {
    const ips = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((ip) => isIPv4(ip));
    const ports = (spec.ports ?? []).map(({ name = '', protocol = 'TCP', port }) => named(name, protocol, port));
    return ips.length === 0 ? undefined : { kind: 'cluster', ips, ports };
  }
  const endpoints = new Map<string, NamedEndpoint>();
  for (const { addressType, endpoints: listed, ports = [] } of slices) {
    if (addressType !== 'IPv4') continue;
    const offered = ports.flatMap(({ name = '', protocol = 'TCP', port }) =>
      port === undefined ? [] : [named(name, protocol, port)],
    );
    for (const endpoint of listed ?? []) add(endpoints, endpoint, offered);
  }
  return { kind: 'headless', endpoints: [...endpoints.values()] };
}

const named = (name: string, protocol: string, port: number): NamedPort => ({
  name: name.toLowerCase(),
  protocol: protocol.toLowerCase(),
  port,
});

function add(endpoints: Map<string, NamedEndpoint>, endpoint: Endpoint, ports: readonly NamedPort[]): void {
  const ip = endpoint.addresses[0];
  if (ip === undefined || !isIPv4(ip) || endpoint.conditions?.ready === false) return;
  const wanted = endpoint.hostname?.toLowerCase() ?? '';
  const host = label.test(wanted) ? wanted : ip.replaceAll('.', '-');
  const known = endpoints.get(`${host} ${ip}`);
  endpoints.set(`${host} ${ip}`, { host, ip, ports: [...(known?.ports ?? []), ...ports] });
}
