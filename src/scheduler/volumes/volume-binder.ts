import { boundByController, isFullyBound, isKeptFor, selectedNode } from '#api/core/claim-binding.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { Pod } from '#api/core/pod.ts';
import type { CallOptions, Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { apiVersionOf } from '#machinery/kind.ts';
import type { NodeTable } from '../node-table.ts';
import { NodeView } from '../node-view.ts';
import { matchAnyTerm } from '../node-selector.ts';
import type { VolumePlan } from './volume-book.ts';

/** What was decided about a pod's claims could not be brought about; its message is upstream's. */
export class VolumeBindingFailure extends Error {
  override readonly name = 'VolumeBindingFailure';

  constructor(what: string, cause?: unknown) {
    super(`running PreBind plugin "VolumeBinding": binding volumes: ${what}`, { cause });
  }
}

export interface VolumeBinderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly table: NodeTable;
}

/**
 * Brings about what was decided about the claims of placed pods: writes which claim a volume is for, and for which node
 * one is to be made, and waits until the binder and the provisioners have done the rest.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding (BindPodVolumes).
 */
export class VolumeBinder {
  readonly #options: VolumeBinderOptions;

  constructor(options: VolumeBinderOptions) {
    this.#options = options;
  }

  /** False if nothing is left to be done about the pod's claims. */
  concerns(pod: Pod): boolean {
    return this.#options.table.volumes.planOf(pod.metadata?.uid ?? '') !== undefined;
  }

  /** Resolves once the pod's claims are bound, or throws a `VolumeBindingFailure`. */
  async bind(pod: Pod, msMax: number, { signal }: CallOptions): Promise<void> {
    const plan = this.#options.table.volumes.planOf(pod.metadata?.uid ?? '');
    if (plan === undefined) return;
    try {
      for (const { claim, volume } of plan.bindings) await this.#give(volume, claim, signal);
      for (const claim of plan.provisions) await this.#select(claim, plan.nodeName, signal);
    } catch (error) {
      throw new VolumeBindingFailure(error instanceof Error ? error.message : String(error), error);
    }
    await this.#bound(pod, plan, msMax, signal);
  }

  /** Writes whose the volume is, unless that is written. */
  async #give(volumeName: string, key: string, signal: AbortSignal): Promise<void> {
    const { volumes: book } = this.#options.table;
    const claim = book.claims.get(key);
    const volume = book.volumes.get(volumeName);
    if (claim === undefined) throw new Error(`persistentvolumeclaim "${key}" not found`);
    if (volume === undefined) throw new Error(`persistentvolume "${volumeName}" not found`);
    const { name = '', namespace = '', uid = '', resourceVersion = '' } = claim.metadata ?? {};
    if (volume.spec.claimRef !== undefined && isKeptFor(volume, claim) && volume.spec.claimRef.uid === uid) return;
    const chosenHere = volume.spec.claimRef === undefined;
    const { kind } = PersistentVolumeClaim;
    await this.#options.client.update(
      PersistentVolume,
      {
        ...volume,
        metadata: {
          ...volume.metadata,
          annotations: { ...volume.metadata?.annotations, ...(chosenHere ? { [boundByController]: 'yes' } : {}) },
        },
        spec: {
          ...volume.spec,
          claimRef: { apiVersion: apiVersionOf(PersistentVolumeClaim), kind, namespace, name, uid, resourceVersion },
        },
      },
      { signal },
    );
  }

  /** Writes for which node a volume is to be made. */
  async #select(key: string, nodeName: string, signal: AbortSignal): Promise<void> {
    const claim = this.#options.table.volumes.claims.get(key);
    if (claim === undefined) throw new Error(`persistentvolumeclaim "${key}" not found`);
    if (claim.metadata?.annotations?.[selectedNode] === nodeName) return;
    const annotations = { ...claim.metadata?.annotations, [selectedNode]: nodeName };
    const chosen = { ...claim, metadata: { ...claim.metadata, annotations } };
    await this.#options.client.update(PersistentVolumeClaim, chosen, { signal });
  }

  async #bound(pod: Pod, plan: VolumePlan, msMax: number, signal: AbortSignal): Promise<void> {
    const { table, clock } = this.#options;
    const claims = [...plan.bindings.map(({ claim }) => claim), ...plan.provisions];
    const selected = new Set<string>();
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => {
        listening[Symbol.dispose]();
        timer[Symbol.dispose]();
        signal.removeEventListener('abort', aborted);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = () => {
        const state = this.#stateOf(pod, plan, claims, selected);
        if (state !== 'waiting') end(state === 'bound' ? undefined : state);
      };
      const aborted = () => end(new VolumeBindingFailure('context canceled'));
      const timer = clock.after(msMax, () => end(new VolumeBindingFailure('context deadline exceeded')));
      const listening = table.volumes.onChange(look);
      signal.addEventListener('abort', aborted, { once: true });
      if (signal.aborted) aborted();
      else look();
    });
  }

  /** `selected` gathers the claims that were seen to name the node: from then on it must stay so. */
  #stateOf(pod: Pod, plan: VolumePlan, claims: readonly string[], selected: Set<string>) {
    const { table } = this.#options;
    const { volumes: book } = table;
    const { uid = '' } = pod.metadata ?? {};
    const row = table.rowOf(plan.nodeName);
    if (table.occupant(uid) === undefined) return new VolumeBindingFailure('pod does not exist any more');
    if (row < 0) return new VolumeBindingFailure(`node "${plan.nodeName}" not found`);
    let waiting = false;
    for (const key of claims) {
      const claim = book.claims.get(key);
      const [, name = ''] = key.split('/');
      if (claim === undefined) return new VolumeBindingFailure(`persistentvolumeclaim "${name}" not found`);
      if (!isFullyBound(claim)) {
        waiting = true;
        if (!plan.provisions.includes(key)) continue;
        // A provisioner that gives up takes the annotation away, so that another node is tried.
        if (claim.metadata?.annotations?.[selectedNode] === plan.nodeName) selected.add(key);
        else if (selected.has(key)) {
          return new VolumeBindingFailure(`provisioning failed for PVC "${name}"`);
        }
        continue;
      }
      const volume = book.volumes.get(claim.spec.volumeName ?? '');
      if (volume === undefined) {
        waiting = true;
        continue;
      }
      const terms = volume.spec.nodeAffinity?.required?.nodeSelectorTerms;
      if (terms !== undefined && !matchAnyTerm(terms)(new NodeView(table).at(row))) {
        const what = `pv "${volume.metadata?.name ?? ''}" node affinity doesn't match node "${plan.nodeName}"`;
        return new VolumeBindingFailure(`${what}: no matching NodeSelectorTerms`);
      }
    }
    return waiting ? 'waiting' : 'bound';
  }
}
