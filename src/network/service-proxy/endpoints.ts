import type { Endpoint, EndpointSlice } from '#api/discovery/types.generated.ts';
import type { ServicePort } from '#api/core/types.generated.ts';
import { isRoutableTarget, parseIpv4 } from '../ipv4.ts';
import type { Backends, ProxyFacts, Target } from './frontend.ts';

/** An endpoint of one service port, as far as choosing it goes. */
export interface Candidate extends Target {
  readonly ready: boolean;
  /** Still answers while it is being stopped: used when nothing is ready, so that a service does not go dark. */
  readonly servingWhileStopping: boolean;
  readonly local: boolean;
  readonly forNodes: readonly string[] | undefined;
  readonly forZones: readonly string[] | undefined;
}

const portsMax = 65_535;

/**
 * The IPv4 endpoints that the slices give for a service's port (matched by name and protocol), sorted, each once:
 * a pod that stands in two slices for a moment counts as its better self.
 */
export function candidatesOf(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  facts: ProxyFacts,
): readonly Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    for (const { name = '', protocol = 'TCP', port: number } of slice.ports ?? []) {
      if (name !== (port.name ?? '') || protocol !== (port.protocol ?? 'TCP')) continue;
      if (number === undefined || !Number.isInteger(number) || number < 1 || number > portsMax) continue;
      for (const endpoint of slice.endpoints ?? []) {
        const ip = endpoint.addresses[0];
        if (ip === undefined || !isRoutableTarget(ip)) continue;
        const candidate = toCandidate(endpoint, ip, number, facts);
        const id = `${ip}:${number}`;
        const other = found.get(id);
        if (other === undefined || rank(candidate) > rank(other)) found.set(id, candidate);
      }
    }
  }
  return [...found.values()].sort((a, b) => parseIpv4(a.ip) - parseIpv4(b.ip) || a.port - b.port);
}

function toCandidate(endpoint: Endpoint, ip: string, port: number, facts: ProxyFacts): Candidate {
  const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {};
  return {
    ip,
    port,
    ready,
    servingWhileStopping: !ready && serving && terminating,
    local: endpoint.nodeName === facts.nodeName,
    forNodes: endpoint.hints?.forNodes?.map(({ name }) => name),
    forZones: endpoint.hints?.forZones?.map(({ name }) => name),
  };
}

const rank = (candidate: Candidate) => (candidate.ready ? 2 : candidate.servingWhileStopping ? 1 : 0);
const target = ({ ip, port }: Candidate): Target => ({ ip, port });

/** Who serves under the policy `Cluster`: the ready ones, near ones first where hints say so, else those still serving. */
export function clusterBackends(candidates: readonly Candidate[], facts: ProxyFacts): Backends {
  const ready = candidates.filter((one) => one.ready);
  const chosen = ready.length > 0 ? nearest(ready, facts) : candidates.filter((one) => one.servingWhileStopping);
  return { targets: chosen.map(target), whenEmpty: 'refuse' };
}

/** Who serves under the policy `Local`: only endpoints on this node. */
export function localBackends(candidates: readonly Candidate[]): Backends {
  const local = candidates.filter((one) => one.local);
  const ready = local.filter((one) => one.ready);
  const chosen = ready.length > 0 ? ready : local.filter((one) => one.servingWhileStopping);
  const elsewhere = candidates.some((one) => one.ready || one.servingWhileStopping);
  return { targets: chosen.map(target), whenEmpty: elsewhere ? 'ignore' : 'refuse' };
}

/** Hints count only if every endpoint carries them and at least one is for us, as upstream's proxies have it. */
function nearest(ready: readonly Candidate[], { nodeName, zone }: ProxyFacts): readonly Candidate[] {
  if (ready.every(({ forNodes }) => forNodes !== undefined)) {
    const mine = ready.filter(({ forNodes }) => forNodes?.includes(nodeName));
    if (mine.length > 0) return mine;
  }
  if (zone !== undefined && ready.every(({ forZones }) => forZones !== undefined)) {
    const mine = ready.filter(({ forZones }) => forZones?.includes(zone));
    if (mine.length > 0) return mine;
  }
  return ready;
}
