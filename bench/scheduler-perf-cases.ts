/**
 * The cases of upstream's scheduler_perf, by their names: nodes, what runs there already, and the pods that are
 * measured. Source: kubernetes/kubernetes, test/integration/scheduler_perf/{misc,affinity,topology_spreading,volumes}/performance-config.yaml,
 * whose thresholds are the floors: below them upstream's CI fails.
 */
import type { NodeShape } from '#agent/sim/node-shape.ts';
import { Namespace } from '#api/core/namespace.ts';
import type { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import { CSINode } from '#api/storage/csi-node.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';

export type Spec = Partial<Pod['spec']>;

export interface PodGroup {
  readonly count: number;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Spec;
  /** Each has a claim of its own, bound to a volume of this kind. */
  readonly volumes?: 'awsElasticBlockStore' | 'csi';
}

export interface PerfCase {
  readonly name: string;
  /** Pods a second. */
  readonly floor?: number;
  /** What Tutti has promised; pods a second. */
  readonly budget?: number;
  readonly nodes: readonly NodeShape[];
  readonly objects?: readonly { readonly kind: Kind; readonly object: ApiObject }[];
  /** Placed by the scheduler before anything is measured. */
  readonly before?: readonly PodGroup[];
  /** There, but never placed. */
  readonly waiting?: readonly PodGroup[];
  readonly measured: PodGroup;
  /** What goes on beside. */
  readonly churn?: 'unschedulable' | 'mixed' | 'deletes';
}

/** Upstream's node-default.yaml. */
const node: Omit<NodeShape, 'count'> = { cpu: '4', memory: '32Gi', pods: 110 };
const zoned = (...zones: readonly string[]): readonly NodeShape[] => [{ ...node, count: 5_000, zones }];
const plain: readonly NodeShape[] = [{ ...node, count: 5_000 }];

const container = (requests: Readonly<Record<string, string>>) => ({
  containers: [{ name: 'pause', image: 'registry.k8s.io/pause:3.10', resources: { requests } }],
});
const usual = container({ cpu: '100m', memory: '500Mi' });
const hostname = 'kubernetes.io/hostname';
const zone = 'topology.kubernetes.io/zone';
const namespaces = ['sched-0', 'sched-1'];
const color = (value: string) => ({ matchLabels: { color: value } });

const podAffinity: Spec = {
  ...usual,
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: color('blue'), topologyKey: zone, namespaces }],
    },
  },
};
const podAntiAffinity: Spec = {
  ...usual,
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: color('green'), topologyKey: hostname, namespaces },
      ],
    },
  },
};
const preferred = (value: string) => [
  { weight: 1, podAffinityTerm: { labelSelector: color(value), topologyKey: hostname, namespaces } },
];
const preferredAffinity: Spec = {
  ...usual,
  affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred('red') } },
};
const preferredAntiAffinity: Spec = {
  ...usual,
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred('yellow') } },
};
const nodeAffinity: Spec = {
  ...usual,
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: 'In', values: ['zone1', 'zone2'] }] }],
      },
    },
  },
};
const spread = (whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'): Spec => ({
  ...usual,
  topologySpreadConstraints: [{ maxSkew: 5, topologyKey: zone, whenUnsatisfiable, labelSelector: color('blue') }],
});
/** Its pods count those of tainted nodes too, unless the policy honours taints. */
const inclusionPolicy: Spec = {
  ...container({ cpu: '100m', memory: '500Mi' }),
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: hostname,
      whenUnsatisfiable: 'DoNotSchedule',
      nodeTaintsPolicy: 'Honor',
      labelSelector: { matchLabels: { foo: 'bar' } },
    },
  ],
};
const withSecret: Spec = { ...usual, volumes: [{ name: 'secret', secret: { secretName: 'secret' } }] };
const pinned = (name: string): Spec => ({
  ...usual,
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
      },
    },
  },
});

const namespace = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  kind: Namespace,
  object: { metadata: { name, labels } } as ApiObject, // a Namespace has nothing else
});
const two = [namespace('sched-0'), namespace('sched-1')];
const init = (count: number): PodGroup => ({ count, namespace: 'default', spec: usual });
const group = (count: number, where: string, value: string, spec: Spec): PodGroup => ({
  count,
  namespace: where,
  labels: { color: value },
  spec,
});

/** One node on which everything is to run: only the scheduler is to be measured. */
const vast: NodeShape = { count: 1, namePrefix: 'vast-', cpu: '4000', memory: '40000Gi', pods: 90_000 };
const light = container({ cpu: '1m', memory: '1Mi' });

/** Terms over the namespaces of a team; a hundred of them have pods already. */
const teamNamespaces = Array.from({ length: 100 }, (_, index) => `init-ns-${index}`);
const team = { team: 'devops' };
const teams = [...teamNamespaces, 'measure-ns-0'].map((name) => namespace(name, team));
const teamTerm = (value: string, topologyKey: string) => ({
  labelSelector: color(value),
  topologyKey,
  namespaceSelector: { matchLabels: team },
});
const inTeams = (count: number, value: string, spec: Spec): readonly PodGroup[] =>
  teamNamespaces.map((name) => group(count, name, value, spec));
const teamAntiAffinity: Spec = {
  ...usual,
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [teamTerm('green', hostname)] } },
};
const teamAffinity: Spec = {
  ...usual,
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [teamTerm('blue', zone)] } },
};
const weighted = (value: string) => [{ weight: 1, podAffinityTerm: teamTerm(value, hostname) }];
const teamPreferredAffinity: Spec = {
  ...usual,
  affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: weighted('red') } },
};
const teamPreferredAntiAffinity: Spec = {
  ...usual,
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: weighted('yellow') } },
};

/** Each takes 39 volumes of the driver that upstream's case has. */
export const csiDriver = 'ebs.csi.aws.com';
const csiNodes = Array.from({ length: 5_000 }, (_, index) => {
  const name = `sim-${String(index + 1).padStart(5, '0')}`;
  const spec = { drivers: [{ name: csiDriver, nodeID: name, topologyKeys: [], allocatable: { count: 39 } }] };
  return { kind: CSINode, object: { metadata: { name }, spec } as ApiObject }; // a CSINode
});

export const perfCases: readonly PerfCase[] = [
  {
    name: 'SchedulingBasic/5000Nodes_10000Pods',
    floor: 680,
    budget: 5_000,
    nodes: plain,
    before: [init(1_000)],
    measured: init(10_000),
  },
  {
    name: 'SchedulingBasic/5000Nodes_50000Pods',
    floor: 810,
    budget: 5_000,
    nodes: plain,
    before: [init(5_000)],
    measured: init(50_000),
  },
  {
    name: 'SchedulingDaemonset/15000Nodes',
    floor: 1_100,
    nodes: [vast, { ...node, count: 15_000 }],
    measured: { count: 30_000, namespace: 'default', spec: { ...pinned('vast-00001'), ...light } },
  },
  {
    name: 'Unschedulable/5kNodes/100Init/10kPods',
    floor: 590,
    nodes: plain,
    before: [init(100)],
    measured: init(10_000),
    churn: 'unschedulable',
  },
  {
    name: 'Unschedulable/5kNodes/20kInit/10kPods',
    floor: 600,
    nodes: plain,
    before: [init(20_000)],
    measured: init(10_000),
    churn: 'unschedulable',
  },
  {
    name: 'SchedulingWithMixedChurn/5000Nodes_10000Pods',
    floor: 710,
    nodes: plain,
    measured: init(10_000),
    churn: 'mixed',
  },
  {
    name: 'SchedulingWhileGated/1Node_10000GatedPods',
    floor: 910,
    nodes: [vast],
    waiting: [{ count: 10_000, namespace: 'default', spec: { ...light, schedulingGates: [{ name: 'foo' }] } }],
    before: [{ count: 20_000, namespace: 'default', labels: { gone: 'soon' }, spec: light }],
    measured: { count: 20_000, namespace: 'default', spec: light },
    churn: 'deletes',
  },
  {
    name: 'SchedulingWithExtendedResource/5000pods_5000nodes',
    floor: 180,
    nodes: [{ ...node, count: 5_000, extended: { 'example.com/gpu': '1' } }],
    measured: {
      count: 5_000,
      namespace: 'default',
      spec: {
        containers: [
          {
            name: 'pause',
            image: 'registry.k8s.io/pause:3.10',
            resources: { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } },
          },
        ],
      },
    },
  },
  {
    name: 'SchedulingPodAntiAffinity/5000Nodes_2000Pods',
    floor: 60,
    budget: 2_000,
    nodes: plain,
    objects: two,
    before: [group(1_000, 'sched-0', 'green', podAntiAffinity)],
    measured: group(2_000, 'sched-1', 'green', podAntiAffinity),
  },
  {
    name: 'SchedulingPodMatchingAntiAffinity/5000Nodes_5000Pods',
    floor: 543,
    nodes: plain,
    objects: two,
    before: [group(1_000, 'sched-0', 'green', podAntiAffinity)],
    measured: group(4_000, 'sched-1', 'green', usual), // upstream's 5,000 need nodes to spare
  },
  {
    name: 'SchedulingPodAffinity/5000Nodes_5000Pods',
    floor: 35,
    nodes: zoned('zone1'),
    objects: two,
    before: [group(5_000, 'sched-0', 'blue', podAffinity)],
    measured: group(5_000, 'sched-1', 'blue', podAffinity),
  },
  {
    name: 'SchedulingPreferredPodAffinity/5000Nodes_5000Pods',
    floor: 90,
    nodes: plain,
    objects: two,
    before: [group(5_000, 'sched-0', 'red', preferredAffinity)],
    measured: group(5_000, 'sched-1', 'red', preferredAffinity),
  },
  {
    name: 'SchedulingPreferredPodAntiAffinity/5000Nodes_5000Pods',
    floor: 90,
    nodes: plain,
    objects: two,
    before: [group(5_000, 'sched-0', 'yellow', preferredAntiAffinity)],
    measured: group(5_000, 'sched-1', 'yellow', preferredAntiAffinity),
  },
  {
    name: 'SchedulingNodeAffinity/5000Nodes_10000Pods',
    floor: 220,
    nodes: zoned('zone1'),
    before: [{ count: 5_000, namespace: 'default', spec: nodeAffinity }],
    measured: { count: 10_000, namespace: 'default', spec: nodeAffinity },
  },
  {
    name: 'MixedSchedulingBasePod/5000Nodes_5000Pods',
    floor: 140,
    nodes: zoned('zone1'),
    objects: two,
    before: [
      { count: 2_000, namespace: 'sched-0', spec: usual },
      group(2_000, 'sched-0', 'blue', podAffinity),
      group(2_000, 'sched-0', 'green', podAntiAffinity),
      group(2_000, 'sched-0', 'red', preferredAffinity),
      group(2_000, 'sched-0', 'yellow', preferredAntiAffinity),
    ],
    measured: init(5_000),
  },
  {
    name: 'TopologySpreading/5000Nodes_5000Pods',
    floor: 460,
    budget: 2_000,
    nodes: zoned('moon-1', 'moon-2', 'moon-3'),
    before: [init(5_000)],
    measured: group(5_000, 'default', 'blue', spread('DoNotSchedule')),
  },
  {
    name: 'PreferredTopologySpreading/5000Nodes_5000Pods',
    floor: 340,
    nodes: zoned('moon-1', 'moon-2', 'moon-3'),
    before: [init(5_000)],
    measured: group(5_000, 'default', 'blue', spread('ScheduleAnyway')),
  },
  {
    name: 'DefaultTopologySpreading/5000Nodes_50000Pods',
    floor: 160,
    nodes: zoned('moon-1', 'moon-2', 'moon-3'),
    objects: [
      namespace('service-ns'),
      {
        kind: Service,
        object: {
          metadata: { name: 'service', namespace: 'service-ns' },
          spec: { selector: { color: 'blue' }, ports: [{ port: 80, targetPort: 80 }] },
        } as ApiObject, // a Service
      },
    ],
    before: [init(5_000)],
    measured: group(50_000, 'service-ns', 'blue', usual),
  },
  {
    name: 'SchedulingWithNodeInclusionPolicy/5000Nodes',
    floor: 270,
    nodes: [
      { ...node, count: 4_000 },
      { ...node, count: 1_000, namePrefix: 'tainted-', taints: [{ key: 'foo', value: '', effect: 'NoSchedule' }] },
    ],
    measured: { count: 4_000, namespace: 'default', labels: { foo: 'bar' }, spec: inclusionPolicy },
  },
  {
    name: 'SchedulingRequiredPodAntiAffinityWithNSSelector/5000Nodes_2000Pods',
    floor: 24,
    nodes: [{ ...node, count: 6_000 }],
    objects: teams,
    before: inTeams(40, 'green', teamAntiAffinity),
    measured: group(2_000, 'measure-ns-0', 'green', teamAntiAffinity),
  },
  {
    name: 'SchedulingPreferredAntiAffinityWithNSSelector/5000Nodes_2000Pods',
    floor: 55,
    nodes: plain,
    objects: teams,
    before: inTeams(40, 'yellow', teamPreferredAntiAffinity),
    measured: group(2_000, 'measure-ns-0', 'yellow', teamPreferredAntiAffinity),
  },
  {
    name: 'SchedulingRequiredPodAffinityWithNSSelector/5000Nodes_2000Pods',
    floor: 35,
    nodes: zoned('zone1'),
    objects: teams,
    before: inTeams(50, 'blue', teamAffinity),
    measured: group(2_000, 'measure-ns-0', 'blue', teamAffinity),
  },
  {
    name: 'SchedulingPreferredAffinityWithNSSelector/5000Nodes_5000Pods',
    floor: 90,
    nodes: plain,
    objects: teams,
    before: inTeams(50, 'red', teamPreferredAffinity),
    measured: group(5_000, 'measure-ns-0', 'red', teamPreferredAffinity),
  },
  {
    name: 'SchedulingGatedPodsWithPodAffinityImpactForThroughput/1Node_10000GatedPods',
    floor: 110,
    nodes: [vast],
    objects: two,
    waiting: [group(10_000, 'sched-0', 'blue', { ...podAffinity, ...light, schedulingGates: [{ name: 'foo' }] })],
    measured: group(20_000, 'sched-1', 'blue', light),
  },
  {
    name: 'SchedulingSecrets/5000Nodes_10000Pods',
    floor: 790,
    nodes: plain,
    before: [{ count: 1_000, namespace: 'default', spec: withSecret }],
    measured: { count: 10_000, namespace: 'default', spec: withSecret },
  },
  {
    name: 'SchedulingInTreePVs/5000Nodes_2000Pods',
    floor: 290,
    nodes: plain,
    before: [{ ...init(1_000), volumes: 'awsElasticBlockStore' }],
    measured: { ...init(2_000), volumes: 'awsElasticBlockStore' },
  },
  {
    name: 'SchedulingCSIPVs/5000Nodes_5000Pods',
    floor: 100,
    nodes: plain,
    objects: csiNodes,
    before: [{ ...init(5_000), volumes: 'csi' }],
    measured: { ...init(5_000), volumes: 'csi' },
  },
  { name: 'Basic/10000Nodes_100000Pods', nodes: [{ ...node, cpu: '32', count: 10_000 }], measured: init(100_000) },
  /** SwarmKit's own benchmark: 100,000 equal tasks on 1,000 nodes took 22.6 s. Source: docker/swarmkit, pull request 193. */
  {
    name: 'SwarmKit/1000Nodes_100000Tasks',
    floor: 4_425,
    nodes: [{ count: 1_000, cpu: '32', memory: '128Gi', pods: 200 }],
    measured: { count: 100_000, namespace: 'default', spec: light },
  },
];
