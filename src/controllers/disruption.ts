import { isDeepStrictEqual } from 'node:util';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { StatefulSet } from '#api/apps/stateful-set.ts';
import { Pod } from '#api/core/pod.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import type { CacheReader } from '#client/cache.ts';
import { keyOfObject } from '#client/object-index.ts';
import type { Kind } from '#machinery/kind.ts';
import { selectorOf } from '#machinery/labels.ts';
import { type Controller, controllerKeyOf, wakesOn } from './controller.ts';
import { nextDisruptionMs, planDisruption } from './disruption-plan.ts';
import { controllerOf } from './owner-reference.ts';

/** Says of each PodDisruptionBudget how many pods may be evicted now; eviction asks for no more than that. */
export const disruptionController = {
  name: 'disruption-controller',
  reconciles: PodDisruptionBudget,
  reads: [ReplicaSet, ReplicationController, StatefulSet, Deployment],
  spacingMs: 50,
  wakesOn: [
    wakesOn(Pod, ({ object, previous }, cache) => {
      const { namespace = '' } = object.metadata ?? {};
      return cache
        .list(PodDisruptionBudget, { namespace })
        .filter(({ spec }) => {
          const selector = selectorOf(spec.selector);
          return (
            selector.matches(object.metadata?.labels) ||
            (previous !== undefined && selector.matches(previous.metadata?.labels))
          );
        })
        .map(keyOfObject);
    }),
    // The numbers asked for have changed: rare, and budgets are few.
    ...([ReplicaSet, ReplicationController, StatefulSet, Deployment] as readonly Kind[]).map((kind) =>
      wakesOn(kind, ({ object, previous }, cache) => {
        if (previous !== undefined && previous.metadata?.generation === object.metadata?.generation) return [];
        return cache.list(PodDisruptionBudget, { namespace: object.metadata?.namespace ?? '' }).map(keyOfObject);
      }),
    ),
  ],
  async reconcile(key, { cache, client, clock, signal }) {
    const budget = cache.get(PodDisruptionBudget, key);
    if (budget === undefined || budget.metadata?.deletionTimestamp !== undefined) return undefined;
    const namespace = budget.metadata?.namespace ?? '';
    const pods = cache.list(Pod, { namespace, selector: selectorOf(budget.spec.selector) });
    const status = planDisruption({ budget, pods, expected: expectedOf(pods, cache), now: clock.now() });
    if (!isDeepStrictEqual(status, budget.status)) {
      await client.update(PodDisruptionBudget, { ...budget, status }, { signal, subresource: 'status' });
    }
    const againMs = nextDisruptionMs(status, clock.now());
    return againMs === undefined ? undefined : { againMs };
  },
} satisfies Controller;

/** The sum of what the pods' owners ask for; undefined if one of them is unknown. Pods without an owner count none. */
function expectedOf(pods: readonly Pod[], cache: CacheReader): number | undefined {
  const owners = new Map<string, number>();
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (owner === undefined || owners.has(owner.uid)) continue;
    const found = ownerOf(pod, cache);
    if (found === undefined) return undefined;
    owners.set(found.uid, found.replicas);
    if (found.uid !== owner.uid) owners.set(owner.uid, 0); // counted with the Deployment above it
  }
  return [...owners.values()].reduce((sum, replicas) => sum + replicas, 0);
}

function ownerOf(pod: Pod, cache: CacheReader): { uid: string; replicas: number } | undefined {
  for (const kind of [ReplicaSet, ReplicationController, StatefulSet] as const) {
    const key = controllerKeyOf(pod, kind);
    if (key === undefined) continue;
    const owner = cache.get<ReplicaSet | ReplicationController | StatefulSet>(kind, key);
    const above = owner === undefined ? undefined : controllerKeyOf(owner, Deployment);
    const top = above === undefined ? owner : (cache.get(Deployment, above) ?? owner);
    if (top?.metadata?.uid === undefined) return undefined;
    return { uid: top.metadata.uid, replicas: top.spec.replicas };
  }
  return undefined;
}
