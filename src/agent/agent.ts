import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import type * as core from '#api/core/types.generated.ts';
import type { Client } from '#client/client.ts';
import { EventRecorder } from '#client/event-recorder.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { AgentContext, PodNetwork } from './agent-context.ts';
import { CgroupTree, findCgroups } from './cgroup.ts';
import { startContainerd } from './containerd.ts';
import type { DnsSettings } from './container/dns-config.ts';
import { ExitEvents } from './exit-events.ts';
import { CriPodStreams, type PodWorkers, type RuntimeStreaming } from './cri-pod-streams.ts';
import { Follower } from './follower.ts';
import { ensurePauseImage } from './image-import.ts';
import { Images } from './images.ts';
import { rotateLogs } from './logs/rotate-logs.ts';
import { allocatableOf, findHostIps, readNodeFacts } from './node-facts.ts';
import { runNodeLease } from './node-lease.ts';
import { NodeStatus } from './node-status.ts';
import { agentPaths } from './paths.ts';
import { uidOf } from './pod/pod-containers.ts';
import { PodWorker } from './pod/pod-worker.ts';
import { RuntimeView, type RuntimePod } from './runtime-view.ts';
import type { PodStreams } from './streams.ts';
import { isTmpfs, mountTmpfs, mountsBelow, removeTree } from './volumes/mounts.ts';
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

/** How often all containers are looked at: alone, and beside events that tell of their ends. */
const relistEveryMs = 1000;
const relistWithEventsMs = 5000;
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

/** The workers of all pods on this node. */
class PodSet implements PodWorkers {
  readonly #context: AgentContext;
  readonly #signal: AbortSignal;
  readonly #workers = new Map<string, { readonly worker: PodWorker; readonly done: Promise<void> }>();
  readonly #follower: Follower<Pod>;
  readonly #adopted = Promise.withResolvers<void>();

  constructor(context: AgentContext, signal: AbortSignal) {
    this.#context = context;
    this.#signal = signal;
    const { client, clock, log, nodeName } = context;
    this.#follower = new Follower<Pod>({
      client,
      kind: Pod,
      scope: { fieldSelector: `spec.nodeName=${nodeName}` },
      clock,
      log,
      onChange: (_, pod, previous) => this.#changed(pod, previous),
    });
  }

  get adopted(): Promise<void> {
    return this.#adopted.promise;
  }

  byUid(uid: string): PodWorker | undefined {
    return this.#workers.get(uid)?.worker;
  }

  byName({ namespace, name }: { readonly namespace?: string; readonly name: string }): PodWorker | undefined {
    const pod = this.#follower.get(`${namespace ?? ''}/${name}`);
    return pod === undefined ? undefined : this.#workers.get(uidOf(pod))?.worker;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { view, log } = this.#context;
    const following = this.#follower.run(signal);
    let swept = false;
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([this.#follower.synced, aborted]);
    while (!signal.aborted) {
      try {
        const changed = await view.relist(signal);
        for (const uid of changed) this.#workers.get(uid)?.worker.wake();
        if (!swept) {
          await this.#sweep();
          swept = true;
          this.#adopted.resolve();
        }
      } catch (error) {
        if (!signal.aborted) log.warn('containers cannot be listed', { error });
      }
      const hasEvents = this.#context.exits.isListening;
      await this.#context.exits.wait(hasEvents ? relistWithEventsMs : relistEveryMs, signal);
    }
    await following;
  }

  /** Settles once all workers have drained; `signal` must have aborted. */
  async settled(): Promise<void> {
    await Promise.all([...this.#workers.values()].map(({ done }) => done));
  }

  #changed(pod: Pod | undefined, previous: Pod | undefined): void {
    const { nodeName } = this.#context;
    const last = previous ?? pod;
    // A pod of the same name may have been deleted and created anew within one step.
    if (last !== undefined && (pod === undefined || uidOf(pod) !== uidOf(last))) {
      this.#workers.get(uidOf(last))?.worker.abandon(last);
    }
    if (pod === undefined || pod.spec.nodeName !== nodeName) return;
    const known = this.#workers.get(uidOf(pod));
    if (known === undefined) this.#start(new PodWorker(this.#context, pod, false));
    else known.worker.update(pod);
  }

  #start(worker: PodWorker): void {
    const done = worker.run(this.#signal).finally(() => this.#workers.delete(worker.uid));
    this.#workers.set(worker.uid, { worker, done });
  }

  /** Asks the API itself: a cache that lags must not cost a pod its life. */
  async #isGone({ uid, name, namespace }: RuntimePod): Promise<boolean> {
    try {
      const pod = await this.#context.client.get(Pod, { name, namespace }, { signal: this.#signal });
      return uidOf(pod) !== uid;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return true;
      throw error;
    }
  }

  /**
   * Ends what earlier agents left of pods that are no longer ours. Only after the first complete list of pods, so that
   * no slow answer of the API costs a container its life.
   */
  async #sweep(): Promise<void> {
    const { view, paths, cgroups, log } = this.#context;
    for (const pod of view.pods()) {
      if (this.#workers.has(pod.uid) || !(await this.#isGone(pod))) continue;
      log.info('orphaned pod ends', { pod: `${pod.namespace}/${pod.name}`, uid: pod.uid });
      this.#start(new PodWorker(this.#context, orphan(pod), true));
    }
    const running = new Set(view.pods().map(({ uid }) => uid));
    for (const uid of await readdir(paths.pods)) {
      if (this.#workers.has(uid) || running.has(uid)) continue;
      await removeTree(join(paths.pods, uid)).catch((error: unknown) =>
        log.warn('pod directory stays', { uid, error }),
      );
      await cgroups.remove(uid).catch(() => {});
    }
    const known = running.union(new Set(this.#workers.keys()));
    for (const name of await readdir(paths.podLogs)) {
      const uid = name.slice(name.lastIndexOf('_') + 1);
      if (!known.has(uid)) await rm(join(paths.podLogs, name), { recursive: true, force: true });
    }
  }
}

/** What the runtime's labels tell of a pod that the API no longer has. */
function orphan({ uid, name, namespace }: RuntimePod): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { uid, name, namespace }, spec: { containers: [] } };
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
      await clock.sleep(relistEveryMs, signal);
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
