import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import type { Informers } from '#client/cache.ts';
import { abortable } from '#lib/abortable.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { keyOf } from '#machinery/object.ts';
import { writeCniConfig } from './cni.ts';
import { runCommand, type RunCommand } from './command.ts';
import { clusterClients } from './dns/clients.ts';
import { exchange } from './dns/exchange.ts';
import { Forwarder } from './dns/forwarder.ts';
import { responder } from './dns/responder.ts';
import { DnsServer } from './dns/server.ts';
import { parseUpstreams, type Upstream } from './dns/upstreams.ts';
import { Zone } from './dns/zone.ts';
import { drainGate, type DrainGate } from './drain.ts';
import { HostChanges } from './host-changes.ts';
import { formatBlock, gatewayOf, parseBlock } from './ipv4.ts';
import { hostPortsOnLoopback, LoopbackPorts, nodePortsOnLoopback } from './loopback-ports.ts';
import { NodeLinks } from './node-links.ts';
import { singleHostRoutes, type PodRoutes } from './routes.ts';
import { ServiceIndex } from './service-index.ts';
import { hostPortElements, hostPortsOf } from './service-proxy/elements.ts';
import { NftTable } from './service-proxy/nft.ts';
import { ServiceProxy } from './service-proxy/proxy.ts';
import { FlowCleaner } from './service-proxy/stale-flows.ts';
import type { TableFacts } from './service-proxy/table.ts';

export interface NetworkOptions {
  /** Must be running. Its pods may be those of this node alone. */
  readonly informers: Pick<Informers, 'on' | 'get' | 'hold' | 'synced'>;
  readonly nodeName: string;
  /** The node's zone (`topology.kubernetes.io/zone`), if it has one. */
  readonly zone?: string;
  /** This node's block of pod addresses, or how to learn it (`spec.podCIDR` of the Node). */
  readonly podCidr: string | ((signal: AbortSignal) => Promise<string>);
  /** All pods of the cluster, wherever. */
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly dnsIp: string;
  /** `cluster.local` unless given. */
  readonly domain?: string;
  readonly dataDir: string;
  /** Where the container runtime reads CNI configurations; `cni/net.d` below the data directory unless given. */
  readonly cniConfDir?: string;
  readonly bridge?: string;
  readonly table?: string;
  readonly resolvConf?: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly run?: RunCommand;
  /** The way to pods on other hosts; none are known unless given. */
  readonly routes?: PodRoutes;
  readonly random?: () => number;
}

/** A node's network at work. Disposing it ends its loops and leaves interfaces, table and addresses as they are. */
export interface Network extends DrainGate, AsyncDisposable {
  /** Pods can be connected: interfaces and CNI configuration are there. Rejects with the reason if they cannot be. */
  ready(signal: AbortSignal): Promise<void>;
  /** Services and DNS answer with all that the caches held at the time of the call. */
  serving(signal: AbortSignal): Promise<void>;
  readonly cniConfDir: string;
}

/** How often the host is looked at, in case somebody removed an interface or another firewall came up. */
const hostCheckMs = 4_000;
const firewallCheckMs = 16_000;
const setupRetryMs = 2_000;
const dnsPort = 53;

/** Starts the network of this node. Returns at once: `ready()` and `serving()` tell how far it is. Needs root. */
export function startNetwork(options: NetworkOptions): Network {
  return new NodeNetwork(options);
}

class NodeNetwork implements Network {
  readonly cniConfDir: string;
  readonly #options: NetworkOptions;
  readonly #run: RunCommand;
  readonly #stop = abortController();
  readonly #index: ServiceIndex;
  /** Settled by the first try to set the host up, however it ended. */
  readonly #tried = Promise.withResolvers<void>();
  readonly #proxy = Promise.withResolvers<ServiceProxy>();
  readonly #done: Promise<void>;
  #setupFailure: unknown;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#run = options.run ?? runCommand;
    this.cniConfDir = options.cniConfDir ?? join(options.dataDir, 'cni', 'net.d');
    this.#index = new ServiceIndex(options.informers);
    this.#proxy.promise.catch(() => {}); // may go unasked
    this.#done = this.#live(this.#stop.signal).catch((error: unknown) => {
      this.#setupFailure ??= error;
      this.#tried.resolve();
      this.#proxy.reject(error);
      if (!this.#stop.signal.aborted)
        options.log.error('the network of this node has stopped', { error: String(error) });
    });
  }

  async ready(signal: AbortSignal): Promise<void> {
    await abortable(this.#tried.promise, signal);
    if (this.#setupFailure !== undefined) throw this.#setupFailure;
  }

  async serving(signal: AbortSignal): Promise<void> {
    const proxy = await abortable(this.#proxy.promise, signal);
    await proxy.flushed(signal);
  }

  async drained(podUid: string, signal: AbortSignal): Promise<boolean> {
    const proxy = { flushed: async (stop: AbortSignal) => (await abortable(this.#proxy.promise, stop)).flushed(stop) };
    return drainGate(this.#index, proxy, this.#options.clock).drained(podUid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the network of this node stops'));
    await this.#done;
    this.#index[Symbol.dispose]();
  }

  async #live(signal: AbortSignal): Promise<void> {
    const { informers, clock, log, podCidr, clusterCidr, serviceCidr, dnsIp, dataDir } = this.#options;
    const { bridge = 'tutti0', table = 'tutti', nodeName, zone } = this.#options;
    const changes = await HostChanges.open(dataDir, this.#run);
    const block = parseBlock(typeof podCidr === 'string' ? podCidr : await podCidr(signal));
    const nodeCidr = formatBlock(block);
    const links = new NodeLinks(
      {
        owner: resolve(dataDir),
        bridge,
        gateway: `${gatewayOf(block)}/${block.bits}`,
        serviceCidr,
        ownAddresses: [dnsIp],
      },
      changes,
      this.#run,
      log,
    );
    const bridgeNetfilter = await this.#setUp(links, changes, nodeCidr, bridge, signal);
    this.#tried.resolve();

    using zoneIndex = new Zone(this.#index);
    this.#index.start();
    informers.hold(Pod); // known before the table is written, or host ports would be gone for a moment
    await informers.synced(signal);
    await using dns = await this.#listen(zoneIndex, signal);
    await changes.note({ kind: 'table', name: table });
    const tableFacts: TableFacts = {
      table,
      bridge,
      clusterCidr,
      serviceCidr,
      bridgeNetfilter,
      podCidr: nodeCidr,
      ownAddresses: [dnsIp],
      ...(dns.port === dnsPort ? {} : { dnsPort: dns.port }),
    };
    const proxy = new ServiceProxy({
      facts: { nodeName, zone, ownAddresses: [dnsIp] },
      tableFacts,
      index: this.#index,
      kernel: new NftTable(tableFacts, this.#run),
      flows: new FlowCleaner(this.#run, log),
      clock,
      log,
    });
    await using loopback = new LoopbackPorts(log);
    using _pods = informers.on(Pod, ({ type, object }) => {
      const key = keyOf({ namespace: object.metadata?.namespace ?? '', name: object.metadata?.name ?? '' });
      const ports = type === 'DELETED' ? [] : hostPortsOf(object, nodeName);
      proxy.setHostPorts(key, hostPortElements(ports));
      loopback.set(`pod ${key}`, hostPortsOnLoopback(ports));
    });
    using _services = informers.on(Service, ({ type, object }) => {
      const key = keyOf({ namespace: object.metadata?.namespace ?? '', name: object.metadata?.name ?? '' });
      const service = type === 'DELETED' ? undefined : object;
      loopback.set(`service ${key}`, nodePortsOnLoopback(service, gatewayOf(block)));
    });
    this.#proxy.resolve(proxy);
    await Promise.all([proxy.run(signal), this.#watchHost(links, bridge, signal)]);
  }

  /** Until it works: what is missing on the host may be installed while we wait. */
  async #setUp(
    links: NodeLinks,
    changes: HostChanges,
    podCidr: string,
    bridge: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, log, dataDir, routes = singleHostRoutes } = this.#options;
    for (;;) {
      try {
        const bridgeNetfilter = await links.ensure(signal);
        await links.passForeignFirewall(signal);
        const leaseDir = join(dataDir, 'network', 'leases');
        await writeCniConfig(this.cniConfDir, { bridge, podCidr, leaseDir }, changes);
        await routes.apply([], signal);
        this.#setupFailure = undefined;
        return bridgeNetfilter;
      } catch (error) {
        signal.throwIfAborted();
        this.#setupFailure = error;
        this.#tried.resolve();
        log.warn('cannot set up the pod network; trying again', { error: String(error), retryMs: setupRetryMs });
        await clock.sleep(setupRetryMs, signal);
      }
    }
  }

  async #listen(zone: Zone, signal: AbortSignal): Promise<DnsServer> {
    const {
      clock,
      log,
      clusterCidr,
      serviceCidr,
      dnsIp,
      domain = 'cluster.local',
      random = Math.random,
    } = this.#options;
    const pods = parseBlock(clusterCidr);
    const facts = { domain, dnsIp, ownBlocks: [pods, parseBlock(serviceCidr)] };
    const forwarder = new Forwarder({ upstreams: this.#upstreams(), exchange, clock });
    const respond = responder({ zone, facts, forwarder, random });
    const isAllowed = clusterClients([pods], () => clock.now());
    const listen = (port: number) => DnsServer.listen({ address: dnsIp, port, respond, isAllowed, log });
    for (;;) {
      try {
        return await listen(dnsPort);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // Something on the host has port 53 of all addresses: ours is redirected in the service table.
        if (code === 'EADDRINUSE') return listen(0);
        log.warn("the cluster's DNS cannot listen; trying again", { address: dnsIp, error: String(error) });
        await clock.sleep(setupRetryMs, signal);
      }
    }
  }

  #upstreams(): () => readonly Upstream[] {
    const { resolvConf = '/etc/resolv.conf', clock, dnsIp } = this.#options;
    let known: readonly Upstream[] = [];
    let readAt = -Infinity;
    return () => {
      if (clock.now() - readAt < hostCheckMs) return known;
      readAt = clock.now();
      try {
        known = parseUpstreams(readFileSync(resolvConf, 'utf8'), [dnsIp]);
      } catch {
        known = []; // no file: nobody to ask
      }
      return known;
    };
  }

  async #watchHost(links: NodeLinks, bridge: string, signal: AbortSignal): Promise<void> {
    const { clock, log, dnsIp } = this.#options;
    let firewallAt = clock.now() + firewallCheckMs;
    while (!signal.aborted) {
      try {
        await clock.sleep(hostCheckMs, signal);
        // Not from /sys, which shows the interfaces of whoever mounted it; an idle bridge is none of networkInterfaces().
        const isThere = hasInterface(bridge);
        const hasDns = networkInterfaces()['lo']?.some(({ address }) => address === dnsIp) ?? false;
        if (!isThere || !hasDns) {
          log.warn('an interface of the pod network was removed by somebody else; making it again', { bridge });
          await links.ensure(signal);
        }
        if (clock.now() < firewallAt) continue;
        firewallAt = clock.now() + firewallCheckMs;
        await links.passForeignFirewall(signal);
      } catch (error) {
        if (!signal.aborted) log.warn('cannot repair the pod network; trying again', { error: String(error) });
      }
    }
  }
}

function hasInterface(name: string): boolean {
  const lines = readFileSync('/proc/self/net/dev', 'utf8').split('\n');
  return lines.some((line) => line.trimStart().startsWith(`${name}:`));
}
