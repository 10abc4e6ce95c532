import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Service } from '#api/core/service.ts';
import type * as core from '#api/core/types.generated.ts';
import type { Client } from '#client/client.ts';
import { EventRecorder } from '#client/event-recorder.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { AgentContext, PodNetwork } from './agent-context.ts';
import { CgroupTree, findCgroups } from './cgroup.ts';
import { startContainerd } from './containerd.ts';
import type { DnsSettings } from './container/dns-config.ts';
import { ExitEvents } from './exit-events.ts';
import { CriPodStreams, type RuntimeStreaming } from './cri-pod-streams.ts';
import { Follower } from './follower.ts';
import { ensurePauseImage } from './image-import.ts';
import { Images } from './images.ts';
import { rotateLogs } from './logs/rotate-logs.ts';
import { allocatableOf, findHostIps, readNodeFacts } from './node-facts.ts';
import { runNodeLease } from './node-lease.ts';
import { NodeStatus } from './node-status.ts';
import { agentPaths } from './paths.ts';
import { PodSet } from './pod-set.ts';
import { RuntimeView } from './runtime-view.ts';
import type { PodStreams } from './streams.ts';
import { isTmpfs, mountTmpfs, mountsBelow } from './volumes/mounts.ts';
import { watchObjects } from './watched-objects.ts';

export interface AgentOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly dataDir: string;
  readonly network: PodNetwork;
  readonly dns: DnsSettings;
  readonly streaming: RuntimeStreaming;
  /** What the node calls its software: `v1.35.0-tutti.1`. */
  readonly version: string;
  /** Further labels of the Node, and taints it is created with. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly core.Taint[];
  /** Where `streams` are served; the API server asks there. 0 unless given. */
  readonly streamPort?: number;
  /** The node's address; found by itself unless given. */
  readonly hostIps?: readonly string[];
}

export interface Agent extends AsyncDisposable {
  readonly streams: PodStreams;
  /** Unix socket of the container runtime, for image imports. */
  readonly runtimeSocket: string;
  /** Resolves when all pods that were on this node at the start have been taken over. */
  readonly adopted: Promise<void>;
}

const networkRetryMs = 1000;
const rotateEveryMs = 10_000;

/**
 * Runs this host as a node of the cluster until it is disposed of. Containers are left running then, and taken over
 * by the next agent on the same data directory.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { client, clock, log, nodeName } = options;
  const paths = agentPaths(options.dataDir);
  const stop = abortController();
  const { signal } = stop;
  const loops: Promise<void>[] = [];
  const spawn = (loop: Promise<void>) =>
    void loops.push(loop.catch((error: unknown) => void (signal.aborted || log.error('agent loop ended', { error }))));
  try {
    await mkdir(paths.pods, { recursive: true, mode: 0o750 });
    await mkdir(paths.podLogs, { recursive: true, mode: 0o755 });
    const [containerd, facts, mounts] = await Promise.all([
      startContainerd({ paths, clock, log, signal }),
      readNodeFacts(paths.dataDir),
      findCgroups(),
    ]);
    const { cri } = containerd;
    spawn(containerd.supervise(signal));
    const cgroups = new CgroupTree(mounts, paths.cgroup);
    await Promise.all([
      ensurePauseImage(cri, containerd.socket, signal),
      cgroups.prepare(),
      prepareVolatile(paths.containerd.state),
    ]);
    const hostIps = options.hostIps ?? findHostIps();
    const allocatable = allocatableOf(facts);
    const events = new EventRecorder({ client, clock, log, component: 'kubelet', host: nodeName });
    spawn(events.run(signal));
    const services = new Follower({ client, kind: Service, scope: {}, clock, log });
    spawn(services.run(signal));
    const exits = new ExitEvents(containerd.socket, clock, log);
    spawn(exits.run(signal));
    let networkFailure: string | undefined = 'the pod network is not set up yet';
    const context: AgentContext = {
      client,
      cri,
      clock,
      log,
      events,
      paths,
      nodeName,
      images: new Images(cri, clock),
      view: new RuntimeView(cri, log),
      objects: watchObjects(client, clock, log, signal),
      exits,
      cgroups,
      network: options.network,
      dns: options.dns,
      hostIps: () => hostIps,
      allocatable: () => allocatable,
      memoryBytes: facts.memoryBytes,
      services: () => services.list(),
      servicesKnown: () => services.synced,
    };
    const status = new NodeStatus({
      client,
      cri,
      clock,
      log,
      nodeName,
      dataDir: paths.dataDir,
      facts,
      hostIps: () => hostIps,
      labels: options.labels ?? {},
      taints: options.taints ?? [],
      runtimeVersion: containerd.version,
      version: options.version,
      streamPort: options.streamPort ?? 0,
      networkFailure: () => networkFailure,
    });
    const pods = new PodSet(context, signal);
    const live = async () => {
      await status.register(signal);
      spawn(runNodeLease({ client, clock, log, nodeName, nodeUid: () => status.node?.metadata?.uid }, signal));
      spawn(status.run(signal));
      await awaitNetwork(options, signal, (failure) => {
        networkFailure = failure;
        status.wake();
      });
    };
    spawn(live());
    spawn(pods.run(signal));
    spawn(rotate(context, signal));
    return {
      streams: new CriPodStreams(context, pods, options.streaming),
      runtimeSocket: containerd.socket,
      adopted: pods.adopted,
      async [Symbol.asyncDispose]() {
        stop.abort(new Error('the agent stops'));
        await Promise.all(loops);
        await pods.settled();
        cri[Symbol.dispose]();
      },
    };
  } catch (error) {
    stop.abort(error);
    await Promise.all(loops);
    throw error;
  }
}

/** A tmpfs for what must not touch a disk, such as secrets. */
async function prepareVolatile(state: string): Promise<void> {
  const dir = join(state, 'volatile');
  await mkdir(dir, { recursive: true });
  if (!(await isTmpfs(dir)) && !(await mountsBelow(dir)).includes(dir)) await mountTmpfs(dir, 0o700);
  // Pods see their own part through a mount; nobody else on the host needs to.
  await chmod(dir, 0o700);
}

async function awaitNetwork(
  { network, clock, log }: AgentOptions,
  signal: AbortSignal,
  tell: (failure: string | undefined) => void,
): Promise<void> {
  for (;;) {
    try {
      await network.ready(signal);
      tell(undefined);
      return;
    } catch (error) {
      signal.throwIfAborted();
      log.warn('pod network is not ready', { error });
      tell(`the pod network is not ready: ${(error as Error).message}`);
      await clock.sleep(networkRetryMs, signal);
    }
  }
}

async function rotate({ cri, clock, log, paths }: AgentContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(rotateEveryMs, signal).catch(() => {});
    if (signal.aborted) return;
    await rotateLogs(cri, paths.podLogs, signal).catch((error: unknown) =>
      log.warn('logs cannot be rotated', { error }),
    );
  }
}
