import type { Pod } from '#api/core/pod.ts';
import type {
  Affinity,
  Container,
  NodeSelector,
  PodAffinityTerm,
  PodSpec,
  PreferredSchedulingTerm,
  Toleration,
  TopologySpreadConstraint,
  WeightedPodAffinityTerm,
} from '#api/core/types.generated.ts';
import { ownKeysOf, pickLabels } from './label-keys.ts';
import type { VolumeDemand } from './volumes/volume-demand.ts';
import { isResizeInfeasible, nominalRequests, podRequests, type Amounts } from './requests.ts';

/** A port of the host that a container binds. */
export interface HostPort {
  readonly protocol: string;
  /** `0.0.0.0` for every address. */
  readonly ip: string;
  readonly port: number;
}

/** Everything about a pod that decides which nodes it may run on and which it would rather: its scheduling demands. */
export interface Demand {
  readonly schedulerName: string;
  readonly requests: Amounts;
  /** Requests for scoring, with nominal amounts for containers that name none. */
  readonly nominalCpuMilli: number;
  readonly nominalMemoryBytes: number;
  readonly nodeSelector: Readonly<Record<string, string>> | undefined;
  /** Without the pin (see `pinOf()`) as a rule. Undefined admits every node. */
  readonly requiredNodes: NodeSelector | undefined;
  readonly preferredNodes: readonly PreferredSchedulingTerm[];
  readonly tolerations: readonly Toleration[];
  readonly hostPorts: readonly HostPort[];
  readonly images: readonly string[];
  /** Its own constraints, or those that pods without any get. */
  readonly spread: readonly TopologySpreadConstraint[];
  /** Whose defaults these are, if it has none of its own. */
  readonly spreadDefaults: 'system' | 'list' | undefined;
  readonly affinity: readonly PodAffinityTerm[];
  readonly antiAffinity: readonly PodAffinityTerm[];
  readonly preferredAffinity: readonly WeightedPodAffinityTerm[];
  readonly preferredAntiAffinity: readonly WeightedPodAffinityTerm[];
  /** Set only where the pod's own place or another's depends on them (see `Circumstances`). */
  readonly namespace: string | undefined;
  /** Those that somebody's selector reads. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Whose work the pod does (see `serviceOf()`), where the profile counts that. */
  readonly service: string | undefined;
  /** The pod without what tells equal ones apart, where plugins of the profile look at it. */
  readonly template: Pod | undefined;
  /** What its volumes ask; undefined if they may be anywhere. */
  readonly volumes: VolumeDemand | undefined;
  /** Paths of fields that demand what no plugin decides yet: such a pod must wait rather than be misplaced. */
  readonly undecidable: readonly string[];
}

export const defaultSchedulerName = 'default-scheduler';

/** What belongs to the demands of a pod by its profile, by what runs already, and by what is known of its claims. */
export interface Circumstances extends Partial<Pick<Demand, 'service' | 'template' | 'volumes'>> {
  /** Keys of labels that pods with a place read in others; undefined if none of them minds others. */
  readonly labelsRead?: ReadonlySet<string> | undefined;
  /** Constraints for a pod that names none, with the selector of those that it is to be spread among. */
  readonly defaultSpread?: DefaultSpread | undefined;
}

export interface DefaultSpread {
  readonly of: 'system' | 'list';
  readonly constraints: readonly TopologySpreadConstraint[];
}

/** What tells pods of one workload apart. */
const ownKeys = new Set([
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/job-completion-index',
]);

/**
 * What equal pods have in common, whatever a plugin may look at: no name, uid, node or status, nothing of what numbers
 * the pods of a workload, no pin (see `pinOf()`), and no volume of the service account's token, whose name is another
 * in every pod.
 */
export function templateOf({ metadata, spec }: Pod): Pod {
  const { namespace, labels, annotations, ownerReferences } = metadata ?? {};
  const { nodeName: _node, hostname: _host, volumes, containers, initContainers, affinity, ...rest } = spec;
  const isShared = ({ name }: { readonly name: string }) => !name.startsWith('kube-api-access-');
  const bare = ({ volumeMounts, ...container }: Container): Container => ({
    ...container,
    ...(volumeMounts === undefined ? {} : { volumeMounts: volumeMounts.filter(isShared) }),
  });
  return {
    metadata: {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels: shared(labels) }),
      ...(annotations === undefined ? {} : { annotations: shared(annotations) }),
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
    },
    spec: {
      ...rest,
      containers: containers.map(bare),
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(bare) }),
      ...(volumes === undefined ? {} : { volumes: volumes.filter(isShared) }),
      ...(affinity === undefined ? {} : { affinity: unpinned(affinity) }),
    },
  };
}

function shared(record: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !ownKeys.has(key)));
}

function unpinned(affinity: Affinity): Affinity {
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...preferred } = affinity.nodeAffinity ?? {};
  const free = withoutPin(required);
  if (free === required) return affinity;
  const name = 'requiredDuringSchedulingIgnoredDuringExecution';
  return { ...affinity, nodeAffinity: { ...preferred, ...(free === undefined ? {} : { [name]: free }) } };
}

/** Reads the demands of `pod`. */
export function demandOf(pod: Pod, circumstances: Circumstances = {}): Demand {
  const spec: Partial<PodSpec> = pod.spec ?? {};
  const nominal = nominalRequests(pod);
  const nodeAffinity = spec.affinity?.nodeAffinity;
  return {
    schedulerName: spec.schedulerName ?? defaultSchedulerName,
    requests: podRequests(pod),
    nominalCpuMilli: nominal.cpuMilli,
    nominalMemoryBytes: nominal.memoryBytes,
    nodeSelector: isEmpty(spec.nodeSelector) ? undefined : spec.nodeSelector,
    requiredNodes: requiredNodesOf(spec),
    preferredNodes: nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
    tolerations: spec.tolerations ?? [],
    hostPorts: hostPortsOf(spec),
    images: [...(spec.initContainers ?? []), ...(spec.containers ?? [])].flatMap(({ image }) => image ?? []),
    ...spreadOf(pod, circumstances),
    affinity: spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    antiAffinity: spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    preferredAffinity: spec.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
    preferredAntiAffinity: spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
    ...identityOf(pod, circumstances),
    service: circumstances.service,
    template: circumstances.template,
    volumes: circumstances.volumes,
    undecidable: undecidableFields(spec),
  };
}

/**
 * A text that is equal for pods with equal demands. It is made from the fields as they are written, so two spellings
 * of one demand may differ: that costs a second filtering, never a wrong place.
 */
export function demandKey(pod: Pod, circumstances: Circumstances = {}): string {
  const spec: Partial<PodSpec> = pod.spec ?? {};
  const affinity = spec.affinity;
  return JSON.stringify([
    spec.schedulerName,
    (spec.containers ?? []).map(containerKey),
    (spec.initContainers ?? []).map(containerKey),
    spec.nodeSelector,
    requiredNodesOf(spec),
    affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution,
    affinity?.podAffinity,
    affinity?.podAntiAffinity,
    spec.tolerations,
    spreadOf(pod, circumstances),
    spec.overhead,
    spec.resources?.requests,
    spec.hostNetwork,
    undecidableFields(spec),
    resizing(pod),
    identityOf(pod, circumstances),
    circumstances.service,
    circumstances.template,
    circumstances.volumes,
  ]);
}

const nobody = { namespace: undefined, labels: undefined };

function containerKey(container: Container): unknown {
  return [
    container.image,
    container.resources?.requests,
    container.restartPolicy,
    container.ports?.filter(({ hostPort }) => hostPort !== undefined && hostPort !== 0),
  ];
}

/** Containers whose actual or allocated resources differ from what is asked: an in-place resize under way. */
function resizing(pod: Pod): unknown {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  if (statuses.length === 0) return 0;
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const asked = new Map(containers.map(({ name, resources }) => [name, resources?.requests]));
  const different = statuses.filter(({ name, resources, allocatedResources }) => {
    const want = JSON.stringify(asked.get(name));
    return [resources?.requests, allocatedResources].some(
      (have) => have !== undefined && JSON.stringify(have) !== want,
    );
  });
  if (different.length === 0) return 0; // a pod demands the same before it has a status and after
  const parts = different.map(({ name, resources, allocatedResources }) => [
    name,
    resources === undefined ? null : [resources.requests],
    allocatedResources,
  ]);
  return [isResizeInfeasible(pod), parts];
}

/** A pod that is pinned to a node has no use for preferences. */
function spreadOf(pod: Pod, { defaultSpread }: Circumstances): Pick<Demand, 'spread' | 'spreadDefaults'> {
  const own = pod.spec?.topologySpreadConstraints ?? [];
  if (own.length > 0 || defaultSpread === undefined) return { spread: own, spreadDefaults: undefined };
  const pinned = pinOf(pod) !== undefined;
  const spread = defaultSpread.constraints.filter(
    ({ whenUnsatisfiable }) => !pinned || whenUnsatisfiable === 'DoNotSchedule',
  );
  return { spread, spreadDefaults: spread.length === 0 ? undefined : defaultSpread.of };
}

/** What of a pod's namespace and labels decides on its place: what its own selectors read and those of others. */
function identityOf(pod: Pod, circumstances: Circumstances): Pick<Demand, 'namespace' | 'labels'> {
  const { spread, spreadDefaults } = spreadOf(pod, circumstances);
  const { labelsRead } = circumstances;
  if (labelsRead === undefined && spread.length === 0 && !hasPodAffinity(pod)) return nobody;
  const { namespace = '', labels = {} } = pod.metadata ?? {};
  // Whether it is among those that it is spread from matters only where a domain may be full.
  const counted = spread.filter((each) => spreadDefaults === undefined || each.whenUnsatisfiable === 'DoNotSchedule');
  const own = ownKeysOf(pod.spec ?? {}, counted);
  return { namespace, labels: pickLabels(labels, new Set([...own, ...(labelsRead ?? [])])) };
}

/** True if the pod's place depends on other pods' labels, so that its own belong to its demands. */
function hasPodAffinity({ spec }: Pod): boolean {
  return spec?.affinity?.podAffinity !== undefined || spec?.affinity?.podAntiAffinity !== undefined;
}

/**
 * The one node that the pod's required affinity names by `metadata.name`, as a DaemonSet's pods do; undefined if it
 * names none or several. It is kept out of the demands, so that all pods of a DaemonSet have equal ones.
 */
export function pinOf(pod: Pod): string | undefined {
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined ? undefined : pinOfSelector(required);
}

function pinOfSelector({ nodeSelectorTerms }: NodeSelector): string | undefined {
  const [term] = nodeSelectorTerms;
  if (nodeSelectorTerms.length !== 1 || term?.matchFields?.length !== 1) return undefined;
  const [{ key, operator, values } = { key: '', operator: '', values: [] }] = term.matchFields;
  return key === 'metadata.name' && operator === 'In' && values?.length === 1 ? values[0] : undefined;
}

/** The pin stays where it says which nodes a spread constraint counts: the one. */
function requiredNodesOf({ affinity, topologySpreadConstraints = [] }: Partial<PodSpec>): NodeSelector | undefined {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const counts = topologySpreadConstraints.some(({ nodeAffinityPolicy }) => nodeAffinityPolicy !== 'Ignore');
  return counts ? required : withoutPin(required);
}

function withoutPin(required: NodeSelector | undefined): NodeSelector | undefined {
  if (required === undefined || pinOfSelector(required) === undefined) return required;
  const matchExpressions = required.nodeSelectorTerms[0]?.matchExpressions ?? [];
  return matchExpressions.length === 0 ? undefined : { nodeSelectorTerms: [{ matchExpressions }] };
}

function hostPortsOf(spec: Partial<PodSpec>): readonly HostPort[] {
  const ports: HostPort[] = [];
  // Sidecars hold their ports as long as the pod lives; other init containers come and go.
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  for (const { ports: declared } of [...(spec.containers ?? []), ...sidecars]) {
    for (const { hostPort, hostIP, protocol } of declared ?? []) {
      if (hostPort === undefined || hostPort <= 0) continue;
      ports.push({
        protocol: protocol ?? 'TCP',
        ip: hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP,
        port: hostPort,
      });
    }
  }
  return ports;
}

function undecidableFields(spec: Partial<PodSpec>): readonly string[] {
  const fields: string[] = [];
  if ((spec.resourceClaims?.length ?? 0) > 0) fields.push('spec.resourceClaims');
  return fields;
}

function isEmpty(record: Readonly<Record<string, string>> | undefined): boolean {
  return record === undefined || Object.keys(record).length === 0;
}
