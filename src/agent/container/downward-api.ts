import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { parseQuantity } from '#machinery/quantity.ts';
import { badRequest } from '#machinery/status-error.ts';

/** What a pod may ask about itself beyond its own object. */
export interface PodSurroundings {
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  /** Stands in for a container's missing limits. */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** The value of a `fieldRef`. Throws BadRequest for a path that there is not. */
export function fieldValue(pod: Pod, path: string, around: PodSurroundings): string {
  const { metadata = {}, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? metadata.labels : metadata.annotations;
    const key = keyed[2] ?? '';
    return map !== undefined && Object.hasOwn(map, key) ? (map[key] ?? '') : '';
  }
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return mapText(metadata.labels);
    case 'metadata.annotations':
      return mapText(metadata.annotations);
    case 'spec.nodeName':
      return spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default';
    case 'status.hostIP':
      return around.hostIps[0] ?? '';
    case 'status.hostIPs':
      return around.hostIps.join(',');
    case 'status.podIP':
      return around.podIps[0] ?? '';
    case 'status.podIPs':
      return around.podIps.join(',');
    default:
      throw badRequest(`unsupported fieldPath: ${path}`);
  }
}

/** One `key="value"` a line, sorted, with the value quoted as Go does. */
function mapText(map: Readonly<Record<string, string>> = {}): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join('\n');
}

/** The value of a `resourceFieldRef` in units of its divisor, rounded up. Throws BadRequest for an unknown resource. */
export function resourceValue(
  pod: Pod,
  { resource, divisor, containerName }: core.ResourceFieldSelector,
  ownName: string | undefined,
  { allocatable }: PodSurroundings,
): string {
  const name = containerName === undefined || containerName === '' ? ownName : containerName;
  const { containers, initContainers = [] } = pod.spec;
  const container = [...containers, ...initContainers].find((candidate) => candidate.name === name);
  if (container === undefined) throw badRequest(`container ${name ?? ''} not found`);
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(resource);
  const kind = match?.[2];
  if (match === null || kind === undefined) throw badRequest(`unsupported container resource: ${resource}`);
  const { limits = {}, requests = {} } = container.resources ?? {};
  const amount =
    match[1] === 'limits' ? (limits[kind] ?? allocatable[kind] ?? '0') : (requests[kind] ?? limits[kind] ?? '0');
  const unit = divisor === undefined || divisor === '' ? 0n : parseQuantity(divisor).nanos;
  const by = unit === 0n ? 1_000_000_000n : unit;
  return String((parseQuantity(amount).nanos + by - 1n) / by);
}
