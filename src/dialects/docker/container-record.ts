import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import type { CreateBody } from './create-body.ts';
import { mainContainer, marks } from './marks.ts';
import { sha256 } from './names.ts';

/** One container of the cluster as Docker sees it: of a pod that this dialect made, or of any other. */
export interface ContainerRecord {
  /** 64 hex digits, the same for as long as the container is there. */
  readonly id: string;
  /** Without Docker's leading slash. */
  readonly name: string;
  readonly pod: Pod;
  readonly container: core.Container;
  /** What the Docker client sent, if one did. */
  readonly body: CreateBody | undefined;
}

/** Every container of a pod, init and ephemeral ones too. `home` is the namespace whose pods need no suffix. */
export function recordsOf(pod: Pod, home: string): readonly ContainerRecord[] {
  const { metadata, spec } = pod;
  const { [marks.id]: id, [marks.name]: name, [marks.config]: config } = metadata?.annotations ?? {};
  const all = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  return all.map((container): ContainerRecord => {
    if (id !== undefined && name !== undefined && config !== undefined && container.name === mainContainer)
      return { id, name, pod, container, body: parseConfig(config) };
    return {
      id: sha256(`${metadata?.uid ?? ''}/${container.name}`),
      name: readableName(pod, container.name, home),
      pod,
      container,
      body: undefined,
    };
  });
}

/**
 * `pod` for the only container of a pod at home, else `pod_container` and, elsewhere, `pod_container_namespace`. No
 * Kubernetes name has an underscore, so two containers never share a name.
 */
function readableName({ metadata, spec }: Pod, container: string, home: string): string {
  const { name = '', namespace = '' } = metadata ?? {};
  if (namespace !== home) return `${name}_${container}_${namespace}`;
  return spec.containers.length === 1 && spec.containers[0]?.name === container ? name : `${name}_${container}`;
}

/** An annotation that somebody has spoiled leaves the container listed, as if it were not Docker's. */
function parseConfig(text: string): CreateBody | undefined {
  try {
    return JSON.parse(text) as CreateBody;
  } catch {
    return undefined;
  }
}

export const refOf = ({ pod }: ContainerRecord): { readonly namespace: string; readonly name: string } => ({
  namespace: pod.metadata?.namespace ?? '',
  name: pod.metadata?.name ?? '',
});

export const hasTty = ({ container }: ContainerRecord): boolean => container.tty === true;
