import { setNames, mapNames, type Delta, type Element, type ObjectName } from './ruleset.ts';

/** What the fixed part of the table depends on. All blocks in CIDR notation. */
export interface TableFacts {
  /** Name of the table (family `ip`); it is ours alone. */
  readonly table: string;
  readonly bridge: string;
  /** Addresses of this node's pods. */
  readonly podCidr: string;
  /** Addresses of all the cluster's pods. */
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly ownAddresses: readonly string[];
  /**
   * Frames that stay on the bridge pass the IP hooks too (`net.bridge.bridge-nf-call-iptables`). Without that, the
   * answer of a pod to its neighbour would bypass the reverse translation, so such connections are masqueraded.
   */
  readonly bridgeNetfilter: boolean;
  /** The DNS server on `ownAddresses` listens on this port, because another program of the host has 53. */
  readonly dnsPort?: number;
}

const servicePort = 'ipv4_addr . inet_proto . inet_service';
const nodePort = 'inet_proto . inet_service';
const targetType = 'ipv4_addr . inet_service';
const verdict = (key: string) => `type ${key} : verdict;`;
const address = (key: string) => `type ${key} : ${targetType};`;
/** The type of a random number has no name of its own. */
const choice = (rest: string) => `typeof numgen random mod 1 . ${rest} : ip daddr . th dport;`;

const objectTypes: Readonly<Record<Exclude<ObjectName, 'chain'>, string>> = {
  services: verdict(servicePort),
  'node-ports': verdict(nodePort),
  'host-ports': address(servicePort),
  'host-ports-any': address(nodePort),
  endpoints: choice('ip daddr . meta l4proto . th dport'),
  'local-endpoints': choice('ip daddr . meta l4proto . th dport'),
  'port-endpoints': choice('meta l4proto . th dport'),
  'port-local-endpoints': choice('meta l4proto . th dport'),
  remember: verdict(servicePort),
  'remember-ports': verdict(nodePort),
  'affine-targets': `type ${servicePort};`,
  hairpin: 'type ipv4_addr . ipv4_addr;',
  'remote-targets': 'type ipv4_addr;',
};

/** Clients remembered at once, over all services with session affinity; beyond that a client is not remembered. */
export const affinityClientsMax = 131_072;
/** Upstream's default for `sessionAffinityConfig.clientIP.timeoutSeconds`: three hours. */
export const affinitySecondsDefault = 10_800;
const affinityMap = `map affinity { type ipv4_addr . ${servicePort} : ${targetType}; size ${affinityClientsMax}; flags dynamic, timeout; timeout ${affinitySecondsDefault}s; }`;

/** An entry of the affinity map that must survive a rebuild. */
export interface Remembered {
  readonly client: string;
  /** The service's address and port, as the client addressed it. */
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
  readonly target: { readonly ip: string; readonly port: number };
  readonly timeoutSeconds: number;
  readonly expiresSeconds: number;
}

const remembering = (protocol: string) => [
  `meta l4proto ${protocol} ct original ip daddr . meta l4proto . ct original proto-dst vmap @remember`,
  `meta l4proto ${protocol} meta l4proto . ct original proto-dst vmap @remember-ports`,
];
const transport = 'meta l4proto { tcp, udp, sctp }';

/**
 * The chains that are always there, by name; the first line of a base chain is its hook. Only first packets of
 * connections come by: the hooks are of type nat, and the kernel repeats the translation for the rest.
 */
export function fixedChains(facts: TableFacts): ReadonlyMap<string, readonly string[]> {
  const { bridge, podCidr, clusterCidr, serviceCidr, ownAddresses, bridgeNetfilter, dnsPort } = facts;
  const own = ownAddresses.length === 0 ? undefined : `{ ${ownAddresses.join(', ')} }`;
  return new Map<string, readonly string[]>([
    // A listener that is not there: refused at once, as if the address were a host without it.
    ['refuse', ['meta l4proto tcp reject with tcp reset', 'reject with icmp type port-unreachable']],
    ['ignore', ['drop']],
    [
      'dispatch',
      [
        ...(dnsPort === undefined ? [] : ownAddresses.map((ip) => dnsRedirect(ip, dnsPort))),
        ...(own === undefined ? [] : [`ip daddr ${own} return`]),
        'ip daddr . meta l4proto . th dport vmap @services',
        // Only what is addressed to this node: traffic that it merely routes is nobody's node port (CVE-2025-67499).
        // Never loopback: its packets cannot leave the host unless route_localnet opens a hole (CVE-2020-8558).
        'fib daddr type local ip daddr != 127.0.0.0/8 goto node-addresses',
        `ip daddr ${serviceCidr} goto refuse`,
      ],
    ],
    [
      'node-addresses',
      [
        `${transport} dnat ip to ip daddr . meta l4proto . th dport map @host-ports`,
        `${transport} dnat ip to meta l4proto . th dport map @host-ports-any`,
        'meta l4proto . th dport vmap @node-ports',
      ],
    ],
    ['prerouting', ['type nat hook prerouting priority -100; policy accept;', 'goto dispatch']],
    ['output', ['type nat hook output priority -100; policy accept;', 'goto dispatch']],
    ['remember-client', ['tcp', 'udp', 'sctp'].flatMap(remembering)],
    ['input', ['type nat hook input priority 100; policy accept;', noteAffinity]],
    [
      'postrouting',
      [
        'type nat hook postrouting priority 100; policy accept;',
        noteAffinity,
        // A pod that reaches itself through its service would drop a packet from its own address.
        'ip saddr . ip daddr @hairpin masquerade fully-random',
        ...(bridgeNetfilter ? [] : [`ct status dnat ip saddr ${podCidr} ip daddr ${podCidr} masquerade fully-random`]),
        `ct status dnat ip saddr != ${clusterCidr} ip daddr @remote-targets masquerade fully-random`,
        // Nobody outside knows the way to a pod.
        `ip saddr ${podCidr} ip daddr != { ${clusterCidr}, 224.0.0.0/4, 255.255.255.255 } oifname != "${bridge}" masquerade fully-random`,
      ],
    ],
  ]);
}

const dnsRedirect = (ip: string, port: number) =>
  `ip daddr ${ip} meta l4proto { tcp, udp } th dport 53 dnat to ${ip}:${port}`;
const noteAffinity = 'ct status dnat ip daddr . meta l4proto . th dport @affine-targets jump remember-client';

/** Elements in one command; nft reads a longer list no faster, and a piece is what blocks us at a time. */
const elementsPerCommand = 500;

/** The table from nothing, whatever stood there before, in one transaction; in pieces for `RunCommand`'s input. */
export function* renderTable(
  facts: TableFacts,
  elements: readonly Element[],
  remembered: readonly Remembered[],
): Generator<string> {
  const { table } = facts;
  yield `table ip ${table} {}\ndelete table ip ${table}\ntable ip ${table} {\n`;
  for (const name of mapNames) yield `map ${name} { ${objectTypes[name]} }\n`;
  for (const name of setNames) yield `set ${name} { ${objectTypes[name]} }\n`;
  yield `${affinityMap}\n}\n`;
  const fixed = [...fixedChains(facts)];
  const made = elements.filter(({ object }) => object === 'chain');
  for (const [name, [first = '']] of fixed)
    yield `add chain ip ${table} ${name}${isHook(first) ? ` { ${first} }` : ''}\n`;
  yield* renderChains(facts, made);
  for (const [name, rules] of fixed) {
    for (const rule of rules) if (!isHook(rule)) yield `add rule ip ${table} ${name} ${rule}\n`;
  }
  yield* renderElements('add', table, elements);
  for (const piece of pieces(remembered)) {
    yield `add element ip ${table} affinity { ${piece.map(renderRemembered).join(', ')} }\n`;
  }
}

const isHook = (rule: string) => rule.startsWith('type ');
const renderRemembered = ({
  client,
  address: ip,
  protocol,
  port,
  target,
  timeoutSeconds,
  expiresSeconds,
}: Remembered) =>
  `${client} . ${ip} . ${protocol} . ${port} timeout ${timeoutSeconds}s expires ${expiresSeconds}s : ${target.ip} . ${target.port}`;

/**
 * The commands of one transaction that turn the elements before the delta into those after it. Chains are left out:
 * nft 1.0.6 cannot add a rule that looks up a map with a random key once that map is in the kernel ("conflicting
 * protocols"), so a chain that is not there yet takes a rebuild, and one that is no longer needed stays in stock.
 */
export function* renderDelta({ table }: TableFacts, delta: Delta): Generator<string> {
  yield* renderElements('delete', table, delta.remove);
  yield* renderElements('add', table, delta.add);
}

/** First all chains, then their rules: they lead to each other. */
function* renderChains({ table, clusterCidr }: TableFacts, chains: readonly Element[]): Generator<string> {
  for (const { key } of chains) yield `add chain ip ${table} ${key}\n`;
  for (const { key, value } of chains) {
    for (const rule of value.split('\n')) yield `add rule ip ${table} ${key} ${rule.replace('$pods', clusterCidr)}\n`;
  }
}

function* renderElements(verb: 'add' | 'delete', table: string, elements: readonly Element[]): Generator<string> {
  const byObject = Map.groupBy(elements, ({ object }) => object);
  for (const name of [...mapNames, ...setNames]) {
    for (const piece of pieces(byObject.get(name) ?? [])) {
      const list = piece.map(({ key, value }) => (verb === 'delete' || value === '' ? key : `${key} : ${value}`));
      yield `${verb} element ip ${table} ${name} { ${list.join(', ')} }\n`;
    }
  }
}

function* pieces<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += elementsPerCommand) yield items.slice(at, at + elementsPerCommand);
}
