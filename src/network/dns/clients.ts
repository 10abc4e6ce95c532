import { networkInterfaces } from 'node:os';
import { isIPv4 } from 'node:net';
import { contains, parseIpv4, type Ipv4Block } from '../ipv4.ts';

/** How long the host's own addresses are believed. */
const ownAddressesMs = 5_000;

/** Who may ask the cluster's DNS: its pods, and this host under any of its addresses. `now()` in milliseconds. */
export function clusterClients(pods: readonly Ipv4Block[], now: () => number): (address: string) => boolean {
  let own = new Set<string>();
  let readAt = -Infinity;
  return (address) => {
    if (!isIPv4(address)) return false;
    const value = parseIpv4(address);
    if (value >>> 24 === 127 || pods.some((block) => contains(block, value))) return true;
    if (!own.has(address) && now() - readAt >= ownAddressesMs) {
      readAt = now();
      own = new Set(Object.values(networkInterfaces()).flatMap((all) => all?.map((one) => one.address) ?? []));
    }
    return own.has(address);
  };
}
