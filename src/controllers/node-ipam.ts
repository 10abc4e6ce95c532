import { Node } from '#api/core/node.ts';
import { hasReason } from '#machinery/status-error.ts';
import { CidrPool } from './cidr-pool.ts';
import { refOfObject } from './claims.ts';
import { type Controller, wakesOn } from './controller.ts';

export interface NodeIpamOptions {
  /** Where pods' addresses come from. */
  readonly clusterCidr: string;
  /** Prefix length of each node's share. */
  readonly nodePrefix: number;
}

const defaults: NodeIpamOptions = { clusterCidr: '10.244.0.0/16', nodePrefix: 24 };
const exhaustedAgainMs = 60_000;

/**
 * Gives every node a range of its own for its pods. All nodes are one piece of work, done by one worker from a list
 * that is read at the source: two nodes never get the same range, however old the cache and whoever led before.
 */
export function nodeIpam(options: Partial<NodeIpamOptions> = {}): Controller {
  const { clusterCidr, nodePrefix } = { ...defaults, ...options };
  const key = 'nodes';
  const lacks = ({ spec, metadata }: Node) =>
    (spec.podCIDR === undefined || spec.podCIDR === '') && metadata?.deletionTimestamp === undefined;
  return {
    name: 'node-ipam-controller',
    wakesOn: [wakesOn(Node, ({ type, object }) => (type === 'DELETED' || lacks(object) ? [key] : []))],
    keys: () => [key],
    workersMax: 1,
    async reconcile(_key, { cache, client, events, log, signal }) {
      if (!cache.list(Node).some(lacks)) return undefined;
      const { items } = await client.list(Node, { signal });
      const pool = new CidrPool(clusterCidr, nodePrefix);
      for (const { spec } of items) for (const cidr of spec.podCIDRs ?? [spec.podCIDR ?? '']) pool.take(cidr);
      let failed: unknown;
      for (const node of items.filter(lacks)) {
        const cidr = pool.allocate();
        if (cidr === undefined) {
          const message = `Node ${node.metadata?.name ?? ''} status is now: CIDRNotAvailable`;
          events.record(node, { type: 'Warning', reason: 'CIDRNotAvailable', message });
          log.error('no pod range left for nodes', { clusterCidr, nodePrefix, nodes: items.length });
          return { againMs: exhaustedAgainMs };
        }
        const { uid, resourceVersion } = node.metadata ?? {};
        const patch = { metadata: { uid, resourceVersion }, spec: { podCIDR: cidr, podCIDRs: [cidr] } };
        try {
          await client.patch(Node, refOfObject(node), { type: 'merge', patch }, { signal });
        } catch (error) {
          if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
          failed = error; // the node changed: its range stays reserved for this pass, and the next one sees it anew
        }
      }
      if (failed !== undefined) throw failed;
      return undefined;
    },
  };
}
