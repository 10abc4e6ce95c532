import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, type ReconcileContext, wakesOn } from './controller.ts';
import { deletePod, markDisrupted } from './disruption-target.ts';
import { isTerminal } from './pod-state.ts';
import { findPodGarbage, type PodGarbage } from './pod-gc-plan.ts';

export interface PodGcOptions {
  /** How many pods that have ended are kept to look at. */
  readonly terminatedMax: number;
  readonly everyMs: number;
  /** How long a node must be missing before its pods are given up: it may be registering anew. */
  readonly quarantineMs: number;
}

const defaults: PodGcOptions = { terminatedMax: 12_500, everyMs: 20_000, quarantineMs: 40_000 };
const deletionsAtOnceMax = 16;

/** Clears away pods that no node will: of nodes that are gone, never placed, or ended and too many. */
export function podGc(options: Partial<PodGcOptions> = {}): Controller {
  const { terminatedMax, everyMs, quarantineMs } = { ...defaults, ...options };
  const key = 'pods';
  /** Since when each node that pods name has been missing. */
  const missing = new Map<string, number>();
  return {
    name: 'pod-garbage-collector',
    reads: [Pod],
    wakesOn: [wakesOn(Node, ({ type }) => (type === 'DELETED' ? [key] : []))],
    keys: () => [key],
    workersMax: 1,
    async reconcile(_key, context) {
      const { cache, clock } = context;
      const nodes = new Map(cache.list(Node).map((node) => [node.metadata?.name ?? '', node]));
      const garbage = findPodGarbage(cache.list(Pod), nodes, terminatedMax);
      const orphanedOn = new Set(
        garbage.flatMap(({ why, pod }) => (why === 'orphaned' ? [pod.spec.nodeName ?? ''] : [])),
      );
      for (const name of missing.keys()) if (!orphanedOn.has(name)) missing.delete(name);
      for (const name of orphanedOn) if (!missing.has(name)) missing.set(name, clock.now());
      const gone = new Set<string>();
      for (const [name, since] of missing) {
        if (clock.now() - since >= quarantineMs && !(await exists(name, context))) gone.add(name);
      }
      const due = garbage.filter(({ why, pod }) => why !== 'orphaned' || gone.has(pod.spec.nodeName ?? ''));
      await forEachLimit(due, deletionsAtOnceMax, (each) => clear(each, context));
      return { againMs: everyMs };
    },
  };
}

async function clear({ why, pod }: PodGarbage, context: ReconcileContext): Promise<void> {
  context.log.info('deleting a pod nobody else will', {
    pod: pod.metadata?.name,
    namespace: pod.metadata?.namespace,
    why,
  });
  try {
    const marked =
      why === 'orphaned'
        ? await markDisrupted(pod, 'DeletionByPodGC', 'PodGC: node no longer exists', context, 'Failed')
        : await markFailed(pod, context);
    await deletePod(marked, 0, context);
  } catch (error) {
    if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
  }
}

/** Nobody else will say of it that it has ended. */
async function markFailed(pod: Pod, { client, signal }: ReconcileContext): Promise<Pod> {
  if (isTerminal(pod)) return pod;
  return await client.update(
    Pod,
    { ...pod, status: { ...pod.status, phase: 'Failed' } },
    { signal, subresource: 'status' },
  );
}

/** Asks at the source: a pod must not die because a cache is old. */
async function exists(name: string, { client, signal }: ReconcileContext): Promise<boolean> {
  try {
    await client.get(Node, { name }, { signal });
    return true;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return false;
    throw error;
  }
}
