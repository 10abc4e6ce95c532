import type { Pod } from '#api/core/pod.ts';
import type { Workload } from '#api/scheduling/workload.ts';

/** Pods that name the same group of the same workload, with the same replica key. */
export interface Gang {
  readonly key: string;
  readonly namespace: string;
  readonly workload: string;
  readonly podGroup: string;
  /** Empty where pods name none. */
  readonly replicaKey: string;
  /** Pods of it that have not ended, with or without a node, by uid. */
  readonly members: ReadonlyMap<string, Pod>;
}

export type GangPolicy =
  | { readonly is: 'basic' }
  | { readonly is: 'gang'; readonly minCount: number }
  /** The workload or the group is not there: its pods wait, as it alone could say how they are to be placed. */
  | { readonly is: 'unknown'; readonly why: string };

interface Members extends Gang {
  readonly members: Map<string, Pod>;
}

/** Who belongs together, as workloads and pods say. Source: KEP-4671 as of v1.35 (pkg/scheduler/backend/workloadmanager). */
export class GangBook {
  readonly #gangs = new Map<string, Members>();
  readonly #byUid = new Map<string, Members>();
  /** `namespace/name` → workload. */
  readonly #workloads = new Map<string, Workload>();

  of(uid: string): Gang | undefined {
    return this.#byUid.get(uid);
  }

  all(): IterableIterator<Gang> {
    return this.#gangs.values();
  }

  get(key: string): Gang | undefined {
    return this.#gangs.get(key);
  }

  policyOf({ namespace, workload: name, podGroup }: Gang): GangPolicy {
    const workload = this.#workloads.get(`${namespace}/${name}`);
    if (workload === undefined) return { is: 'unknown', why: `workload "${name}" does not exist` };
    const group = workload.spec.podGroups.find((each) => each.name === podGroup);
    if (group === undefined) return { is: 'unknown', why: `workload "${name}" has no pod group "${podGroup}"` };
    const { gang } = group.policy;
    return gang === undefined ? { is: 'basic' } : { is: 'gang', minCount: gang.minCount };
  }

  /** Takes up a pod that names a workload; returns its gang if it is new there. */
  putPod(pod: Pod): Gang | undefined {
    const { uid = '', namespace = '' } = pod.metadata ?? {};
    const reference = pod.spec?.workloadRef;
    if (reference === undefined) return undefined;
    const { name: workload, podGroup, podGroupReplicaKey: replicaKey = '' } = reference;
    const known = this.#byUid.get(uid);
    if (known !== undefined) {
      known.members.set(uid, pod);
      return undefined;
    }
    const key = [namespace, workload, podGroup, replicaKey].join('/');
    let gang = this.#gangs.get(key);
    if (gang === undefined) {
      gang = { key, namespace, workload, podGroup, replicaKey, members: new Map() };
      this.#gangs.set(key, gang);
    }
    gang.members.set(uid, pod);
    this.#byUid.set(uid, gang);
    return gang;
  }

  /** The pod is gone or has ended; returns its gang if nobody is left in it. */
  removePod(uid: string): Gang | undefined {
    const gang = this.#byUid.get(uid);
    if (gang === undefined) return undefined;
    this.#byUid.delete(uid);
    gang.members.delete(uid);
    if (gang.members.size > 0) return undefined;
    this.#gangs.delete(gang.key);
    return gang;
  }

  /** Takes up a workload; returns the gangs that it speaks of. */
  putWorkload(workload: Workload): readonly Gang[] {
    const { namespace = '', name = '' } = workload.metadata ?? {};
    this.#workloads.set(`${namespace}/${name}`, workload);
    return [...this.#gangs.values()].filter((gang) => gang.namespace === namespace && gang.workload === name);
  }

  removeWorkload({ metadata }: Workload): void {
    this.#workloads.delete(`${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`);
  }
}
