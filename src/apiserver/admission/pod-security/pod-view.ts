import type { ObjectMeta } from '#machinery/object.ts';
import type { Container, PodSpec } from '#api/core/types.generated.ts';

/** What a policy looks at: a pod, or the template of one. */
export interface PodView {
  readonly metadata: ObjectMeta;
  readonly spec: PodSpec;
}

/** What a check found. `reason` is brief and always told; `detail` names the culprits. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

export type Check = (pod: PodView) => Violation | undefined;

/** All containers in the order upstream visits them. Ephemeral ones have all that is looked at here. */
export function containersOf({ spec }: PodView): readonly Container[] {
  return [
    ...(spec.initContainers ?? []),
    ...spec.containers,
    ...((spec.ephemeralContainers ?? []) as readonly Container[]),
  ];
}

export const quotedList = (items: readonly string[]): string => items.map((item) => `"${item}"`).join(', ');
export const plural = (one: string, many: string, count: number): string => (count === 1 ? one : many);
export const sorted = (items: Iterable<string>): readonly string[] => [...new Set(items)].toSorted();

/** `container "a"`, `containers "a", "b"`. */
export const namedContainers = (containers: readonly Container[]): string =>
  `${plural('container', 'containers', containers.length)} ${quotedList(containers.map(({ name }) => name))}`;

/** `pod`, `containers "a", "b"`, or `pod and container "a"`: who has set something. */
export function setters(podToo: boolean, containers: readonly Container[]): string {
  return [...(podToo ? ['pod'] : []), ...(containers.length > 0 ? [namedContainers(containers)] : [])].join(' and ');
}

/** Pods in a user namespace of their own may do some things that others may not. */
export const hasUserNamespace = ({ spec }: PodView): boolean => spec.hostUsers === false;
export const isWindows = ({ spec }: PodView): boolean => spec.os?.name === 'windows';
