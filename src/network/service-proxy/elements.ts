import type { ContainerPort, Pod } from '#api/core/types.generated.ts';
import { isRoutableTarget } from '../ipv4.ts';
import type { Backends, Frontend, Protocol, ServiceFrontends } from './frontend.ts';
import type { Element, ObjectName } from './ruleset.ts';

/** Whose addresses the keys of a map hold: those of services (`ip`), or any of this node's, by port alone (`port`). */
type Space = 'ip' | 'port';
/** Which endpoints a map holds: those for everybody, or those for clients outside the cluster. */
type Scope = 'cluster' | 'local';

const endpointMaps = {
  ip: { cluster: 'endpoints', local: 'local-endpoints' },
  port: { cluster: 'port-endpoints', local: 'port-local-endpoints' },
} as const satisfies Record<Space, Record<Scope, ObjectName>>;

/** The elements and chains that put one service into the table. */
export function elementsOf({ frontends, localTargets, remoteTargets }: ServiceFrontends): readonly Element[] {
  return [
    ...frontends.flatMap(frontendElements),
    ...localTargets.map((ip) => ({ object: 'hairpin' as const, key: `${ip} . ${ip}`, value: '' })),
    ...remoteTargets.map((ip) => ({ object: 'remote-targets' as const, key: ip, value: '' })),
  ];
}

function frontendElements(frontend: Frontend): readonly Element[] {
  const { address, protocol, port, affinitySeconds, backends, outside } = frontend;
  const space = address === undefined ? 'port' : 'ip';
  const key = address === undefined ? `${protocol} . ${port}` : `${address} . ${protocol} . ${port}`;
  const inner = choice(space, 'cluster', backends, affinitySeconds);
  const outer = outside === undefined ? undefined : choice(space, 'local', outside, affinitySeconds);
  const entry = outer === undefined ? inner : split(inner, outer);
  const object = space === 'ip' ? 'services' : 'node-ports';
  return [
    ...entry.chains,
    { object, key, value: `goto ${entry.name}` },
    ...endpointElements(endpointMaps[space].cluster, key, backends),
    ...(outside === undefined ? [] : endpointElements(endpointMaps[space].local, key, outside)),
    ...(affinitySeconds === undefined ? [] : affinityElements(frontend, space, key, affinitySeconds)),
  ];
}

interface Choice {
  readonly name: string;
  readonly chains: readonly Element[];
}

const chain = (key: string, ...rules: readonly string[]): Element => ({
  object: 'chain',
  key,
  value: rules.join('\n'),
});

/**
 * The chain that picks a target: one for each number of targets, whatever the service, so that a choice costs one
 * random number and one lookup. Chains that are always there: `refuse` and `ignore`.
 */
function choice(space: Space, scope: Scope, { targets, whenEmpty }: Backends, affinity: number | undefined): Choice {
  if (targets.length === 0) return { name: whenEmpty, chains: [] };
  const pick = pickChain(space, scope, targets.length);
  if (affinity === undefined) return { name: pick.key, chains: [pick] };
  // Those who came before go where they went; the others fall through to the choice.
  const keep = chain(`affine-${pick.key}`, dnatTo(`${remembered} map @affinity`), `goto ${pick.key}`);
  return { name: keep.key, chains: [pick, keep] };
}

function pickChain(space: Space, scope: Scope, targets: number): Element {
  const map = endpointMaps[space][scope];
  const client = space === 'ip' ? 'ip daddr . meta l4proto . th dport' : 'meta l4proto . th dport';
  return chain(`${map}-${targets}`, dnatTo(`numgen random mod ${targets} . ${client} map @${map}`));
}

/** Chains are kept ready in steps of this many targets, so that a service seldom needs one that is not there. */
const stockStep = 8;

/** Chains worth having beside `needed`: for every number of targets up to the next step. */
export function stockOf(needed: readonly Element[]): readonly Element[] {
  const most = new Map<string, number>();
  for (const { key } of needed) {
    const [, map, count] = /^((?:port-)?(?:local-)?endpoints)-(\d+)$/.exec(key) ?? [];
    if (map !== undefined) most.set(map, Math.max(most.get(map) ?? 0, Number(count)));
  }
  const stock: Element[] = [];
  for (const space of ['ip', 'port'] as const) {
    for (const scope of ['cluster', 'local'] as const) {
      const count = most.get(endpointMaps[space][scope]) ?? 0;
      const upTo = Math.ceil((count + 1) / stockStep) * stockStep;
      for (let targets = 1; targets <= upTo; targets++) stock.push(pickChain(space, scope, targets));
    }
  }
  return stock;
}

/** nft wants to see that there is a transport protocol before it lets a rule change ports. */
const dnatTo = (what: string) => `meta l4proto { tcp, udp, sctp } dnat ip to ${what}`;
const remembered = 'ip saddr . ip daddr . meta l4proto . th dport';

/** Clients of the cluster reach every endpoint even where strangers reach local ones only, as upstream has it. */
function split(inner: Choice, outer: Choice): Choice {
  const name = `split.${inner.name}.${outer.name}`;
  const both = chain(
    name,
    `ip saddr $pods goto ${inner.name}`,
    `fib saddr type local goto ${inner.name}`,
    `goto ${outer.name}`,
  );
  return { name, chains: [...inner.chains, ...outer.chains, both] };
}

function endpointElements(object: ObjectName, key: string, { targets }: Backends): readonly Element[] {
  return targets.map(({ ip, port }, index) => ({ object, key: `${index} . ${key}`, value: `${ip} . ${port}` }));
}

/** After a choice was made, `remember-…` notes it for this client; only for targets that the service really has. */
function affinityElements(frontend: Frontend, space: Space, key: string, seconds: number): readonly Element[] {
  const { protocol, backends, outside } = frontend;
  const targets = [...backends.targets, ...(outside?.targets ?? [])];
  const name = `remember-${seconds}`;
  const note = (p: Protocol) =>
    `meta l4proto ${p} update @affinity { ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst timeout ${seconds}s : ip daddr . th dport }`;
  const kept = new Set(targets.map(({ ip, port }) => `${ip} . ${protocol} . ${port}`));
  return [
    chain(name, note('tcp'), note('udp'), note('sctp')),
    { object: space === 'ip' ? 'remember' : 'remember-ports', key, value: `jump ${name}` },
    ...[...kept].map((one) => ({ object: 'affine-targets' as const, key: one, value: '' })),
  ];
}

const protocols: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

/** One host port of a pod on this node. */
export interface HostPort {
  /** Undefined: every address of the node but loopback. */
  readonly hostIp: string | undefined;
  readonly protocol: Protocol;
  readonly hostPort: number;
  readonly target: { readonly ip: string; readonly port: number };
}

/** The host ports of a pod that runs on `nodeName` and has its own address; none before it has one or after it ended. */
export function hostPortsOf(pod: Pod, nodeName: string): readonly HostPort[] {
  const { spec, status } = pod;
  const ip = status?.podIP;
  if (spec.nodeName !== nodeName || spec.hostNetwork === true || ip === undefined || !isRoutableTarget(ip)) return [];
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return [];
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ports = [...spec.containers, ...sidecars].flatMap((container) => container.ports ?? []);
  return ports.flatMap((port) => hostPort(port, ip));
}

function hostPort(port: ContainerPort, ip: string): readonly HostPort[] {
  const protocol = protocols[port.protocol ?? 'TCP'];
  if (port.hostPort === undefined || port.hostPort < 1 || port.hostPort > 65_535 || protocol === undefined) return [];
  const { hostIP = '' } = port;
  const wildcard = hostIP === '' || hostIP === '0.0.0.0' || hostIP === '::';
  if (!wildcard && hostIP !== '127.0.0.1' && !isRoutableTarget(hostIP)) return [];
  const hostIp = wildcard ? undefined : hostIP;
  return [{ hostIp, protocol, hostPort: port.hostPort, target: { ip, port: port.containerPort } }];
}

/** Host ports as elements. One on a loopback address is none of the kernel's: `loopback-ports.ts` serves it. */
export function hostPortElements(ports: readonly HostPort[]): readonly Element[] {
  return ports.flatMap(({ hostIp, protocol, hostPort: port, target }): readonly Element[] => {
    const value = `${target.ip} . ${target.port}`;
    const self: Element = { object: 'hairpin', key: `${target.ip} . ${target.ip}`, value: '' };
    if (hostIp === undefined) return [{ object: 'host-ports-any', key: `${protocol} . ${port}`, value }, self];
    if (hostIp.startsWith('127.')) return [];
    return [{ object: 'host-ports', key: `${hostIp} . ${protocol} . ${port}`, value }, self];
  });
}
