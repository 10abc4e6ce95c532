import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Cri } from './cri/cri.ts';
import type { Container, ContainerStatus, PodSandbox } from './cri/messages.generated.ts';
import { annotations, labels } from './cri-names.ts';
import { terminationMessage } from './termination-message.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from './pod/observed.ts';

/** Who a pod found in the runtime is, even where the API no longer knows it. */
export interface RuntimePod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

interface Entry extends RuntimePod {
  readonly fingerprint: string;
}

/**
 * What runs on this host. `relist()` is cheap (two calls for the whole node) and says which pods changed since the
 * last time; `read()` gives one pod in full. Facts that cannot change any more are asked for once.
 */
export class RuntimeView {
  readonly #cri: Cri;
  readonly #log: Log;
  #entries: ReadonlyMap<string, Entry> = new Map();
  /** By container id; of running and ended containers, whose status is settled until the state changes. */
  readonly #containers = new Map<string, ObservedContainer>();
  readonly #sandboxIps = new Map<string, readonly string[]>();

  constructor(cri: Cri, log: Log) {
    this.#cri = cri;
    this.#log = log;
  }

  /** Uids of the pods whose sandboxes or containers came, went or changed state since the last call. */
  async relist(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const [{ items }, { containers }] = await Promise.all([
      this.#cri.call('ListPodSandbox', {}, { signal }),
      this.#cri.call('ListContainers', {}, { signal }),
    ]);
    const parts = new Map<string, RuntimePod & { readonly states: string[] }>();
    const note = (found: PodSandbox | Container) => {
      const uid = found.labels[labels.uid];
      if (uid === undefined) return;
      const pod = parts.get(uid) ?? {
        uid,
        namespace: found.labels[labels.namespace] ?? '',
        name: found.labels[labels.pod] ?? '',
        states: [],
      };
      pod.states.push(`${found.id}${found.state}`);
      parts.set(uid, pod);
    };
    items.forEach(note);
    containers.forEach(note);
    const entries = new Map<string, Entry>();
    for (const [uid, { states, ...pod }] of parts) entries.set(uid, { ...pod, fingerprint: states.sort().join() });
    const changed = new Set<string>();
    for (const [uid, { fingerprint }] of entries) {
      if (this.#entries.get(uid)?.fingerprint !== fingerprint) changed.add(uid);
    }
    for (const uid of this.#entries.keys()) if (!entries.has(uid)) changed.add(uid);
    this.#entries = entries;
    const alive = new Set(containers.map(({ id }) => id));
    for (const id of this.#containers.keys()) if (!alive.has(id)) this.#containers.delete(id);
    const sandboxes = new Set(items.map(({ id }) => id));
    for (const id of this.#sandboxIps.keys()) if (!sandboxes.has(id)) this.#sandboxIps.delete(id);
    return changed;
  }

  /** Every pod that the last `relist()` saw. */
  pods(): readonly RuntimePod[] {
    return [...this.#entries.values()];
  }

  async read(uid: string, signal: AbortSignal): Promise<ObservedPod> {
    const labelSelector = { [labels.uid]: uid };
    const [{ items }, { containers }] = await Promise.all([
      this.#cri.call('ListPodSandbox', { filter: { labelSelector } }, { signal }),
      this.#cri.call('ListContainers', { filter: { labelSelector } }, { signal }),
    ]);
    const [sandboxes, observed] = await Promise.all([
      Promise.all(items.map((sandbox) => this.#sandbox(sandbox, signal))),
      Promise.all(containers.map((container) => this.#container(container, signal))),
    ]);
    return {
      sandboxes: sandboxes.filter((found) => found !== undefined).sort(newestFirst),
      containers: observed.filter((found) => found !== undefined).sort(newestFirst),
    };
  }

  async #sandbox(sandbox: PodSandbox, signal: AbortSignal): Promise<ObservedSandbox | undefined> {
    const ready = sandbox.state === 'SANDBOX_READY';
    const base = { id: sandbox.id, attempt: sandbox.metadata?.attempt ?? 0, ready, createdAt: ms(sandbox.createdAt) };
    if (!ready) return { ...base, ips: [] };
    let ips = this.#sandboxIps.get(sandbox.id);
    if (ips === undefined) {
      try {
        const { status } = await this.#cri.call('PodSandboxStatus', { podSandboxId: sandbox.id }, { signal });
        const network = status?.network;
        ips = [network?.ip ?? '', ...(network?.additionalIps ?? []).map(({ ip }) => ip)].filter((ip) => ip !== '');
        this.#sandboxIps.set(sandbox.id, ips);
      } catch (error) {
        if (hasReason(error, 'NotFound')) return undefined;
        throw error;
      }
    }
    return { ...base, ips };
  }

  async #container(container: Container, signal: AbortSignal): Promise<ObservedContainer | undefined> {
    const state = stateOf(container.state);
    const cached = this.#containers.get(container.id);
    if (cached?.state === state && (state === 'running' || state === 'exited')) return cached;
    try {
      const { status } = await this.#cri.call('ContainerStatus', { containerId: container.id }, { signal });
      if (status === undefined) return undefined;
      const observed = await this.#observe(container, status);
      this.#containers.set(container.id, observed);
      return observed;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async #observe(container: Container, status: ContainerStatus): Promise<ObservedContainer> {
    const state = stateOf(status.state);
    let message = status.message;
    if (state === 'exited' || state === 'unknown') {
      message = await terminationMessage(status).catch((error: unknown) => {
        this.#log.warn('termination message cannot be read', { container: container.id, error });
        return status.message;
      });
    }
    return {
      id: container.id,
      sandboxId: container.podSandboxId,
      name: container.labels[labels.container] ?? '',
      attempt: Number(container.annotations[annotations.restartCount] ?? container.metadata?.attempt ?? 0),
      state,
      hash: container.annotations[annotations.hash] ?? '',
      createdAt: ms(status.createdAt),
      startedAt: ms(status.startedAt),
      finishedAt: ms(status.finishedAt),
      exitCode: status.exitCode,
      reason: status.reason,
      message,
      image: status.image?.image ?? '',
      imageId: status.imageRef,
      logPath: status.logPath,
      ...(status.user === undefined ? {} : { user: status.user }),
    };
  }
}

const ms = (nanoseconds: bigint) => Math.max(0, Number(nanoseconds / 1_000_000n));
const newestFirst = (a: { createdAt: number; attempt: number }, b: { createdAt: number; attempt: number }) =>
  b.createdAt - a.createdAt || b.attempt - a.attempt;

function stateOf(state: string): ObservedContainer['state'] {
  if (state === 'CONTAINER_RUNNING') return 'running';
  if (state === 'CONTAINER_EXITED') return 'exited';
  return state === 'CONTAINER_CREATED' ? 'created' : 'unknown';
}
