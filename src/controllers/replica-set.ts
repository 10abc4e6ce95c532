import { ReplicaSet } from '#api/apps/replica-set.ts';
import { Pod } from '#api/core/pod.ts';
import type { CacheReader } from '#client/cache.ts';
import { keyOfObject } from '#client/object-index.ts';
import { selectorOf } from '#machinery/labels.ts';
import { indexOrphans } from './claims.ts';
import { type Controller, ownersOf, wakesOn } from './controller.ts';
import { controllerOf } from './owner-reference.ts';
import { isActive } from './pod-state.ts';
import { type ReplicaDriver, reconcileReplicas } from './replica-engine.ts';
import { countTerminating, withoutZeros } from './replica-plan.ts';

const driver: ReplicaDriver<ReplicaSet> = {
  kind: ReplicaSet,
  demandOf: ({ metadata, spec }) => ({
    replicas: spec.replicas,
    minReadySeconds: spec.minReadySeconds ?? 0,
    labels: spec.template?.metadata?.labels ?? {},
    isDeleting: metadata?.deletionTimestamp !== undefined,
  }),
  selectorOf: ({ spec }) => selectorOf(spec.selector),
  templateOf: ({ spec }) => spec.template,
  relatedOf(set, pods, { cache }) {
    const siblings = siblingsOf(cache, set);
    if (siblings.length <= 1) return pods.filter(isActive);
    return siblings.flatMap((sibling) => cache.ownedBy(Pod, sibling).filter(isActive));
  },
  moreCounts: (pods) => withoutZeros({ terminatingReplicas: countTerminating(pods) }),
};

/** The ReplicaSets with the same controller, `set` included. */
function siblingsOf(cache: CacheReader, set: ReplicaSet): readonly ReplicaSet[] {
  const owner = controllerOf(set);
  return owner === undefined ? [set] : cache.ownedBy(ReplicaSet, { metadata: { uid: owner.uid } });
}

/** Keeps as many pods as each ReplicaSet asks for. */
export const replicaSetController = {
  name: 'replicaset-controller',
  reconciles: ReplicaSet,
  spacingMs: 20,
  wakesOn: [
    ownersOf(Pod, ReplicaSet),
    wakesOn(Pod, ({ object, type }, cache) => {
      if (type === 'DELETED' || controllerOf(object) !== undefined) return [];
      const { namespace = '', labels } = object.metadata ?? {};
      return cache
        .list(ReplicaSet, { namespace })
        .filter(({ spec }) => selectorOf(spec.selector).matches(labels))
        .map(keyOfObject);
    }),
  ],
  index: (informers) => indexOrphans(informers, Pod),
  async reconcile(key, context) {
    const set = context.cache.get(ReplicaSet, key);
    return set === undefined ? undefined : await reconcileReplicas(driver, set, context);
  },
} satisfies Controller;
