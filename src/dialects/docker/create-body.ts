import { badRequest } from '#machinery/status-error.ts';

/** The fields of POST /containers/create that this dialect understands; the rest is kept and refused if it says anything. */
export interface CreateBody {
  readonly Hostname?: string;
  readonly Domainname?: string;
  readonly User?: string;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  readonly Env?: readonly string[] | null;
  readonly Cmd?: readonly string[] | string | null;
  readonly Entrypoint?: readonly string[] | string | null;
  readonly Image?: string;
  readonly Volumes?: Readonly<Record<string, unknown>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly ExposedPorts?: Readonly<Record<string, unknown>> | null;
  readonly StopSignal?: string;
  readonly StopTimeout?: number | null;
  readonly Healthcheck?: Healthcheck | null;
  readonly HostConfig?: HostConfig | null;
  readonly NetworkingConfig?: { readonly EndpointsConfig?: Readonly<Record<string, unknown>> | null } | null;
}

export interface Healthcheck {
  readonly Test?: readonly string[] | null;
  /** Nanoseconds, as all of Docker's durations. */
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly Retries?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
}

export interface PortBinding {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

export interface HostConfig {
  readonly Binds?: readonly string[] | null;
  readonly NetworkMode?: string;
  readonly PortBindings?: Readonly<Record<string, readonly PortBinding[] | null>> | null;
  readonly PublishAllPorts?: boolean;
  readonly RestartPolicy?: { readonly Name?: string; readonly MaximumRetryCount?: number } | null;
  readonly AutoRemove?: boolean;
  readonly CapAdd?: readonly string[] | null;
  readonly CapDrop?: readonly string[] | null;
  readonly Dns?: readonly string[] | null;
  readonly DnsOptions?: readonly string[] | null;
  readonly DnsSearch?: readonly string[] | null;
  readonly ExtraHosts?: readonly string[] | null;
  readonly GroupAdd?: readonly string[] | null;
  readonly IpcMode?: string;
  readonly PidMode?: string;
  readonly Privileged?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly SecurityOpt?: readonly string[] | null;
  readonly Tmpfs?: Readonly<Record<string, string>> | null;
  readonly ShmSize?: number;
  readonly Sysctls?: Readonly<Record<string, string>> | null;
  readonly Memory?: number;
  readonly MemoryReservation?: number;
  readonly MemorySwap?: number;
  readonly NanoCpus?: number;
  readonly CpuShares?: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly LogConfig?: { readonly Type?: string; readonly Config?: Readonly<Record<string, string>> | null } | null;
  readonly Mounts?: readonly MountRequest[] | null;
}

export interface MountRequest {
  readonly Type?: string;
  readonly Source?: string;
  readonly Target?: string;
  readonly ReadOnly?: boolean;
  readonly TmpfsOptions?: { readonly SizeBytes?: number };
}

const shapes: readonly (readonly [path: string, is: (value: unknown) => boolean, wanted: string])[] = [
  ...['Hostname', 'Domainname', 'User', 'Image', 'WorkingDir', 'StopSignal'].map(
    (name) => [name, (value: unknown) => typeof value === 'string', 'a string'] as const,
  ),
  ...['Tty', 'OpenStdin', 'StdinOnce'].map(
    (name) => [name, (value: unknown) => typeof value === 'boolean', 'true or false'] as const,
  ),
  ['Env', isTexts, 'a list of strings'],
  ['Cmd', (value) => typeof value === 'string' || isTexts(value), 'a list of strings'],
  ['Entrypoint', (value) => typeof value === 'string' || isTexts(value), 'a list of strings'],
  ['StopTimeout', (value) => Number.isInteger(value), 'a whole number'],
  ...['Labels', 'Volumes', 'ExposedPorts', 'HostConfig', 'NetworkingConfig', 'Healthcheck'].map(
    (name) => [name, isObject, 'an object'] as const,
  ),
  ...['Binds', 'CapAdd', 'CapDrop', 'Dns', 'DnsOptions', 'DnsSearch', 'ExtraHosts', 'GroupAdd', 'SecurityOpt'].map(
    (name) => [`HostConfig.${name}`, isTexts, 'a list of strings'] as const,
  ),
  ...['PortBindings', 'RestartPolicy', 'Tmpfs', 'Sysctls', 'LogConfig'].map(
    (name) => [`HostConfig.${name}`, isObject, 'an object'] as const,
  ),
  ...['Memory', 'MemoryReservation', 'MemorySwap', 'NanoCpus', 'CpuShares', 'CpuPeriod', 'CpuQuota', 'ShmSize'].map(
    (name) => [`HostConfig.${name}`, (value: unknown) => Number.isInteger(value), 'a whole number'] as const,
  ),
  ['HostConfig.Mounts', (value) => Array.isArray(value) && value.every(isObject), 'a list of objects'],
];

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Checks the shapes this dialect relies on. Throws BadRequest that names the field. */
export function parseCreateBody(value: unknown): CreateBody {
  if (!isObject(value)) throw badRequest('config cannot be empty in order to create a container');
  for (const [path, is, wanted] of shapes) {
    let found: unknown = value;
    for (const step of path.split('.')) found = isObject(found) ? found[step] : undefined;
    if (found !== undefined && found !== null && !is(found)) throw badRequest(`invalid ${path}: it must be ${wanted}`);
  }
  const body = value as CreateBody;
  if ((body.Image ?? '') === '') throw badRequest('no image specified: Image is empty');
  return body;
}

/** Cmd and Entrypoint may be one string instead of a list. */
export function wordsOf(value: readonly string[] | string | null | undefined): readonly string[] | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'string' ? [value] : value;
}
