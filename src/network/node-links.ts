import { createHash } from 'node:crypto';
import type { Log } from '#lib/log.ts';
import { unavailable } from '#machinery/status-error.ts';
import { runChecked, type RunCommand } from './command.ts';
import { ensureWithIp, forwardRule, readSysctl, writeSysctl, type HostChanges } from './host-changes.ts';

export interface LinkOptions {
  /** Marks the bridge as ours: the data directory of the cluster. */
  readonly owner: string;
  readonly bridge: string;
  /** The bridge's own address with its prefix: `10.244.0.1/24`. */
  readonly gateway: string;
  readonly serviceCidr: string;
  /** Addresses that this node answers on itself. */
  readonly ownAddresses: readonly string[];
}

const bridgeNetfilter = 'net.bridge.bridge-nf-call-iptables';

/**
 * Makes the node's interfaces, addresses, routes and kernel settings what pods and services need, noting each
 * change first. Idempotent; the network's loop repeats it, so that what somebody removed comes back.
 */
export class NodeLinks {
  readonly #options: LinkOptions;
  readonly #changes: HostChanges;
  readonly #run: RunCommand;
  readonly #log: Log;

  constructor(options: LinkOptions, changes: HostChanges, run: RunCommand, log: Log) {
    this.#options = options;
    this.#changes = changes;
    this.#run = run;
    this.#log = log;
  }

  /** Returns whether frames that stay on the bridge pass the IP hooks. Throws ServiceUnavailable if pods cannot work. */
  async ensure(signal: AbortSignal): Promise<boolean> {
    const { bridge, gateway, serviceCidr, ownAddresses, owner } = this.#options;
    const ip = (...args: readonly string[]) => ensureWithIp(this.#run, args, signal);
    await refuseForeignBridge(this.#run, bridge, owner, signal);
    await this.#changes.note({ kind: 'bridge', name: bridge });
    await ip('link', 'add', bridge, 'type', 'bridge');
    await ip('link', 'set', bridge, 'alias', owner, 'address', hardwareAddressOf(owner));
    await ip('address', 'replace', gateway, 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
    // Router advertisements from a pod must not configure the host (CVE-2020-10749). Gone with the bridge.
    await writeSysctl(`net.ipv6.conf.${bridge}.accept_ra`, '0').catch(() => {});
    // Without a route, a connection to a service fails on a host that has no default route before it is translated.
    await this.#changes.note({ kind: 'route', to: serviceCidr, device: bridge });
    await ip('route', 'add', serviceCidr, 'dev', bridge);
    for (const address of ownAddresses) {
      // On loopback: CNI's bridge plugin refuses a bridge whose first address is not the gateway's.
      await this.#changes.note({ kind: 'address', device: 'lo', address: `${address}/32` });
      await ip('address', 'replace', `${address}/32`, 'dev', 'lo', 'scope', 'host');
    }
    if (!(await this.#set('net.ipv4.ip_forward', '1'))) {
      throw unavailable(
        'pods cannot reach each other: net.ipv4.ip_forward is 0 and cannot be changed; set it to 1 with sysctl',
      );
    }
    return this.#setBridgeNetfilter(signal);
  }

  /**
   * Another firewall may drop what it does not know: Docker sets the policy of iptables' FORWARD chain so. A rule
   * that accepts the bridge's traffic is added there, only in that case.
   */
  async passForeignFirewall(signal: AbortSignal): Promise<void> {
    const iptables = async (...args: readonly string[]) =>
      this.#run('iptables', ['-w', '5', ...args], { signal }).catch(() => undefined);
    const { bridge } = this.#options;
    // Looked up without iptables first: merely listing with it would create its tables.
    const policy = await this.#run('nft', ['list', 'chain', 'ip', 'filter', 'FORWARD'], { signal });
    if (policy.code !== 0 || !policy.stdout.includes('policy drop')) return;
    for (const direction of ['-i', '-o'] as const) {
      const rule = forwardRule(bridge, direction);
      if ((await iptables('-C', 'FORWARD', ...rule))?.code === 0) continue;
      await this.#changes.note({ kind: 'forward-rule', bridge, direction });
      const result = await iptables('-I', 'FORWARD', ...rule);
      if (result?.code !== 0)
        this.#log.error('a firewall drops the traffic of pods: let it pass', { bridge, chain: 'FORWARD' });
    }
  }

  async #setBridgeNetfilter(signal: AbortSignal): Promise<boolean> {
    if ((await readSysctl(bridgeNetfilter)) === undefined) {
      await runChecked(this.#run, 'modprobe', ['br_netfilter'], { signal }).catch(() => {});
    }
    if (await this.#set(bridgeNetfilter, '1')) return true;
    this.#log.info("the kernel lacks br_netfilter: pods see their neighbours' service connections as the node's");
    return false;
  }

  async #set(name: string, value: string): Promise<boolean> {
    const before = await readSysctl(name);
    if (before === undefined) return false;
    if (before === value) return true;
    await this.#changes.note({ kind: 'sysctl', name, before });
    return writeSysctl(name, value).then(
      () => true,
      () => false,
    );
  }
}

/**
 * A bridge that is given no hardware address takes the lowest of its ports', and another one when that pod goes: the
 * pods' replies then go astray until they ask anew who the gateway is, which takes them some 10 s.
 */
function hardwareAddressOf(owner: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = createHash('sha256').update(owner).digest();
  // 02: one network card's own, given out locally.
  return [0x02, a, b, c, d, e].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Two clusters on one bridge would give the same addresses to different pods. */
async function refuseForeignBridge(run: RunCommand, bridge: string, owner: string, signal: AbortSignal): Promise<void> {
  const links = async (...what: readonly string[]) => {
    const { code, stdout } = await run('ip', ['-j', 'link', 'show', ...what], { signal });
    return code === 0 ? (JSON.parse(stdout) as readonly { readonly ifalias?: string }[]) : [];
  };
  const [link] = await links('dev', bridge);
  const found = link?.ifalias ?? owner;
  if (found === owner || (await links('master', bridge)).length === 0) return;
  throw unavailable(
    `interface ${bridge} is in use by the pods of another cluster, that of ${found}: end it with "tutti reset --data-dir ${found}"`,
  );
}
