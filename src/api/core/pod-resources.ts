import { addResources, largerResources, type ResourceList } from '#machinery/resource-list.ts';
import type { Pod } from './pod.ts';
import type * as types from './types.generated.ts';

const isPodLevel = (name: string) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

export interface PodResourcesOptions {
  /** The runtime's own share (`spec.overhead`) counts too. */
  readonly overhead: boolean;
}

/**
 * What a pod requests as a whole: the larger of all its containers with the sidecars and the peak of its init sequence,
 * replaced by what the pod itself asks for. A container whose resize is under way counts with the larger of what is
 * asked and what it has. Source: k8s.io/component-helpers/resource (PodRequests).
 */
export function podRequests(pod: Pod, options: PodResourcesOptions): ResourceList {
  const statuses = new Map<string, types.ContainerStatus>();
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  for (const status of [...initContainerStatuses, ...containerStatuses]) statuses.set(status.name, status);
  const requests = total(pod, ({ name, resources }) => {
    const asked = resources?.requests ?? {};
    const status = statuses.get(name);
    return status === undefined
      ? asked
      : largerResources(largerResources(asked, status.resources?.requests ?? {}), status.allocatedResources ?? {});
  });
  const whole = withPodLevel(requests, pod.spec.resources?.requests);
  return options.overhead ? addResources(whole, pod.spec.overhead ?? {}) : whole;
}

/** The limits of a pod as a whole; resources that nothing limits have no overhead added. Source: PodLimits, there. */
export function podLimits(pod: Pod, options: PodResourcesOptions): ResourceList {
  const limits = withPodLevel(
    total(pod, ({ resources }) => resources?.limits ?? {}),
    pod.spec.resources?.limits,
  );
  if (!options.overhead) return limits;
  const counted = Object.entries(pod.spec.overhead ?? {}).filter(([name]) => limits[name] !== undefined);
  return addResources(limits, Object.fromEntries(counted));
}

/** What the containers of a pod request together, whatever the pod itself asks for. */
export const containersRequests = (spec: types.PodSpec): ResourceList =>
  total({ spec }, ({ resources }) => resources?.requests ?? {});

function total({ spec }: Pick<Pod, 'spec'>, of: (container: types.Container) => ResourceList): ResourceList {
  let sum: ResourceList = {};
  for (const container of spec.containers ?? []) sum = addResources(sum, of(container));
  let sidecars: ResourceList = {};
  let peak: ResourceList = {};
  for (const container of spec.initContainers ?? []) {
    const own = of(container);
    if (container.restartPolicy === 'Always') {
      sum = addResources(sum, own);
      sidecars = addResources(sidecars, own);
      peak = largerResources(peak, sidecars);
    } else {
      peak = largerResources(peak, addResources(own, sidecars));
    }
  }
  return largerResources(sum, peak);
}

function withPodLevel(sum: ResourceList, own: ResourceList | undefined): ResourceList {
  if (own === undefined) return sum;
  return { ...sum, ...Object.fromEntries(Object.entries(own).filter(([name]) => isPodLevel(name))) };
}
