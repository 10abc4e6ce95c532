import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Service } from '#api/core/service.ts';
import type { Log } from '#lib/log.ts';
import type { HostPort } from './service-proxy/elements.ts';

/** A TCP port of the host's loopback address and where its connections go. */
export interface LoopbackPort {
  readonly port: number;
  readonly target: { readonly ip: string; readonly port: number };
}

const loopback = '127.0.0.1';
const portsMax = 1_024;
const connectionsPerPortMax = 512;

/**
 * Node ports and host ports on 127.0.0.1, for those who type `localhost`. The kernel could translate such packets
 * only with `route_localnet`, which lets neighbours reach what listens on loopback (CVE-2020-8558), so these
 * connections pass through this process instead, and end with it. TCP only. A port that another program of the
 * host already has is left to it.
 */
export class LoopbackPorts implements AsyncDisposable {
  readonly #log: Log;
  readonly #wanted = new Map<string, readonly LoopbackPort[]>();
  readonly #servers = new Map<
    number,
    { readonly server: Server; readonly target: string; readonly sockets: Set<Socket> }
  >();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Replaces what `owner` asked for before; of two who want a port, the one that has it keeps it. */
  set(owner: string, ports: readonly LoopbackPort[]): void {
    const before = this.#wanted.get(owner) ?? [];
    if (ports.length === 0) this.#wanted.delete(owner);
    else this.#wanted.set(owner, ports);
    for (const { port } of before) this.#reconcile(port);
    for (const { port } of ports) this.#reconcile(port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wanted.clear();
    await Promise.all([...this.#servers.keys()].map((port) => this.#close(port)));
  }

  #reconcile(port: number): void {
    const wishes = [...this.#wanted.values()].flat().filter((one) => one.port === port);
    const running = this.#servers.get(port);
    if (running !== undefined && wishes.some(({ target }) => textOf(target) === running.target)) return;
    if (running !== undefined) void this.#close(port);
    const [wish] = wishes;
    if (wish !== undefined && this.#servers.size < portsMax) this.#open(wish);
  }

  #open({ port, target }: LoopbackPort): void {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connect({ host: target.ip, port: target.port, allowHalfOpen: true });
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        socket.on('error', () => other.destroy());
        socket.pipe(other);
      }
    });
    server.maxConnections = connectionsPerPortMax;
    server.on('error', (error) => {
      this.#log.debug('a port on loopback cannot be opened', { port, error: error.message });
      if (this.#servers.get(port)?.server === server) this.#servers.delete(port);
    });
    server.listen(port, loopback);
    server.unref();
    this.#servers.set(port, { server, target: textOf(target), sockets });
  }

  async #close(port: number): Promise<void> {
    const running = this.#servers.get(port);
    this.#servers.delete(port);
    for (const socket of running?.sockets ?? []) socket.destroy();
    await new Promise<void>((resolve) => (running === undefined ? resolve() : running.server.close(() => resolve())));
  }
}

const textOf = ({ ip, port }: LoopbackPort['target']) => `${ip}:${port}`;

/** A service's node ports; connections go to the same port of an address of the node, where the kernel chooses. */
export function nodePortsOnLoopback(service: Service | undefined, nodeAddress: string): readonly LoopbackPort[] {
  return (service?.spec.ports ?? []).flatMap(({ nodePort = 0, protocol = 'TCP' }) =>
    nodePort > 0 && protocol === 'TCP' ? [{ port: nodePort, target: { ip: nodeAddress, port: nodePort } }] : [],
  );
}

/** A pod's host ports, of those on every address and those on 127.0.0.1. */
export function hostPortsOnLoopback(ports: readonly HostPort[]): readonly LoopbackPort[] {
  return ports.flatMap(({ hostIp, protocol, hostPort, target }) =>
    protocol === 'tcp' && (hostIp === undefined || hostIp === loopback) ? [{ port: hostPort, target }] : [],
  );
}
