import type { RecordType } from 'dns-packet';
import { fileURLToPath } from 'node:url';
import { runChecked, runCommand, type RunCommand } from '../command.ts';
import { PlacedProcess } from './placed-process.ts';

/** A reply of a DNS server: the code's name, whether it was truncated, and `TYPE data` of each answer. */
export interface DnsOutcome {
  readonly code: string;
  readonly isTruncated: boolean;
  readonly answers: readonly string[];
}

/** What an inhabitant of the laboratory can be told to do. */
export type Order =
  | {
      readonly do: 'listen';
      readonly protocol: 'tcp' | 'udp';
      readonly port: number;
      readonly host?: string;
      readonly name: string;
    }
  | {
      readonly do: 'look-up';
      readonly protocol: 'tcp' | 'udp';
      readonly server: string;
      readonly name: string;
      readonly type: RecordType;
    }
  | {
      readonly do: 'ask';
      readonly protocol: 'tcp' | 'udp';
      readonly host: string;
      readonly port: number;
      readonly times?: number;
      readonly localPort?: number;
    };

const inhabitantFile = fileURLToPath(new URL('inhabitant.ts', import.meta.url));
let labs = 0;

/**
 * A node with its pods for tests of the data plane, in network namespaces of their own: `node` has the bridge
 * `tutti0` (10.244.0.1/24) and, over a cable, a neighbour `outside` (192.0.2.1 sees the node as 192.0.2.2).
 * Needs root. Disposing removes every process and namespace, whatever happened.
 */
export class Lab implements AsyncDisposable {
  readonly #prefix = `tt${process.pid}x${labs++}`;
  readonly #signal: AbortSignal;
  readonly #places = new Map<string, PlacedProcess>();

  private constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** With `bare`, the node gets no bridge and forwards nothing: the network under test is to see to that. */
  static async open(signal: AbortSignal, { bare = false } = {}): Promise<Lab> {
    const lab = new Lab(signal);
    try {
      await lab.#addNamespace('node');
      await lab.#addNamespace('outside');
      await lab.#cable('node', 'eth0', '192.0.2.2/24', 'outside', 'eth0', '192.0.2.1/24');
      await lab.ip('node', 'route add default via 192.0.2.1');
      const forwarding = `net.ipv4.ip_forward=${bare ? 0 : 1}`;
      await runChecked(lab.runIn('node'), 'sysctl', ['-qw', forwarding], { signal });
      if (bare) return lab;
      await lab.ip('node', 'link add tutti0 type bridge', 'addr add 10.244.0.1/24 dev tutti0', 'link set tutti0 up');
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds a pod on the bridge. */
  async addPod(name: string, address: string): Promise<void> {
    await this.#addNamespace(name);
    const port = `p-${name}`;
    await this.#cable('node', port, undefined, name, 'eth0', `${address}/24`);
    await this.ip('node', `link set ${port} master tutti0`, `link set ${port} type bridge_slave hairpin on`);
    await this.ip(name, 'route add default via 10.244.0.1');
  }

  /** Adds a pod without any cable: a CNI plugin is to lay it. */
  async addUnconnectedPod(name: string): Promise<void> {
    await this.#addNamespace(name);
  }

  /** The namespace's name for `ip` and `nsenter`. */
  namespace(place: string): string {
    return `${this.#prefix}-${place}`;
  }

  /** Runs commands of `ip` in a namespace, one after the other. */
  async ip(place: string, ...commands: readonly string[]): Promise<void> {
    for (const command of commands) {
      await runChecked(runCommand, 'ip', ['-n', this.namespace(place), ...command.split(' ')], {
        signal: this.#signal,
      });
    }
  }

  /** Runs programs in a namespace. */
  runIn(place: string): RunCommand {
    const enter = `--net=/run/netns/${this.namespace(place)}`;
    return (program, args, options) => runCommand('nsenter', [enter, program, ...args], options);
  }

  async listen(place: string, protocol: 'tcp' | 'udp', port: number, host?: string): Promise<void> {
    await this.#at(place).tell({ do: 'listen', protocol, port, name: place, ...(host === undefined ? {} : { host }) });
  }

  /** Connects `times` times, one after the other; each reply is the server's text, an error code or `timeout`. */
  async ask(place: string, order: Omit<Extract<Order, { do: 'ask' }>, 'do'>): Promise<readonly string[]> {
    return (await this.#at(place).tell({ do: 'ask', ...order })) as readonly string[];
  }

  async lookUp(place: string, order: Omit<Extract<Order, { do: 'look-up' }>, 'do'>): Promise<DnsOutcome> {
    return (await this.#at(place).tell({ do: 'look-up', ...order })) as DnsOutcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#places.values()].map((one) => one[Symbol.asyncDispose]()));
    const signal = AbortSignal.timeout(10_000);
    for (const place of [...this.#places.keys()].toReversed()) {
      await runCommand('ip', ['netns', 'del', this.namespace(place)], { signal });
    }
  }

  #at(place: string): PlacedProcess {
    const inhabitant = this.#places.get(place);
    if (inhabitant === undefined) throw new Error(`there is no "${place}" in this laboratory`);
    return inhabitant;
  }

  async #addNamespace(place: string): Promise<void> {
    await runChecked(runCommand, 'ip', ['netns', 'add', this.namespace(place)], { signal: this.#signal });
    this.#places.set(place, new PlacedProcess(this.namespace(place), inhabitantFile, this.#signal));
    await this.ip(place, 'link set lo up');
  }

  async #cable(
    a: string,
    aName: string,
    aIp: string | undefined,
    b: string,
    bName: string,
    bIp: string,
  ): Promise<void> {
    await this.ip(a, `link add ${aName} type veth peer name ${bName} netns ${this.namespace(b)}`);
    if (aIp !== undefined) await this.ip(a, `addr add ${aIp} dev ${aName}`);
    await this.ip(a, `link set ${aName} up`);
    await this.ip(b, `addr add ${bIp} dev ${bName}`, `link set ${bName} up`);
  }
}
