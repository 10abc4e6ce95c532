import { Pod } from '#api/core/pod.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { keyOfObject } from '#client/object-index.ts';
import { nothing, selectorFromLabels } from '#machinery/labels.ts';
import { indexOrphans } from './claims.ts';
import { type Controller, ownersOf, wakesOn } from './controller.ts';
import { controllerOf } from './owner-reference.ts';
import { isActive } from './pod-state.ts';
import { type ReplicaDriver, reconcileReplicas } from './replica-engine.ts';

/** An empty selector would own every pod of the namespace; it owns none. */
const selectorOfController = ({ spec: { selector = {} } }: ReplicationController) =>
  Object.keys(selector).length === 0 ? nothing : selectorFromLabels(selector);

const driver: ReplicaDriver<ReplicationController> = {
  kind: ReplicationController,
  demandOf: ({ metadata, spec }) => ({
    replicas: spec.replicas,
    minReadySeconds: spec.minReadySeconds ?? 0,
    labels: spec.template?.metadata?.labels ?? {},
    isDeleting: metadata?.deletionTimestamp !== undefined,
  }),
  selectorOf: selectorOfController,
  templateOf: ({ spec }) => spec.template,
  relatedOf: (_owner, pods) => pods.filter(isActive),
  moreCounts: () => ({}),
};

/** Keeps as many pods as each ReplicationController asks for: the elder brother of ReplicaSets. */
export const replicationControllerController = {
  name: 'replication-controller',
  reconciles: ReplicationController,
  wakesOn: [
    ownersOf(Pod, ReplicationController),
    wakesOn(Pod, ({ object, type }, cache) => {
      if (type === 'DELETED' || controllerOf(object) !== undefined) return [];
      const { namespace = '', labels } = object.metadata ?? {};
      return cache
        .list(ReplicationController, { namespace })
        .filter((owner) => selectorOfController(owner).matches(labels))
        .map(keyOfObject);
    }),
  ],
  index: (informers) => indexOrphans(informers, Pod),
  async reconcile(key, context) {
    const owner = context.cache.get(ReplicationController, key);
    return owner === undefined ? undefined : await reconcileReplicas(driver, owner, context);
  },
} satisfies Controller;
