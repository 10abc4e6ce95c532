import type { Lease } from '#api/coordination/lease.ts';
import type { Node } from '#api/core/node.ts';
import type { Taint } from '#api/core/types.generated.ts';

/** What a group of equal pretend nodes looks like. */
export interface NodeShape {
  readonly count: number;
  /** Names are the prefix and a number of five digits, from 1: `sim-00001`. */
  readonly namePrefix?: string;
  /** Quantities. 32 cores, 128 GiB, 512 GiB of disk and 110 pods unless given. */
  readonly cpu?: string;
  readonly memory?: string;
  readonly ephemeralStorage?: string;
  readonly pods?: number;
  /** Extended resources. */
  readonly extended?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Nodes take these values of `topology.kubernetes.io/zone` in turn. */
  readonly zones?: readonly string[];
  readonly taints?: readonly Taint[];
}

/** One pretend node: its number decides its addresses. */
export interface SimNode {
  readonly name: string;
  readonly shape: NodeShape;
  readonly number: number;
  readonly zone: string | undefined;
}

/** The pretend nodes of `shapes`; throws if two would share a name. */
export function simNodesOf(shapes: readonly NodeShape[]): readonly SimNode[] {
  const nodes: SimNode[] = [];
  const counters = new Map<string, number>();
  for (const shape of shapes) {
    const { namePrefix = 'sim-', count, zones = [] } = shape;
    for (let index = 0; index < count; index++) {
      const ordinal = (counters.get(namePrefix) ?? 0) + 1; // shapes with one prefix go on counting
      counters.set(namePrefix, ordinal);
      const name = `${namePrefix}${String(ordinal).padStart(5, '0')}`;
      nodes.push({ name, shape, number: nodes.length, zone: zones[index % Math.max(1, zones.length)] });
    }
  }
  if (nodes.length > simNodesMax) throw new Error(`At most ${simNodesMax} pretend nodes, not ${nodes.length}`);
  return nodes;
}

/** Each has 256 addresses of 10.128.0.0/9, for up to 254 pods. */
const addressBits = 8;
export const simNodesMax = 2 ** (23 - addressBits);
export const podAddressesMax = 2 ** addressBits - 2;
const podNetwork = ((10 << 24) | (128 << 16)) >>> 0;
/** Addresses of the nodes themselves: 10.64.0.0/16 from .0.1 on. */
const nodeNetwork = ((10 << 24) | (64 << 16)) >>> 0;

/** The inverse of `dotted()`. */
export const addressNumber = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const dotted = (address: number) => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

export const nodeAddress = ({ number }: SimNode) => dotted(nodeNetwork + 1 + number);
export const podAddress = ({ number }: SimNode, slot: number) =>
  dotted(podNetwork + number * 2 ** addressBits + 1 + slot);
const podCidr = ({ number }: SimNode) => `${dotted(podNetwork + number * 2 ** addressBits)}/${32 - addressBits}`;

const kubeletVersion = 'v1.35.0';

/** `time` is RFC 3339. The status says Ready: a pretend node has nothing to wait for. */
export function nodeObject(node: SimNode, time: string): Node {
  const { name, shape, zone } = node;
  const amounts = {
    cpu: shape.cpu ?? '32',
    memory: shape.memory ?? '128Gi',
    'ephemeral-storage': shape.ephemeralStorage ?? '512Gi',
    pods: String(shape.pods ?? 110),
    ...shape.extended,
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'beta.kubernetes.io/arch': 'amd64',
        'beta.kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'tutti.dev/runtime': 'sim',
        ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }),
        ...shape.labels,
      },
    },
    spec: {
      podCIDR: podCidr(node),
      podCIDRs: [podCidr(node)],
      ...(shape.taints === undefined || shape.taints.length === 0 ? {} : { taints: shape.taints }),
    },
    status: nodeStatus(node, amounts, time),
  };
}

function nodeStatus(
  node: SimNode,
  amounts: Readonly<Record<string, string>>,
  time: string,
): NonNullable<Node['status']> {
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  });
  return {
    capacity: amounts,
    allocatable: amounts,
    addresses: [
      { type: 'InternalIP', address: nodeAddress(node) },
      { type: 'Hostname', address: node.name },
    ],
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'pretend node is ready'),
    ],
    nodeInfo: {
      architecture: 'amd64',
      bootID: '',
      containerRuntimeVersion: 'sim://1',
      kernelVersion: 'sim',
      kubeProxyVersion: '',
      kubeletVersion,
      machineID: '',
      operatingSystem: 'linux',
      osImage: 'Tutti pretend node',
      systemUUID: '',
    },
  };
}

/** `renewTime` in RFC 3339 with microseconds. */
export function leaseObject(nodeName: string, renewTime: string, durationSeconds: number): Lease {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: nodeName, namespace: 'kube-node-lease' },
    spec: { holderIdentity: nodeName, leaseDurationSeconds: durationSeconds, renewTime },
  };
}
