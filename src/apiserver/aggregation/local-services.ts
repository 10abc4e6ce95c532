import type { APIService } from '#api/apiregistration/api-service.ts';
import type { CatalogGroup } from '../catalog.ts';

/** Marks what the server keeps for itself: made at its start, or kept in step with a custom resource. */
export const automanaged = 'kube-aggregator.kubernetes.io/automanaged';

/** Source: kubernetes pkg/controlplane/apiserver (aggregator.go, DefaultGenericAPIServicePriorities and above). */
const groupPriorities: Readonly<Record<string, number>> = {
  '': 18_000,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'resource.k8s.io': 15_900,
  'apiregistration.k8s.io': 20_000,
};
/** Groups that are not upstream's own: custom resources, and what lives beside the API. */
const otherPriority = { group: 1_000, version: 100 } as const;

/** What says that this server serves a group version. */
export function localServices(groups: readonly CatalogGroup[]): readonly APIService[] {
  return groups.flatMap(({ name, versions }) => {
    const group = groupPriorities[name];
    return versions.map(({ version, kinds }, index) => ({
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: {
        name: `${version}.${name}`,
        labels: { [automanaged]: kinds.every(({ custom }) => custom === undefined) ? 'onstart' : 'true' },
      },
      spec: {
        ...(name === '' ? {} : { group: name }),
        version,
        groupPriorityMinimum: group ?? otherPriority.group,
        versionPriority: group === undefined ? otherPriority.version : 15 * (versions.length - index),
      },
    }));
  });
}

export interface LocalPlan {
  readonly make: readonly APIService[];
  readonly drop: readonly string[];
}

/**
 * What brings the stored ones in line with what is served. Nothing that somebody else has made under such a name is
 * touched: it may send a group of ours elsewhere.
 */
export function planLocal(wanted: readonly APIService[], stored: readonly APIService[]): LocalPlan {
  const names = new Set(wanted.map(({ metadata }) => metadata?.name));
  const there = new Set(stored.map(({ metadata }) => metadata?.name));
  return {
    make: wanted.filter(({ metadata }) => !there.has(metadata?.name)),
    drop: stored.flatMap(({ metadata }) =>
      metadata?.labels?.[automanaged] !== undefined && !names.has(metadata.name) ? [metadata.name ?? ''] : [],
    ),
  };
}
