import { isIP } from 'node:net';

/** A DNS server of the host's, as its resolv.conf names it. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

/** resolv.conf(5): no resolver reads more. */
const upstreamsMax = 3;

/** The servers that a resolv.conf names, without those that are ourselves. Source: resolv.conf(5). */
export function parseUpstreams(resolvConf: string, ownAddresses: readonly string[]): readonly Upstream[] {
  const found: Upstream[] = [];
  for (const line of resolvConf.split('\n')) {
    const address = /^\s*nameserver\s+([^\s;#]+)/.exec(line)?.[1] ?? '';
    if (isIP(address) !== 0 && !ownAddresses.includes(address)) found.push({ address, port: 53 });
  }
  return found.slice(0, upstreamsMax);
}
