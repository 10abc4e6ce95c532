/** Makes traces: a seeded workload of many sizes, as shared clusters have it. */
import type { NodeShape } from '#agent/sim/node-shape.ts';
import { annotationPrefix } from '#agent/sim/behaviour.ts';
import { Deployment } from '#api/apps/deployment.ts';
import { Pod } from '#api/core/pod.ts';
import { Namespace } from '#api/core/namespace.ts';
import { seededRandom } from '#lib/seeded-random.ts';
import { apiVersionOf } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { TraceEvent } from './trace.ts';

export interface GeneratorOptions {
  /** The same seed and options make the same trace. */
  readonly seed: number;
  readonly nodes: number;
  /** How many pods arrive in all. */
  readonly pods: number;
  /** Namespaces they belong to, in turn. */
  readonly tenants: number;
  /** How long arrivals go on, in seconds. 0: everything comes at once. */
  readonly seconds: number;
  /** Nodes that fall silent for a while, one after the other. */
  readonly failures: number;
  /** All nodes alike, 32 cores and 128 GiB, instead of three shapes. */
  readonly equalNodes: boolean;
  /** The share of pods that come alone and end after a while; the others belong to Deployments and stay. 0 to 1. */
  readonly batchShare: number;
}

export const generatorDefaults: GeneratorOptions = {
  seed: 1,
  nodes: 100,
  pods: 2_000,
  tenants: 4,
  seconds: 600,
  failures: 0,
  equalNodes: false,
  batchShare: 0.2,
};

const zones = ['zone-a', 'zone-b', 'zone-c'];
const largeNode = { cpu: '32', memory: '128Gi' };
/** Shares of the nodes, and what they have: large, with much memory, small. */
const shapes: readonly (Omit<NodeShape, 'count'> & { readonly share: number })[] = [
  { share: 0.5, namePrefix: 'large-', ...largeNode },
  { share: 0.2, namePrefix: 'memory-', cpu: '16', memory: '256Gi' },
  { share: 0.3, namePrefix: 'small-', cpu: '8', memory: '32Gi' },
];

/**
 * Kinds of pods: weight among pods, cpu in thousandths, memory in MiB. Many small ones, few large: the proportions of
 * published cluster traces (Google's of 2019, Alibaba's of 2018), where most tasks ask for less than a hundredth of a
 * machine and a few for a quarter.
 */
const sizes = [
  { weight: 40, cpu: 100, memory: 256 },
  { weight: 20, cpu: 250, memory: 1_024 },
  { weight: 14, cpu: 500, memory: 2_048 },
  { weight: 8, cpu: 1_000, memory: 1_024 },
  { weight: 8, cpu: 500, memory: 8_192 },
  { weight: 6, cpu: 2_000, memory: 8_192 },
  { weight: 3, cpu: 4_000, memory: 8_192 },
  { weight: 1, cpu: 4_000, memory: 28_672 },
] as const;
const weightSum = sizes.reduce((sum, { weight }) => sum + weight, 0);
const replicasMax = 40;
/** How long pods that end run, and nodes are away, in seconds. */
const runSeconds = [30, 600] as const;
const awaySeconds = [60, 400] as const;

/** A trace: nodes and namespaces first, then arrivals and failures in the order of their times. */
export function generateTrace(options: GeneratorOptions): readonly TraceEvent[] {
  const random = seededRandom(options.seed);
  const between = ([min, max]: readonly [number, number]) => min + Math.floor(random() * (max - min + 1));
  const when = () => Math.round(random() * options.seconds) * 1000;
  const nodes = nodeEvents(options);
  const tenant = (index: number) => `tenant-${(index % options.tenants) + 1}`;
  const namespaces = Array.from({ length: options.tenants }, (_, index): TraceEvent => {
    const object = { apiVersion: apiVersionOf(Namespace), kind: Namespace.kind, metadata: { name: tenant(index) } };
    return { at: 0, do: 'create', kind: Namespace, object };
  });
  const arrivals: TraceEvent[] = [];
  for (let [left, index] = [options.pods, 0]; left > 0; index++) {
    const size = sizeAt(random() * weightSum);
    const count = Math.min(left, 1 + Math.floor(random() ** 2 * replicasMax)); // mostly few replicas
    left -= count;
    const isBatch = random() < options.batchShare;
    const jitter = 1 + Math.floor(random() * 16) / 32; // sizes differ from workload to workload
    const requests = { cpu: `${Math.round(size.cpu * jitter)}m`, memory: `${Math.round(size.memory * jitter)}Mi` };
    const names = { namespace: tenant(index), name: `${isBatch ? 'batch' : 'web'}-${index}` };
    arrivals.push(
      isBatch
        ? { at: when(), do: 'create', kind: Pod, object: batchPod(names, requests, between(runSeconds)), count }
        : { at: when(), do: 'create', kind: Deployment, object: deployment(names, requests, count) },
    );
  }
  const names = nodes.flatMap((event) => (event.do === 'nodes' ? namesOf(event.shape) : []));
  for (let index = 0; index < options.failures; index++) {
    const node = names[Math.floor(random() * names.length)] ?? '';
    const at = when();
    arrivals.push({ at, do: 'fail', nodes: [node] });
    arrivals.push({ at: at + between(awaySeconds) * 1000, do: 'recover', nodes: [node] });
  }
  return [...nodes, ...namespaces, ...arrivals.toSorted((a, b) => a.at - b.at)];
}

function nodeEvents({ nodes, equalNodes }: GeneratorOptions): readonly TraceEvent[] {
  if (equalNodes) return [{ at: 0, do: 'nodes', shape: { count: nodes, zones, ...largeNode } }];
  let left = nodes;
  return shapes.flatMap(({ share, ...shape }, index): readonly TraceEvent[] => {
    const count = index === shapes.length - 1 ? left : Math.min(left, Math.round(nodes * share));
    left -= count;
    return count === 0 ? [] : [{ at: 0, do: 'nodes', shape: { ...shape, count, zones } }];
  });
}

const namesOf = ({ namePrefix = 'sim-', count }: NodeShape) =>
  Array.from({ length: count }, (_, index) => `${namePrefix}${String(index + 1).padStart(5, '0')}`);

function sizeAt(point: number): (typeof sizes)[number] {
  let sum = 0;
  return sizes.find(({ weight }) => (sum += weight) > point) ?? sizes[0];
}

interface Names {
  readonly namespace: string;
  readonly name: string;
}

const container = (requests: Readonly<Record<string, string>>) => ({
  name: 'main',
  image: 'registry.k8s.io/pause:3.10',
  resources: { requests },
});

function deployment(names: Names, requests: Readonly<Record<string, string>>, replicas: number): ApiObject {
  const labels = { app: names.name };
  const spread = {
    maxSkew: 1,
    topologyKey: 'topology.kubernetes.io/zone',
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: labels },
  };
  const spec = { containers: [container(requests)], topologySpreadConstraints: [spread] };
  const template = { metadata: { labels }, spec };
  return {
    apiVersion: apiVersionOf(Deployment),
    kind: Deployment.kind,
    metadata: names,
    spec: { replicas, selector: { matchLabels: labels }, template },
  } as ApiObject; // its spec is a Deployment's
}

function batchPod(names: Names, requests: Readonly<Record<string, string>>, seconds: number): ApiObject {
  return {
    apiVersion: apiVersionOf(Pod),
    kind: Pod.kind,
    metadata: {
      ...names,
      labels: { app: names.name },
      annotations: { [`${annotationPrefix}run-seconds`]: `${seconds}` },
    },
    spec: { restartPolicy: 'Never', containers: [container(requests)] },
  } as ApiObject; // its spec is a Pod's
}
