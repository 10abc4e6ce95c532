import { ReplicaSet } from '#api/apps/replica-set.ts';
import { StatefulSet } from '#api/apps/stateful-set.ts';
import type { Pod } from '#api/core/pod.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { Service } from '#api/core/service.ts';
import type { TopologySpreadConstraint } from '#api/core/types.generated.ts';
import type { CacheEvent, Informers } from '#client/cache.ts';
import type { DefaultSpread } from './demand.ts';
import type { SpreadOwners } from './spread-owners.ts';

/** Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread (systemDefaultConstraints). */
const systemConstraints: readonly TopologySpreadConstraint[] = [
  { topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

/**
 * Constraints for a pod that names none: `defaults` of its profile, each selecting the pods that it belongs with.
 * Undefined if it has its own or belongs with none.
 */
export function defaultSpreadFor(
  pod: Pod,
  defaults: 'system' | readonly TopologySpreadConstraint[],
  owners: SpreadOwners,
): DefaultSpread | undefined {
  const constraints = defaults === 'system' ? systemConstraints : defaults;
  if (constraints.length === 0 || (pod.spec?.topologySpreadConstraints?.length ?? 0) > 0) return undefined;
  const labelSelector = owners.selectorFor(pod);
  if (labelSelector === undefined) return undefined;
  return {
    of: defaults === 'system' ? 'system' : 'list',
    constraints: constraints.map((constraint) => ({ ...constraint, labelSelector })),
  };
}

/** Keeps `owners` current from the shared caches. */
export function followSpreadOwners(informers: Informers, owners: SpreadOwners): readonly Disposable[] {
  const follow =
    (kind: string) =>
    ({ type, object }: CacheEvent<ReplicaSet | StatefulSet | ReplicationController>) => {
      const { namespace = '', name = '' } = object.metadata ?? {};
      if (type === 'DELETED') owners.removeController(kind, namespace, name);
      else owners.putController(kind, object);
    };
  return [
    informers.on(Service, ({ type, object }) => {
      const { namespace = '', name = '' } = object.metadata ?? {};
      if (type === 'DELETED') owners.removeService(namespace, name);
      else owners.putService(object);
    }),
    informers.on(ReplicaSet, follow('ReplicaSet')),
    informers.on(StatefulSet, follow('StatefulSet')),
    informers.on(ReplicationController, follow('ReplicationController')),
  ];
}
