import { readFile, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { Node } from '#api/core/node.ts';
import type * as core from '#api/core/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Cri } from './cri/cri.ts';
import { allocatableOf, capacityOf, type NodeFacts } from './node-facts.ts';
import { rfc3339 } from './pod/container-status.ts';

export interface NodeStatusOptions {
  readonly client: Client;
  readonly cri: Cri;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly dataDir: string;
  readonly facts: NodeFacts;
  readonly hostIps: () => readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly core.Taint[];
  readonly runtimeVersion: string;
  readonly version: string;
  /** Where `PodStreams` are served; 0 if they are not. */
  readonly streamPort: number;
  /** Why the pod network is not up; undefined if it is. */
  readonly networkFailure: () => string | undefined;
}

/** The status is looked at this often, and written when it differs or the last writing is `writeEveryMs` ago. */
const lookEveryMs = 10_000;
const writeEveryMs = 5 * 60_000;
const imagesMax = 50;
const retryMs = 1000;
/** Pressure begins below these shares of what is free. */
const diskFreeMin = 0.05;
const memoryFreeBytesMin = 100 * 1024 * 1024;
const pidsFreeMin = 0.05;

/** Makes the node known to the cluster and keeps what the cluster knows of it true. */
export class NodeStatus {
  readonly #options: NodeStatusOptions;
  #node: Node | undefined;
  #writtenAt = 0;
  #wake: () => void = () => {};

  constructor(options: NodeStatusOptions) {
    this.#options = options;
  }

  /** The node as last written. */
  get node(): Node | undefined {
    return this.#node;
  }

  /** Looks at once instead of at the next beat. */
  wake(): void {
    this.#wake();
  }

  /** Creates the Node, or adopts the one of this name; retries until the API takes it. */
  async register(signal: AbortSignal): Promise<void> {
    const { clock, log, nodeName } = this.#options;
    for (;;) {
      try {
        this.#node = await this.#register(signal);
        log.info('node registered', { node: nodeName });
        return;
      } catch (error) {
        signal.throwIfAborted();
        log.warn('node cannot be registered', { error });
        await clock.sleep(retryMs, signal);
      }
    }
  }

  async #register(signal: AbortSignal): Promise<Node> {
    const { client, nodeName, taints } = this.#options;
    const labels = this.#labels();
    const status = await this.#status(undefined, signal);
    try {
      const node: Node = { metadata: { name: nodeName, labels }, spec: taints.length === 0 ? {} : { taints }, status };
      const created = await client.create(Node, node, { signal });
      return await this.#write(created, status, signal);
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
    const found = await client.get(Node, { name: nodeName }, { signal });
    const differs = Object.entries(labels).some(([key, value]) => found.metadata?.labels?.[key] !== value);
    const patch = { metadata: { labels } };
    const labelled = differs
      ? await client.patch(Node, { name: nodeName }, { type: 'merge', patch }, { signal })
      : found;
    return this.#write(labelled, await this.#status(labelled, signal), signal);
  }

  /** Settles when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const stop = new AbortController();
      const beat = clock.sleep(lookEveryMs, AbortSignal.any([signal, stop.signal])).catch(() => {});
      await Promise.race([promise, beat]);
      stop.abort();
      if (signal.aborted) return;
      try {
        await this.#update(signal);
      } catch (error) {
        if (!signal.aborted) log.warn('node status cannot be written', { error });
      }
    }
  }

  async #update(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const status = await this.#status(this.#node, signal);
    const isDue = clock.now() - this.#writtenAt >= writeEveryMs;
    if (!isDue && isDeepStrictEqual(comparable(status), comparable(this.#node?.status))) return;
    try {
      this.#node = await this.#write(this.#node, status, signal);
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      // Somebody deleted the node while it lives: it comes back.
      this.#node = await this.#register(signal);
    }
  }

  async #write(node: Node | undefined, status: core.NodeStatus, signal: AbortSignal): Promise<Node> {
    const { client, clock, nodeName } = this.#options;
    // Conditions are merged by type, so that those of others stay; the rest is ours.
    const others = (node?.status?.conditions ?? []).filter(
      ({ type }) => !status.conditions?.some((own) => own.type === type),
    );
    const patch = { status: { ...status, conditions: [...(status.conditions ?? []), ...others] } };
    const written = await client.patch(
      Node,
      { name: nodeName },
      { type: 'merge', patch },
      { subresource: 'status', signal },
    );
    this.#writtenAt = clock.now();
    return written;
  }

  #labels(): Record<string, string> {
    const { nodeName, labels, facts } = this.#options;
    return {
      'kubernetes.io/hostname': nodeName,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': facts.architecture,
      'beta.kubernetes.io/os': 'linux',
      'beta.kubernetes.io/arch': facts.architecture,
      ...labels,
    };
  }

  async #status(before: Node | undefined, signal: AbortSignal): Promise<core.NodeStatus> {
    const { facts, hostIps, runtimeVersion, version, streamPort } = this.#options;
    return {
      addresses: [
        ...hostIps().map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: hostname() },
      ],
      capacity: capacityOf(facts),
      allocatable: allocatableOf(facts),
      conditions: await this.#conditions(before, signal),
      daemonEndpoints: { kubeletEndpoint: { Port: streamPort } },
      nodeInfo: {
        architecture: facts.architecture,
        bootID: facts.bootId,
        containerRuntimeVersion: `containerd://${runtimeVersion}`,
        kernelVersion: facts.kernel,
        kubeProxyVersion: version,
        kubeletVersion: version,
        machineID: facts.machineId,
        operatingSystem: 'linux',
        osImage: facts.osImage,
        systemUUID: facts.systemUuid,
      },
      images: await this.#images(signal),
      runtimeHandlers: [{ name: '', features: { recursiveReadOnlyMounts: false, userNamespaces: false } }],
    };
  }

  async #conditions(before: Node | undefined, signal: AbortSignal): Promise<readonly core.NodeCondition[]> {
    const { clock, dataDir } = this.#options;
    const now = rfc3339(clock.now());
    const notReady = await this.#failure(signal);
    const [memory, disk, pids] = await Promise.all([memoryIsShort(), diskIsShort(dataDir), pidsAreShort()]);
    const findings: readonly [type: string, status: boolean, reason: string, message: string][] = [
      [
        'MemoryPressure',
        memory,
        memory ? 'KubeletHasInsufficientMemory' : 'KubeletHasSufficientMemory',
        memory ? 'kubelet has insufficient memory available' : 'kubelet has sufficient memory available',
      ],
      [
        'DiskPressure',
        disk,
        disk ? 'KubeletHasDiskPressure' : 'KubeletHasNoDiskPressure',
        disk ? 'kubelet has disk pressure' : 'kubelet has no disk pressure',
      ],
      [
        'PIDPressure',
        pids,
        pids ? 'KubeletHasInsufficientPID' : 'KubeletHasSufficientPID',
        pids ? 'kubelet has insufficient PID available' : 'kubelet has sufficient PID available',
      ],
      [
        'Ready',
        notReady === undefined,
        notReady === undefined ? 'KubeletReady' : 'KubeletNotReady',
        notReady ?? 'kubelet is posting ready status',
      ],
    ];
    return findings.map(([type, holds, reason, message]) => {
      const status = holds ? 'True' : 'False';
      const old = before?.status?.conditions?.find((condition) => condition.type === type);
      const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
      return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
    });
  }

  /** Why pods cannot run here. */
  async #failure(signal: AbortSignal): Promise<string | undefined> {
    try {
      const { status } = await this.#options.cri.call('Status', {}, { signal });
      const runtime = status?.conditions.find(({ type }) => type === 'RuntimeReady');
      if (runtime?.status !== true) return `container runtime is not ready: ${runtime?.message ?? ''}`;
    } catch (error) {
      signal.throwIfAborted();
      return `container runtime is down: ${(error as Error).message}`;
    }
    return this.#options.networkFailure();
  }

  async #images(signal: AbortSignal): Promise<readonly core.ContainerImage[]> {
    const { images } = await this.#options.cri.call('ListImages', {}, { signal }).catch(() => ({ images: [] }));
    return images
      .map(({ repoTags, repoDigests, size }) => ({
        names: [...repoDigests, ...repoTags].slice(0, 5),
        sizeBytes: Number(size),
      }))
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes || (a.names.join() < b.names.join() ? -1 : 1))
      .slice(0, imagesMax);
  }
}

/** Without the beat, whose change alone is no news. */
function comparable(status: core.NodeStatus | undefined): unknown {
  if (status === undefined) return undefined;
  const conditions = status.conditions?.map(({ type, status: value, reason, message }) => ({
    type,
    value,
    reason,
    message,
  }));
  const own = conditions?.filter(({ type }) =>
    ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'].includes(type),
  );
  const { addresses, capacity, allocatable, daemonEndpoints, nodeInfo, images } = status;
  return JSON.parse(JSON.stringify({ own, addresses, capacity, allocatable, daemonEndpoints, nodeInfo, images }));
}

async function memoryIsShort(): Promise<boolean> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const kib = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? Number.MAX_SAFE_INTEGER);
  return kib * 1024 < memoryFreeBytesMin;
}

async function diskIsShort(dataDir: string): Promise<boolean> {
  const { bavail, blocks, ffree, files } = await statfs(dataDir);
  return bavail < blocks * diskFreeMin || (files > 0 && ffree < files * diskFreeMin);
}

async function pidsAreShort(): Promise<boolean> {
  const [max, load] = await Promise.all([
    readFile('/proc/sys/kernel/pid_max', 'utf8'),
    readFile('/proc/loadavg', 'utf8'),
  ]);
  const used = Number(load.split(' ')[3]?.split('/')[1] ?? 0);
  return used > Number(max) * (1 - pidsFreeMin);
}
