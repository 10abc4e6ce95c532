import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Pod } from '#api/core/pod.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { AgentContext } from './agent-context.ts';
import type { PodWorkers } from './cri-pod-streams.ts';
import { Follower } from './follower.ts';
import { uidOf } from './pod/pod-containers.ts';
import { PodWorker } from './pod/pod-worker.ts';
import type { RuntimePod } from './runtime-view.ts';
import { removeTree } from './volumes/mounts.ts';

/** How often all containers are looked at: alone, and beside events that tell of their ends. */
const relistEveryMs = 1000;
const relistWithEventsMs = 5000;

/** The workers of all pods on this node. */
export class PodSet implements PodWorkers {
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
