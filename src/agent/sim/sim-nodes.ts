import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { CacheEvent, Informers } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import { compareVersions } from '#client/resource-version.ts';
import type { Clock } from '#lib/clock.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import type { Log } from '#lib/log.ts';
import { WorkQueue, type WorkResult } from '#lib/work-queue.ts';
import { keyOf, refOf } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { AddressSlots } from './address-slots.ts';
import { Heartbeats } from './heartbeats.ts';
import {
  addressNumber,
  nodeAddress,
  nodeObject,
  podAddress,
  podAddressesMax,
  simNodesMax,
  simNodesOf,
  type NodeShape,
  type SimNode,
} from './node-shape.ts';
import { planPod } from './pod-plan.ts';

export interface SimNodesOptions {
  readonly client: Client;
  /** Shared: one watch over all pods serves every pretend node. */
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodes: readonly NodeShape[];
  /**
   * Names of nodes that are in the API already and stay as they are there: their pods are driven, but nobody registers
   * them or renews their leases.
   */
  readonly adopts?: readonly string[];
  /** From a pod's arrival on its node to its containers running, in milliseconds; at once unless given. */
  readonly startMs?: number;
}

const registrationsInFlightMax = 32;
const podsInFlightMax = 64;

interface PodMemory {
  readonly since: number;
  readonly node: Host;
  /** Address slot on the node, or -1. */
  readonly slot: number;
  /** The resourceVersion of our last write: an older pod in the cache is not to be judged. */
  version: string | undefined;
}

interface Host {
  readonly node: SimNode;
  readonly slots: AddressSlots;
  readonly pods: Set<string>;
  /** Not ours to register or to keep alive. */
  readonly adopted: boolean;
  /** False while the node plays dead: no heartbeats, and nothing moves on it. */
  alive: boolean;
}

const hostOf = (node: SimNode, adopted: boolean): Host => ({
  node,
  adopted,
  slots: new AddressSlots(),
  pods: new Set(),
  alive: true,
});

/**
 * Many pretend nodes in one process: they register, renew their leases and drive the pods that are bound to them
 * through their lives, without containers. Pods behave as their annotations say (`behaviour.ts`).
 */
export class SimNodes {
  readonly #options: SimNodesOptions;
  readonly #shapes: NodeShape[] = [];
  readonly #hosts = new Map<string, Host>();
  /** By pod key. */
  readonly #memory = new Map<string, PodMemory>();
  readonly #queue: WorkQueue;
  readonly #heartbeats: Heartbeats;

  constructor(options: SimNodesOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#heartbeats = new Heartbeats(options);
    for (const [index, name] of (options.adopts ?? []).entries()) {
      // Numbered from the end: others may be added.
      const node = { name, shape: { count: 1 }, number: simNodesMax - 1 - index, zone: undefined };
      this.#hosts.set(name, hostOf(node, true));
    }
    this.#enlist(options.nodes);
    this.#queue = new WorkQueue({
      clock,
      workersMax: podsInFlightMax,
      onError: (pod, error, { retryMs }) => log.warn('pretend pod not driven', { pod, retryMs, error }),
    });
  }

  get names(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  /** Registers all nodes, with their leases. Nodes that are there already are taken over as they are. */
  async register(signal: AbortSignal): Promise<void> {
    const own = [...this.#hosts.values()].filter(({ adopted }) => !adopted);
    await forEachLimit(own, registrationsInFlightMax, (host) => this.#register(host, signal));
  }

  /** More nodes join. Throws if one of them has the name of another. */
  async add(shapes: readonly NodeShape[], signal: AbortSignal): Promise<void> {
    await forEachLimit(this.#enlist(shapes), registrationsInFlightMax, (host) => this.#register(host, signal));
  }

  /** Drives nodes and pods until `signal` aborts. `register()` comes first, or beside. */
  async run(signal: AbortSignal): Promise<void> {
    const subscription = this.#options.informers.on(Pod, (event) => this.#onPod(event));
    try {
      await Promise.all([this.#queue.run((key, work) => this.#drive(key, work), signal), this.#heartbeats.run(signal)]);
    } finally {
      subscription[Symbol.dispose]();
    }
  }

  /** Makes a node play dead: no more heartbeats, and its pods stay as they are. */
  stop(nodeName: string): void {
    const host = this.#host(nodeName);
    host.alive = false;
    this.#heartbeats.remove(nodeName);
  }

  /** Brings a stopped node back: it renews its lease at once and catches up with its pods. */
  async restart(nodeName: string, signal: AbortSignal): Promise<void> {
    const host = this.#host(nodeName);
    host.alive = true;
    await this.#register(host, signal);
    for (const key of host.pods) this.#queue.add(key);
  }

  /** Nodes of all shapes are numbered together, so those that were there keep their numbers. */
  #enlist(shapes: readonly NodeShape[]): readonly Host[] {
    const before = simNodesOf(this.#shapes).length;
    const added = simNodesOf([...this.#shapes, ...shapes]).slice(before);
    const twice = added.find(({ name }) => this.#hosts.has(name));
    if (twice !== undefined) throw new Error(`There are two pretend nodes "${twice.name}"`);
    this.#shapes.push(...shapes);
    return added.map((node) => {
      const host = hostOf(node, false);
      this.#hosts.set(node.name, host);
      return host;
    });
  }

  #host(nodeName: string): Host {
    const host = this.#hosts.get(nodeName);
    if (host === undefined) throw new Error(`No pretend node "${nodeName}"`);
    return host;
  }

  async #register(host: Host, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options;
    const { name } = host.node;
    const wanted = nodeObject(host.node, new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z'));
    try {
      const created = await client.create(Node, wanted, { signal });
      if (created.status?.allocatable === undefined) {
        const patch = { status: wanted.status };
        await client.patch(Node, { name }, { type: 'merge', patch }, { signal, subresource: 'status' });
      }
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      // A node that was given up while it was away says itself that it is back.
      const patch = { status: { conditions: wanted.status?.conditions ?? [] } };
      await client.patch(Node, { name }, { type: 'merge', patch }, { signal, subresource: 'status' });
    }
    this.#heartbeats.add(name);
    await this.#heartbeats.beat(name, signal);
  }

  #onPod({ type, object: pod, previous }: CacheEvent<Pod>): void {
    const nodeName = pod.spec?.nodeName;
    const host = nodeName === undefined ? undefined : this.#hosts.get(nodeName);
    if (host === undefined) return;
    const key = keyOf({ namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' });
    if (type === 'DELETED') return this.#forget(key);
    const known = this.#memory.get(key);
    if (known === undefined || (previous !== undefined && previous.metadata?.uid !== pod.metadata?.uid)) {
      this.#forget(key);
      this.#memory.set(key, this.#arrival(host, pod));
      host.pods.add(key);
    }
    this.#queue.add(key);
  }

  #arrival(host: Host, pod: Pod): PodMemory {
    const since = this.#options.clock.now();
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (pod.spec?.hostNetwork === true || ended) return { since, node: host, slot: -1, version: undefined };
    const before = pod.status?.podIP;
    if (before === undefined) return { since, node: host, slot: host.slots.take(), version: undefined };
    const slot = slotOf(host.node, before);
    if (slot >= 0) host.slots.mark(slot);
    return { since, node: host, slot, version: undefined };
  }

  #forget(key: string): void {
    const memory = this.#memory.get(key);
    if (memory === undefined) return;
    this.#memory.delete(key);
    memory.node.pods.delete(key);
    if (memory.slot >= 0) memory.node.slots.release(memory.slot);
  }

  async #drive(key: string, signal: AbortSignal): Promise<WorkResult> {
    const { informers, clock, client, startMs = 0 } = this.#options;
    const memory = this.#memory.get(key);
    const pod = informers.get(Pod, key);
    if (memory === undefined || pod === undefined || !memory.node.alive) return undefined;
    if (compareVersions(pod.metadata?.resourceVersion, memory.version) < 0) return undefined; // its event will come
    const { node, slot } = memory;
    const hostIp = nodeAddress(node.node);
    const podIp = slot >= 0 ? podAddress(node.node, slot) : (pod.status?.podIP ?? hostIp);
    const now = clock.now();
    const plan = planPod(pod, { now, since: memory.since, startMs, hostIp, podIp });
    const uid = pod.metadata?.uid ?? '';
    try {
      switch (plan.do) {
        case 'nothing':
          return undefined;
        case 'wait':
          return { againMs: plan.untilMs - now };
        case 'report': {
          const patch = { metadata: { uid }, status: plan.status };
          const options = { signal, subresource: 'status' };
          const written = await client.patch(Pod, refOf(key), { type: 'strategic', patch }, options);
          memory.version = written.metadata?.resourceVersion;
          return undefined; // the event of our own write brings the next step
        }
        case 'delete':
          await client.delete(Pod, refOf(key), { signal, gracePeriodSeconds: 0, preconditions: { uid } });
          return undefined;
      }
    } catch (error) {
      if (hasReason(error, 'NotFound') || signal.aborted) return undefined; // it is gone
      throw error;
    }
  }
}

/** The slot behind an address this node has given before, or -1. */
function slotOf(node: SimNode, address: string): number {
  const slot = addressNumber(address) - addressNumber(podAddress(node, 0));
  return slot >= 0 && slot < podAddressesMax ? slot : -1;
}
