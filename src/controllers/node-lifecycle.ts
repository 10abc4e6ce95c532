import { Lease } from '#api/coordination/lease.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { CacheReader, Informers } from '#client/cache.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, type ReconcileContext, wakesOn } from './controller.ts';
import { unknownConditions } from './node-health-plan.ts';
import { isTerminal, podCondition, timestamp } from './pod-state.ts';

export interface NodeLifecycleOptions {
  /** A node silent for this long is Unknown. */
  readonly graceMs: number;
  /** The same for a node that has never said anything. */
  readonly startupGraceMs: number;
}

const defaults: NodeLifecycleOptions = { graceMs: 40_000, startupGraceMs: 60_000 };
const leaseNamespace = 'kube-node-lease';
const podsAtOnceMax = 16;
export const byNode = 'node';

/** Lets controllers find the pods of a node. */
export function indexPodsByNode(informers: Informers): void {
  informers.index(Pod, byNode, ({ spec }) =>
    spec.nodeName === undefined || spec.nodeName === '' ? [] : [spec.nodeName],
  );
}

/** The last sign of life of a node, and when it was first seen here: clocks of other machines are not compared. */
interface Sign {
  readonly what: string;
  readonly ready: string | undefined;
  readonly seenAt: number;
}

/**
 * Notices nodes that have fallen silent: renews neither their Lease nor their status. Their conditions become
 * Unknown, and their pods no longer count as ready, so that no traffic goes there. What follows from that (taints,
 * evictions) is for others.
 */
export function nodeLifecycleController(options: Partial<NodeLifecycleOptions> = {}): Controller {
  const { graceMs, startupGraceMs } = { ...defaults, ...options };
  const signs = new Map<string, Sign>();
  return {
    name: 'node-lifecycle-controller',
    reconciles: Node,
    wakesOn: [
      wakesOn(Lease, ({ object: { metadata } }) =>
        metadata?.namespace === leaseNamespace ? [metadata.name ?? ''] : [],
      ),
      // A pod that its agent last called ready may be seen only after the node was given up.
      wakesOn(Pod, ({ type, object }, cache) =>
        type === 'ADDED' && isOnSilentNode(object, cache) ? [object.spec.nodeName ?? ''] : [],
      ),
    ],
    index: indexPodsByNode,
    async reconcile(key, context) {
      const { cache, clock } = context;
      const node = cache.get(Node, key);
      if (node === undefined) {
        signs.delete(key);
        return undefined;
      }
      const lease = cache.get(Lease, `${leaseNamespace}/${key}`);
      const what = signOf(node, lease);
      let sign = signs.get(key);
      const ready = readyStatusOf(node);
      // Unknown is what this controller wrote itself; anything else that is new comes from the agent.
      const isAlive = sign?.what !== what || (ready !== 'Unknown' && ready !== sign.ready);
      sign = { what, ready, seenAt: sign === undefined || isAlive ? clock.now() : sign.seenAt };
      signs.set(key, sign);
      const hasSpoken = node.status?.conditions?.some(({ type }) => type === 'Ready') ?? false;
      const patienceMs = Math.max(hasSpoken ? graceMs : startupGraceMs, promisedMs(lease));
      const left = sign.seenAt + patienceMs - clock.now();
      if (left > 0) return { againMs: left };
      await giveUp(node, context);
      return undefined;
    },
  };
}

/** An agent that renews more rarely than usual says so in its Lease; a shorter promise is not held against it. */
function promisedMs(lease: Lease | undefined): number {
  const ms = (lease?.spec?.leaseDurationSeconds ?? 0) * 1000;
  return ms > defaults.graceMs ? ms : 0;
}

function signOf({ metadata, status }: Node, lease: Lease | undefined): string {
  const heartbeat = status?.conditions?.find(({ type }) => type === 'Ready')?.lastHeartbeatTime ?? '';
  return [metadata?.uid, heartbeat, lease?.spec?.renewTime ?? '', lease?.spec?.holderIdentity ?? ''].join(' ');
}

function readyStatusOf(node: Node | undefined): string | undefined {
  return node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

function isOnSilentNode({ spec }: Pod, cache: CacheReader): boolean {
  return spec.nodeName !== undefined && readyStatusOf(cache.get(Node, spec.nodeName)) === 'Unknown';
}

async function giveUp(node: Node, context: ReconcileContext): Promise<void> {
  const { cache, client, clock, events, log, signal } = context;
  const conditions = unknownConditions(node, clock.now());
  if (conditions !== node.status?.conditions) {
    log.warn('node has fallen silent', { node: node.metadata?.name });
    await client.update(Node, { ...node, status: { ...node.status, conditions } }, { signal, subresource: 'status' });
    const message = `Node ${node.metadata?.name ?? ''} status is now: NodeNotReady`;
    events.record(node, { type: 'Normal', reason: 'NodeNotReady', message });
  }
  const pods = cache.byIndex(Pod, byNode, node.metadata?.name ?? '');
  await forEachLimit(pods, podsAtOnceMax, async (pod) => {
    const ready = podCondition(pod, 'Ready');
    if (ready?.status !== 'True' || isTerminal(pod)) return;
    const time = timestamp(clock.now());
    const changed = { ...ready, status: 'False', lastTransitionTime: time };
    const others = pod.status?.conditions?.map((each) => (each === ready ? changed : each)) ?? [];
    try {
      const status = { ...pod.status, conditions: others };
      await client.update(Pod, { ...pod, status }, { signal, subresource: 'status' });
      events.record(pod, { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' });
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
    }
  });
}
