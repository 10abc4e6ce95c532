import type { HostPort } from './demand.ts';

/**
 * Host ports taken on the nodes. Two uses of one port and protocol conflict if their addresses are equal or one of
 * them is every address. Only nodes with such ports cost anything.
 */
export class PortUse {
  /** Row → `TCP/80` → address → number of holders (two pods may both claim one when bound from outside). */
  readonly #rows = new Map<number, Map<string, Map<string, number>>>();

  /** The first of `ports` that is taken on `row`. */
  conflict(row: number, ports: readonly HostPort[]): HostPort | undefined {
    const taken = this.#rows.get(row);
    if (taken === undefined) return undefined;
    return ports.find(({ protocol, port, ip }) => {
      const addresses = taken.get(`${protocol}/${port}`);
      if (addresses === undefined) return false;
      return ip === '0.0.0.0' || addresses.has('0.0.0.0') || addresses.has(ip);
    });
  }

  add(row: number, ports: readonly HostPort[]): void {
    if (ports.length === 0) return;
    let taken = this.#rows.get(row);
    if (taken === undefined) this.#rows.set(row, (taken = new Map()));
    for (const { protocol, port, ip } of ports) {
      const key = `${protocol}/${port}`;
      let addresses = taken.get(key);
      if (addresses === undefined) taken.set(key, (addresses = new Map()));
      addresses.set(ip, (addresses.get(ip) ?? 0) + 1);
    }
  }

  remove(row: number, ports: readonly HostPort[]): void {
    const taken = this.#rows.get(row);
    if (taken === undefined) return;
    for (const { protocol, port, ip } of ports) {
      const key = `${protocol}/${port}`;
      const addresses = taken.get(key);
      const holders = addresses?.get(ip) ?? 0;
      if (addresses === undefined || holders === 0) continue;
      if (holders > 1) addresses.set(ip, holders - 1);
      else addresses.delete(ip);
      if (addresses.size === 0) taken.delete(key);
    }
    if (taken.size === 0) this.#rows.delete(row);
  }
}
