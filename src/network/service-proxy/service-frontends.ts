import { isIPv4 } from 'node:net';
import type { Service } from '#api/core/service.ts';
import type { ServiceView } from '../service-index.ts';
import { candidatesOf, clusterBackends, localBackends } from './endpoints.ts';
import type { Frontend, Protocol, ProxyFacts, ServiceFrontends } from './frontend.ts';
import { affinitySecondsDefault } from './table.ts';

const nothing: ServiceFrontends = { frontends: [], localTargets: [], remoteTargets: [] };
const protocols: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };
/** The API's own limit: a day. */
const affinitySecondsMax = 86_400;

/**
 * Decides what a service means for this node: on which addresses it answers and who gets the connections.
 * Headless services and ExternalNames mean nothing here. `externalIPs` are ignored: whoever may write a Service
 * could take over any address with them (CVE-2020-8554). An address of a load balancer counts, as only its
 * controller may write the status; one that is limited to source ranges stays shut.
 */
export function frontendsOf({ service, slices }: ServiceView, facts: ProxyFacts): ServiceFrontends {
  if (service === undefined || service.spec.type === 'ExternalName') return nothing;
  const { spec } = service;
  const frontends: Frontend[] = [];
  const local = new Set<string>();
  const remote = new Set<string>();
  const clusterIps = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((ip) => isIPv4(ip));
  if (clusterIps.length === 0) return nothing;
  for (const port of spec.ports ?? []) {
    const protocol = protocols[port.protocol ?? 'TCP'];
    if (protocol === undefined) continue;
    const candidates = candidatesOf(port, slices, facts);
    const cluster = clusterBackends(candidates, facts);
    const onNode = localBackends(candidates);
    const common = { protocol, affinitySeconds: affinityOf(service) };
    for (const address of clusterIps) {
      if (facts.ownAddresses.includes(address)) continue;
      const backends = spec.internalTrafficPolicy === 'Local' ? onNode : cluster;
      frontends.push({ ...common, address, port: port.port, backends, outside: undefined });
    }
    const outside = spec.externalTrafficPolicy === 'Local' ? onNode : undefined;
    for (const address of loadBalancerAddresses(service)) {
      frontends.push({ ...common, address, port: port.port, backends: cluster, outside });
    }
    if (port.nodePort !== undefined && port.nodePort > 0) {
      frontends.push({ ...common, address: undefined, port: port.nodePort, backends: cluster, outside });
    }
    for (const { ip, local: here } of candidates) (here ? local : remote).add(ip);
  }
  return { frontends, localTargets: [...local], remoteTargets: [...remote] };
}

function affinityOf({ spec }: Service): number | undefined {
  if (spec.sessionAffinity !== 'ClientIP') return undefined;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? affinitySecondsDefault;
  return Math.min(Math.max(1, Math.trunc(seconds)), affinitySecondsMax);
}

function loadBalancerAddresses({ spec, status }: Service): readonly string[] {
  if (spec.type !== 'LoadBalancer' || (spec.loadBalancerSourceRanges ?? []).length > 0) return [];
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode = 'VIP' }) =>
    ip !== undefined && isIPv4(ip) && ipMode === 'VIP' ? [ip] : [],
  );
}
