import { toMilli, toUnits } from '#machinery/quantity.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Container, ContainerStatus } from '#api/core/types.generated.ts';

/** Resource name → amount: `cpu` in thousandths of a core, everything else in whole units (bytes, counts). */
export type Amounts = ReadonlyMap<string, number>;

type ResourceList = Readonly<Record<string, string | number>>;

/** What a container without requests is taken to use when nodes are scored (not when they are filtered). */
export const nominalCpuMilli = 100;
export const nominalMemoryBytes = 200 * 1024 * 1024;

/** An amount of `resource` in the table's units. */
export function amountOf(resource: string, quantity: string | number): number {
  return resource === 'cpu' ? toMilli(quantity) : toUnits(quantity);
}

/** `cpu` as cores or thousandths and bytes in binary units, for people. */
export function describeAmount(resource: string, amount: number): string {
  if (resource === 'cpu') return amount % 1000 === 0 ? `${amount / 1000}` : `${amount}m`;
  if (resource !== 'memory' && resource !== 'ephemeral-storage' && !resource.startsWith('hugepages-'))
    return `${amount}`;
  for (const [suffix, unit] of [
    ['Gi', 2 ** 30],
    ['Mi', 2 ** 20],
    ['Ki', 2 ** 10],
  ] as const) {
    if (Math.abs(amount) >= unit) return `${Math.round((amount / unit) * 10) / 10}${suffix}`;
  }
  return `${amount}`;
}

/** Only these may be requested for the pod as a whole. Source: k8s.io/component-helpers/resource. */
const podLevelResource = (name: string) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

/**
 * What a pod reserves on its node: the larger of (all containers + sidecars) and the peak of its init sequence,
 * replaced per resource by pod-level requests, plus the runtime's overhead. A container whose resize is under way
 * counts with the larger of what is asked and what it has; one whose node can never resize it, with what it has.
 * Source: k8s.io/component-helpers/resource (PodRequests).
 */
export function podRequests(pod: Pod): Amounts {
  const infeasible = isResizeInfeasible(pod);
  return requestsWith(pod, (container, statuses) => effectiveRequests(container, statuses, infeasible));
}

function effectiveRequests(
  container: Container,
  statuses: ReadonlyMap<string, ContainerStatus>,
  infeasible: boolean,
): Map<string, number> {
  const asked = amounts(container.resources?.requests);
  const status = statuses.get(container.name);
  if (status?.resources === undefined) return asked;
  const effective = infeasible ? new Map<string, number>() : asked;
  atLeast(effective, amounts(status.resources.requests));
  atLeast(effective, amounts(status.allocatedResources));
  return effective;
}

/** True if the node has said that it will never have room for what the pod is to be resized to. */
export function isResizeInfeasible({ status }: Pod): boolean {
  return status?.conditions?.find(({ type }) => type === 'PodResizePending')?.reason === 'Infeasible';
}

/** Requests of cpu and memory with the nominal amount for containers that name none: what scoring counts. */
export function nominalRequests(pod: Pod): { cpuMilli: number; memoryBytes: number } {
  const podLevel = pod.spec?.resources?.requests ?? {};
  const infeasible = isResizeInfeasible(pod);
  const total = requestsWith(pod, (container, statuses) => {
    const asked = effectiveRequests(container, statuses, infeasible);
    if (!asked.has('cpu') && podLevel['cpu'] === undefined) asked.set('cpu', nominalCpuMilli);
    if (!asked.has('memory') && podLevel['memory'] === undefined) asked.set('memory', nominalMemoryBytes);
    return asked;
  });
  return { cpuMilli: total.get('cpu') ?? 0, memoryBytes: total.get('memory') ?? 0 };
}

function requestsWith(
  pod: Pod,
  requestsOf: (container: Container, statuses: ReadonlyMap<string, ContainerStatus>) => Map<string, number>,
): Map<string, number> {
  const { spec } = pod;
  if (spec === undefined) return new Map();
  const statuses = statusesOf(pod);
  const total = new Map<string, number>();
  for (const container of spec.containers ?? []) add(total, requestsOf(container, statuses));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of spec.initContainers ?? []) {
    const asked = requestsOf(container, statuses);
    if (container.restartPolicy === 'Always') {
      add(total, asked);
      add(sidecars, asked);
      atLeast(peak, sidecars);
    } else {
      add(asked, sidecars);
      atLeast(peak, asked);
    }
  }
  atLeast(total, peak);
  for (const [name, quantity] of Object.entries(spec.resources?.requests ?? {})) {
    if (podLevelResource(name)) total.set(name, amountOf(name, quantity));
  }
  add(total, amounts(spec.overhead));
  return total;
}

function statusesOf(pod: Pod): ReadonlyMap<string, ContainerStatus> {
  const statuses = new Map<string, ContainerStatus>();
  for (const status of pod.status?.initContainerStatuses ?? []) statuses.set(status.name, status);
  for (const status of pod.status?.containerStatuses ?? []) statuses.set(status.name, status);
  return statuses;
}

function amounts(list: ResourceList | undefined): Map<string, number> {
  const result = new Map<string, number>();
  if (list !== undefined) for (const name in list) result.set(name, amountOf(name, list[name] ?? 0));
  return result;
}

function add(total: Map<string, number>, more: Amounts): void {
  for (const [name, amount] of more) total.set(name, (total.get(name) ?? 0) + amount);
}

function atLeast(total: Map<string, number>, floor: Amounts): void {
  for (const [name, amount] of floor) if (amount > (total.get(name) ?? 0)) total.set(name, amount);
}
