import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Affinity, PodAffinityTerm, TopologySpreadConstraint } from '#api/core/types.generated.ts';
import type { Random } from './random.ts';

type PodSpec = NonNullable<Pod['spec']>;

/** Nodes of a few shapes with a few labels and taints: small numbers, so that ties and refusals are frequent. */
export function randomNode(random: Random, name: string): Node {
  const taints = [
    { key: 'dedicated', value: 'db', effect: 'NoSchedule' },
    { key: 'maintenance', effect: 'PreferNoSchedule' },
    { key: 'flaky', value: 'yes', effect: 'PreferNoSchedule' },
    { key: 'gone', effect: 'NoExecute' },
  ].filter(() => random.chance(6));
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        // Host names are of one node each, but nothing ensures that.
        ...(random.chance(30) ? {} : { 'kubernetes.io/hostname': random.chance(20) ? 'node-0' : name }),
        ...(random.chance(8) ? {} : { 'topology.kubernetes.io/zone': random.pick(['a', 'b', 'c']) }),
        ...(random.chance(2) ? { disk: random.pick(['ssd', 'hdd']) } : {}),
        ...(random.chance(2) ? { size: String(random.below(5)) } : {}),
      },
    },
    spec: { ...(random.chance(10) ? { unschedulable: true } : {}), ...(taints.length === 0 ? {} : { taints }) },
    status: {
      allocatable: {
        cpu: random.pick(['1', '2', '4', '3500m']),
        memory: random.pick(['1Gi', '4Gi', '3000Mi']),
        'ephemeral-storage': '10Gi',
        pods: random.pick(['3', '5', '110']),
        ...(random.chance(4) ? { 'example.com/gpu': random.pick(['1', '2']) } : {}),
      },
      ...(random.chance(3) ? { images: randomImages(random) } : {}),
    },
  };
}

/** Of sizes below, within and above what counts. */
function randomImages(random: Random): NonNullable<NonNullable<Node['status']>['images']> {
  return ['web:1', 'registry:5000/db:latest', 'tools:latest']
    .filter(() => random.chance(2))
    .map((name) => ({ names: [name, `${name}@sha256:1`], sizeBytes: random.pick([1, 100, 700, 3000]) * 2 ** 20 }));
}

/** The spec of one random workload; pods of it differ in name only. */
export function randomPodSpec(random: Random): PodSpec {
  const requests = {
    ...(random.chance(4) ? {} : { cpu: random.pick(['100m', '250m', '1', '1500m']) }),
    ...(random.chance(4) ? {} : { memory: random.pick(['64Mi', '200Mi', '1Gi']) }),
    ...(random.chance(8) ? { 'example.com/gpu': '1' } : {}),
  };
  const zone = { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['a', 'b'] };
  const size = { key: 'size', operator: random.pick(['Gt', 'Lt']), values: ['2'] };
  const disk = { key: 'disk', operator: random.pick(['Exists', 'DoesNotExist', 'NotIn']), values: ['ssd'] };
  const preferred = [
    { weight: 10, preference: { matchExpressions: [zone] } },
    { weight: 7, preference: { matchExpressions: [size] } },
    { weight: 3, preference: { matchExpressions: [{ ...disk, operator: 'Exists' }] } },
  ].filter(() => random.chance(3));
  const required = random.chance(4)
    ? { nodeSelectorTerms: [{ matchExpressions: [random.pick([zone, size, disk])] }, { matchExpressions: [size] }] }
    : undefined;
  const affinity = {
    ...(required === undefined && preferred.length === 0
      ? {}
      : {
          nodeAffinity: {
            ...(required === undefined ? {} : { requiredDuringSchedulingIgnoredDuringExecution: required }),
            preferredDuringSchedulingIgnoredDuringExecution: preferred,
          },
        }),
    ...randomPodAffinity(random),
  };
  const spread = random.chance(4) ? [randomSpread(random), ...(random.chance(3) ? [randomSpread(random)] : [])] : [];
  return {
    priority: random.pick([0, 0, 5, 10, -5]),
    ...(random.chance(8) ? { preemptionPolicy: 'Never' } : {}),
    ...(spread.length === 0 ? {} : { topologySpreadConstraints: spread }),
    containers: [
      {
        name: 'main',
        image: random.pick(['web:1', 'registry:5000/db', 'none:3']),
        resources: { requests },
        ...(random.chance(6)
          ? { ports: [{ containerPort: 80, hostPort: 80, ...(random.chance(2) ? { hostIP: '10.0.0.1' } : {}) }] }
          : {}),
      },
    ],
    ...(random.chance(5) ? { nodeSelector: { disk: 'ssd' } } : {}),
    ...(Object.keys(affinity).length === 0 ? {} : { affinity }),
    tolerations: [
      { key: 'dedicated', operator: 'Equal', value: 'db', effect: 'NoSchedule' },
      { key: 'flaky', operator: 'Exists' },
      { operator: 'Exists', effect: 'NoExecute' },
    ].filter(() => random.chance(3)),
  };
}

/** Labels that selectors of random pods and terms read. */
export function randomLabels(random: Random): Readonly<Record<string, string>> {
  return {
    app: random.pick(['a', 'b', 'c']),
    ...(random.chance(3) ? {} : { version: random.pick(['1', '2']) }),
  };
}

const topologyKeys = ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'];

function randomSpread(random: Random): TopologySpreadConstraint {
  const whenUnsatisfiable = random.pick(['DoNotSchedule', 'ScheduleAnyway']);
  return {
    topologyKey: random.pick(topologyKeys),
    maxSkew: 1 + random.below(2),
    whenUnsatisfiable,
    ...(whenUnsatisfiable === 'DoNotSchedule' && random.chance(4) ? { minDomains: 1 + random.below(4) } : {}),
    ...(random.chance(4) ? { matchLabelKeys: ['version'] } : {}),
    labelSelector: { matchLabels: { app: random.pick(['a', 'b']) } },
    ...(random.chance(4) ? { nodeTaintsPolicy: 'Honor' } : {}),
    ...(random.chance(4) ? { nodeAffinityPolicy: 'Ignore' } : {}),
  };
}

/** As a profile has them: whom they count is known of each pod. */
export function randomDefaultSpread(random: Random): readonly TopologySpreadConstraint[] {
  const { labelSelector: _, matchLabelKeys: __, ...constraint } = randomSpread(random);
  return [constraint];
}

function randomPodAffinity(random: Random): Pick<Affinity, 'podAffinity' | 'podAntiAffinity'> {
  const term = (): PodAffinityTerm => ({
    topologyKey: random.pick(topologyKeys),
    labelSelector: { matchLabels: random.chance(5) ? {} : { app: random.pick(['a', 'b']) } },
    ...random.pick([
      {},
      {},
      {},
      { namespaces: ['other'] },
      { namespaceSelector: { matchLabels: { team: random.pick(['red', 'blue']) } } },
      { namespaceSelector: {} },
      { namespaces: ['default'], namespaceSelector: { matchLabels: { team: 'red' } } },
    ]),
    ...random.pick([{}, {}, {}, { matchLabelKeys: ['version'] }, { mismatchLabelKeys: ['version'] }]),
  });
  const required = () => [term(), ...(random.chance(4) ? [term()] : [])];
  const weighted = () => [{ weight: 1 + random.below(5), podAffinityTerm: term() }];
  return {
    ...(random.chance(3)
      ? {
          podAffinity: {
            ...(random.chance(2) ? { requiredDuringSchedulingIgnoredDuringExecution: required() } : {}),
            preferredDuringSchedulingIgnoredDuringExecution: weighted(),
          },
        }
      : {}),
    ...(random.chance(4)
      ? {
          podAntiAffinity: {
            ...(random.chance(2) ? { requiredDuringSchedulingIgnoredDuringExecution: required() } : {}),
            preferredDuringSchedulingIgnoredDuringExecution: weighted(),
          },
        }
      : {}),
  };
}

let serial = 0;

/** A pod not yet placed; every call makes another uid. */
export function podOf(
  spec: PodSpec,
  name = `pod-${serial}`,
  labels?: Readonly<Record<string, string>>,
  namespace = 'default',
  owner?: string,
): Pod {
  const controlled = { apiVersion: 'apps/v1', kind: 'ReplicaSet', uid: `uid of ${owner}`, controller: true };
  const metadata = {
    name,
    namespace,
    uid: `uid-${serial++}`,
    ...(labels === undefined ? {} : { labels }),
    ...(owner === undefined ? {} : { ownerReferences: [{ ...controlled, name: owner }] }),
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec };
}

/** The same pod as the API server shows it once it is bound. */
export const boundTo = (pod: Pod, nodeName: string): Pod => ({
  ...pod,
  spec: { ...pod.spec, nodeName },
});
