import { isIPv4 } from 'node:net';
import { contains, parseIpv4, type Ipv4Block } from '../ipv4.ts';
import { wireRecord, type ReplyContent, type WireRecord } from './reply.ts';
import type { NamedPort, ServiceNames } from './service-records.ts';
import { codes, types } from './wire.ts';
import type { Zone } from './zone.ts';

/** Seconds for which clients may keep what we say of the cluster, and what we say is not there. */
const ttl = 5;
const aliasHopsMax = 8;

export interface DomainFacts {
  /** `cluster.local`. */
  readonly domain: string;
  readonly dnsIp: string;
  /** Addresses whose names are ours to know: services and pods. */
  readonly ownBlocks: readonly Ipv4Block[];
}

/** What to do with a question: answer it ourselves, ask elsewhere, or answer with aliases and ask where they lead. */
export type Resolution =
  | { readonly kind: 'own'; readonly content: ReplyContent }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'alias'; readonly records: readonly WireRecord[]; readonly target: string };

type Source = Pick<Zone, 'service' | 'hasNamespace' | 'namesOfAddress'>;

/** Answers a question from what the cluster knows. `random()` is below 1 and picks the order of addresses. */
export function resolve(
  name: string,
  type: number,
  zone: Source,
  facts: DomainFacts,
  random: () => number,
): Resolution {
  const reverse = reverseAddress(name);
  if (reverse !== undefined) return resolveReverse(name, type, reverse, zone, facts);
  const aliases: WireRecord[] = [];
  let at = name;
  for (let hop = 0; hop < aliasHopsMax; hop++) {
    const local = localPart(at, facts.domain);
    if (local === undefined) {
      return aliases.length === 0 ? { kind: 'foreign' } : { kind: 'alias', records: aliases, target: at };
    }
    const found = lookUp(local, at, type, zone, facts, random);
    if (found === undefined) return own(aliases, [], facts, aliases.length === 0 ? codes.noSuchName : codes.noError);
    if (found.alias === undefined || type === types.CNAME) {
      const answers = [...aliases, ...(found.alias === undefined ? found.answers : [cname(at, found.alias)])];
      return own(answers, found.additionals ?? [], facts, codes.noError);
    }
    aliases.push(cname(at, found.alias));
    at = found.alias;
  }
  return own([], [], facts, codes.serverFailure);
}

interface Found {
  readonly answers: readonly WireRecord[];
  readonly additionals?: readonly WireRecord[];
  readonly alias?: string;
}

const cname = (name: string, data: string) => wireRecord({ name, type: 'CNAME', ttl, data });
const nothing: Found = { answers: [] };

/** What a name below the domain has of a type: maybe nothing; undefined if there is no such name. */
function lookUp(
  labels: readonly string[],
  name: string,
  type: number,
  zone: Source,
  facts: DomainFacts,
  random: () => number,
): Found | undefined {
  const top = labels.at(-1);
  if (top === 'svc') return serviceName(labels.slice(0, -1), name, type, zone, facts, random);
  if (top === 'pod') return podName(labels.slice(0, -1), name, type);
  const rest = labels.join('.');
  if (rest === '') return apex(name, type, facts);
  if (rest === 'dns') return nothing;
  if (rest === 'ns.dns') return { answers: addresses(name, type, [facts.dnsIp]) };
  // https://github.com/kubernetes/dns/blob/master/docs/specification.md §2.2
  if (rest === 'dns-version') {
    return { answers: type === types.TXT ? [wireRecord({ name, type: 'TXT', ttl, data: '1.1.0' })] : [] };
  }
  return undefined;
}

function serviceName(
  labels: readonly string[],
  name: string,
  type: number,
  zone: Source,
  facts: DomainFacts,
  random: () => number,
): Found | undefined {
  const [first = '', second = '', third = ''] = labels.toReversed();
  if (labels.length === 0) return nothing;
  if (labels.length === 1) return zone.hasNamespace(first) ? nothing : undefined;
  const names = zone.service(first, second);
  if (names === undefined) return undefined;
  const base = `${second}.${first}.svc.${facts.domain}`;
  if (labels.length === 2) {
    if (names.kind === 'alias') return { answers: [], alias: names.target };
    if (type === types.SRV) return srv(name, base, names, () => true, random);
    const ips = names.kind === 'cluster' ? names.ips : [...new Set(names.endpoints.map(({ ip }) => ip))];
    return { answers: addresses(name, type, shuffled(ips, random)) };
  }
  if (names.kind === 'alias') return undefined;
  if (labels.length === 3) {
    if (third === '_tcp' || third === '_udp' || third === '_sctp') return nothing;
    if (names.kind !== 'headless') return undefined;
    const ips = names.endpoints.filter(({ host }) => host === third).map(({ ip }) => ip);
    return ips.length === 0 ? undefined : { answers: addresses(name, type, shuffled(ips, random)) };
  }
  const port = labels[0] ?? '';
  if (labels.length !== 4 || !port.startsWith('_') || !third.startsWith('_')) return undefined;
  const isAsked = (one: NamedPort) => `_${one.name}` === port && `_${one.protocol}` === third;
  const found = srv(name, base, names, isAsked, random);
  if (found.answers.length === 0) return undefined;
  return type === types.SRV ? found : nothing;
}

function srv(
  name: string,
  base: string,
  names: Exclude<ServiceNames, { kind: 'alias' }>,
  isAsked: (port: NamedPort) => boolean,
  random: () => number,
): Found {
  const record = (target: string, port: number) =>
    wireRecord({ name, type: 'SRV', ttl, data: { priority: 0, weight: 100, port, target } });
  if (names.kind === 'cluster') {
    const answers = names.ports.filter(isAsked).map(({ port }) => record(base, port));
    return { answers, additionals: answers.length === 0 ? [] : addresses(base, types.A, names.ips) };
  }
  const answers: WireRecord[] = [];
  const additionals: WireRecord[] = [];
  for (const { host, ip, ports } of shuffled(names.endpoints, random)) {
    const asked = ports.filter(isAsked);
    answers.push(...asked.map(({ port }) => record(`${host}.${base}`, port)));
    if (asked.length > 0) additionals.push(...addresses(`${host}.${base}`, types.A, [ip]));
  }
  return { answers, additionals };
}

/** `10-244-0-5.ns.pod`: the address itself, as upstream's default answers it. */
function podName(labels: readonly string[], name: string, type: number): Found | undefined {
  if (labels.length < 2) return nothing;
  const ip = (labels[0] ?? '').replaceAll('-', '.');
  return labels.length === 2 && isIPv4(ip) ? { answers: addresses(name, type, [ip]) } : undefined;
}

function apex(name: string, type: number, facts: DomainFacts): Found {
  if (type === types.SOA) return { answers: [soa(facts)] };
  if (type !== types.NS) return nothing;
  const target = `ns.dns.${facts.domain}`;
  return {
    answers: [wireRecord({ name, type: 'NS', ttl, data: target })],
    additionals: addresses(target, types.A, [facts.dnsIp]),
  };
}

function resolveReverse(name: string, type: number, ip: string, zone: Source, facts: DomainFacts): Resolution {
  const names = zone.namesOfAddress(ip);
  if (names.length > 0) {
    const records = names.map((one) => wireRecord({ name, type: 'PTR', ttl, data: `${one}.${facts.domain}` }));
    return own(type === types.PTR ? records : [], [], facts, codes.noError);
  }
  const address = parseIpv4(ip);
  const isOwn = facts.ownBlocks.some((block) => contains(block, address));
  return isOwn ? own([], [], facts, codes.noSuchName) : { kind: 'foreign' };
}

/** `4.3.2.1.in-addr.arpa` as `1.2.3.4`; undefined for other names. */
function reverseAddress(name: string): string | undefined {
  if (!name.endsWith('.in-addr.arpa')) return undefined;
  const ip = name.slice(0, -'.in-addr.arpa'.length).split('.').toReversed().join('.');
  return isIPv4(ip) ? ip : undefined;
}

/** The labels before the domain; undefined for names outside of it. */
function localPart(name: string, domain: string): readonly string[] | undefined {
  if (name === domain) return [];
  if (!name.endsWith(`.${domain}`)) return undefined;
  return name.slice(0, -domain.length - 1).split('.');
}

/** Only IPv4 is there: other types of an existing name are empty. */
const addresses = (name: string, type: number, ips: readonly string[]): readonly WireRecord[] =>
  type === types.A ? ips.map((data) => wireRecord({ name, type: 'A', ttl, data })) : [];

const soa = ({ domain }: DomainFacts) =>
  wireRecord({
    name: domain,
    type: 'SOA',
    ttl,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7_200,
      retry: 1_800,
      expire: 86_400,
      minimum: ttl,
    },
  });

function own(
  answers: readonly WireRecord[],
  additionals: readonly WireRecord[],
  facts: DomainFacts,
  code: number,
): Resolution {
  const authorities = answers.length === 0 ? [soa(facts)] : [];
  return { kind: 'own', content: { code, answers, authorities, additionals } };
}

function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j] as T, all[i] as T]; // both indexes are within the array
  }
  return all;
}
