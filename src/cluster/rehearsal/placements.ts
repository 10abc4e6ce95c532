import type { Pod } from '#api/core/pod.ts';
import type { Explanation } from '#scheduler/explain.ts';
import { keyOf } from '#machinery/object.ts';

/** Where the pods of one workload are before and after, counted by node. */
export interface WorkloadChange {
  /** `Deployment default/web`, or `Pod default/lone`. */
  readonly workload: string;
  /** Pods that are new, with their nodes; `node` is absent while none takes them. */
  readonly created: readonly { readonly pod: string; readonly node?: string }[];
  readonly removed: readonly { readonly pod: string; readonly node?: string }[];
}

/** Pods that found no node, and what stood in the way. */
export interface Unplaced {
  readonly pod: string;
  readonly summary: string;
  /** How many nodes each dimension ruled out: `{ "Insufficient cpu": 3 }`. */
  readonly dimensions: Readonly<Record<string, number>>;
  readonly wouldFit: readonly string[];
}

export interface PlacementChange {
  readonly workloads: readonly WorkloadChange[];
  /** Pods that wait afterwards and did not before. */
  readonly unplaced: readonly Unplaced[];
  /** Pods that waited before and have a node afterwards, which is named. */
  readonly placed: readonly { readonly pod: string; readonly node: string }[];
}

type Why = (pod: { readonly namespace: string; readonly name: string }) => Explanation | undefined;

/** Compares where pods are. Pods that have ended count for nothing: they hold no room. */
export function comparePlacements(before: readonly Pod[], after: readonly Pod[], why: Why): PlacementChange {
  const [old, now] = [livingByUid(before), livingByUid(after)];
  const changes = new Map<
    string,
    { created: WorkloadChange['created'][number][]; removed: WorkloadChange['removed'][number][] }
  >();
  const of = (pod: Pod) => {
    const workload = workloadOf(pod);
    let change = changes.get(workload);
    if (change === undefined) changes.set(workload, (change = { created: [], removed: [] }));
    return change;
  };
  const unplaced: Unplaced[] = [];
  const placed: { pod: string; node: string }[] = [];
  for (const [uid, pod] of now) {
    const was = old.get(uid);
    const node = pod.spec.nodeName;
    if (was === undefined) of(pod).created.push(entry(pod));
    else if (was.spec.nodeName === undefined && node !== undefined) placed.push({ pod: nameOf(pod), node });
    if (node === undefined && (was === undefined || was.spec.nodeName !== undefined))
      unplaced.push(unplacedOf(pod, why));
  }
  for (const [uid, pod] of old) if (!now.has(uid)) of(pod).removed.push(entry(pod));
  const workloads = [...changes]
    .map(([workload, { created, removed }]) => ({
      workload,
      created: created.toSorted(byPod),
      removed: removed.toSorted(byPod),
    }))
    .toSorted((a, b) => (a.workload < b.workload ? -1 : 1));
  return { workloads, unplaced: unplaced.toSorted(byPod), placed: placed.toSorted(byPod) };
}

const byPod = (a: { readonly pod: string }, b: { readonly pod: string }) => (a.pod < b.pod ? -1 : 1);

function entry(pod: Pod): { readonly pod: string; readonly node?: string } {
  const { nodeName } = pod.spec;
  return { pod: nameOf(pod), ...(nodeName === undefined || nodeName === '' ? {} : { node: nodeName }) };
}

function livingByUid(pods: readonly Pod[]): ReadonlyMap<string, Pod> {
  const living = pods.filter(({ metadata, status }) => {
    const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed';
    return !ended && metadata?.deletionTimestamp === undefined;
  });
  return new Map(living.map((pod) => [pod.metadata?.uid ?? '', pod]));
}

const nameOf = ({ metadata }: Pod) => keyOf({ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' });

/** The workload a pod belongs to. A ReplicaSet of a Deployment stands for the Deployment, by the hash in its name. */
export function workloadOf(pod: Pod): string {
  const { namespace = '', labels = {}, ownerReferences = [] } = pod.metadata ?? {};
  const owner = ownerReferences.find(({ controller }) => controller === true);
  if (owner === undefined) return `Pod ${nameOf(pod)}`;
  const hash = labels['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return `Deployment ${namespace}/${owner.name.slice(0, -hash.length - 1)}`;
  }
  return `${owner.kind} ${namespace}/${owner.name}`;
}

/** What stands in the way of a pod that waits. */
export function unplacedOf(pod: Pod, why: Why): Unplaced {
  const ref = { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' };
  const explanation = why(ref);
  const dimensions: Record<string, number> = {};
  for (const { refusals = [] } of explanation?.nodes ?? []) {
    for (const { reason } of refusals) dimensions[reason] = (dimensions[reason] ?? 0) + 1;
  }
  return {
    pod: nameOf(pod),
    summary: explanation?.summary ?? 'no node has been found for it',
    dimensions,
    wouldFit: explanation?.wouldFit ?? [],
  };
}

/** True if pods come, go, or wait. */
export const movesPods = ({ workloads, placed, unplaced }: PlacementChange): boolean =>
  workloads.length + placed.length + unplaced.length > 0;
