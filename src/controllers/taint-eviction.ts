import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { keyOfObject } from '#client/object-index.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, wakesOn } from './controller.ts';
import { deletePod, markDisrupted } from './disruption-target.ts';
import { byNode, indexPodsByNode } from './node-lifecycle.ts';
import { leavesAt } from './node-taints.ts';

const evicting = ({ spec }: Node) => JSON.stringify((spec.taints ?? []).filter(({ effect }) => effect === 'NoExecute'));

/** Deletes pods from nodes whose NoExecute taints they do not tolerate, or not for longer. */
export const taintEvictionController = {
  name: 'taint-eviction-controller',
  reconciles: Pod,
  wakesOn: [
    wakesOn(Node, ({ object, previous }, cache) => {
      if (previous !== undefined && evicting(previous) === evicting(object)) return [];
      if (evicting(object) === '[]') return [];
      return cache.byIndex(Pod, byNode, object.metadata?.name ?? '').map(keyOfObject);
    }),
  ],
  index: indexPodsByNode,
  async reconcile(key, context) {
    const { cache, clock, events, log } = context;
    const pod = cache.get(Pod, key);
    const { nodeName, tolerations = [] } = pod?.spec ?? {};
    if (pod === undefined || nodeName === undefined || pod.metadata?.deletionTimestamp !== undefined) return undefined;
    const at = leavesAt(tolerations, cache.get(Node, nodeName)?.spec.taints ?? []);
    if (at === undefined) return undefined;
    if (at > clock.now()) return { againMs: at - clock.now() };
    log.info('evicting a pod from a tainted node', { node: nodeName });
    events.record(pod, { type: 'Normal', reason: 'TaintManagerEviction', message: `Marking for deletion Pod ${key}` });
    try {
      const message = 'Taint manager: deleting due to NoExecute taint';
      await deletePod(await markDisrupted(pod, 'DeletionByTaintManager', message, context), undefined, context);
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
    }
    return undefined;
  },
} satisfies Controller;
