import type { Pod } from '#api/core/pod.ts';

/** What resolv.conf says. */
export interface Resolver {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export interface DnsSettings {
  /** Addresses of the cluster's DNS; none means that there is none. */
  readonly servers: readonly string[];
  readonly domain: string;
}

const serversMax = 3;
const searchesMax = 32;

/** Reads a resolv.conf(5); of several `search` lines the last counts. */
export function parseResolver(text: string): Resolver {
  const servers: string[] = [];
  const options: string[] = [];
  let searches: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) servers.push(values[0]);
    else if (keyword === 'search' || keyword === 'domain') searches = values.filter((value) => value !== '.');
    else if (keyword === 'options') options.push(...values);
  }
  return { servers, searches, options };
}

/** A pod's resolver by its `dnsPolicy` and `dnsConfig`. Source: kubelet's network/dns. */
export function resolverOf(pod: Pod, host: Resolver, cluster: DnsSettings): Resolver {
  const { dnsPolicy = 'ClusterFirst', dnsConfig = {}, hostNetwork = false } = pod.spec;
  const usesCluster = (dnsPolicy === 'ClusterFirst' && !hostNetwork) || dnsPolicy === 'ClusterFirstWithHostNet';
  let base: Resolver = host;
  if (dnsPolicy === 'None') base = { servers: [], searches: [], options: [] };
  else if (usesCluster && cluster.servers.length > 0) {
    const { domain } = cluster;
    const own = [`${pod.metadata?.namespace ?? 'default'}.svc.${domain}`, `svc.${domain}`, domain];
    base = { servers: cluster.servers, searches: [...own, ...host.searches], options: ['ndots:5'] };
  }
  const options = new Map(base.options.map((option) => [option.split(':')[0] ?? option, option]));
  for (const { name, value } of dnsConfig.options ?? []) {
    if (name !== undefined) options.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  }
  return {
    servers: unique([...base.servers, ...(dnsConfig.nameservers ?? [])]).slice(0, serversMax),
    searches: unique([...base.searches, ...(dnsConfig.searches ?? [])]).slice(0, searchesMax),
    options: [...options.values()],
  };
}

const unique = (values: readonly string[]) => [...new Set(values)];
