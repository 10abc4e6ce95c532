import { badRequest } from '#machinery/status-error.ts';
import { isObject, type CreateBody, type HostConfig } from './create-body.ts';
import { notOffered } from './errors.ts';
import { markPrefix } from './marks.ts';

/** HostConfig fields that `container-pod.ts` translates, or whose only use is on the client's side. */
const translated: ReadonlySet<string> = new Set([
  'Binds', 'NetworkMode', 'PortBindings', 'PublishAllPorts', 'RestartPolicy', 'AutoRemove', 'CapAdd', 'CapDrop', 'Dns',
  'DnsOptions', 'DnsSearch', 'ExtraHosts', 'GroupAdd', 'IpcMode', 'PidMode', 'Privileged', 'ReadonlyRootfs', 'SecurityOpt',
  'Tmpfs', 'ShmSize', 'Sysctls', 'Memory', 'MemoryReservation', 'MemorySwap', 'NanoCpus', 'CpuShares', 'CpuPeriod',
  'CpuQuota', 'LogConfig', 'Mounts', 'ConsoleSize', 'ContainerIDFile', 'MemorySwappiness',
]); // prettier-ignore

/** Values that say the same as nothing at all; `CgroupnsMode` and such have a word for their default. */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  MemorySwappiness: [-1],
  CgroupnsMode: ['private'],
  Isolation: ['default'],
  VolumeDriver: ['local'],
  Runtime: ['runc'],
  PidsLimit: [-1],
};

const flags: Readonly<Record<string, string>> = {
  Devices: '--device',
  DeviceRequests: '--gpus',
  Init: '--init',
  Ulimits: '--ulimit',
  PidsLimit: '--pids-limit',
  VolumesFrom: '--volumes-from',
  Links: '--link',
  Runtime: '--runtime',
  OomScoreAdj: '--oom-score-adj',
  OomKillDisable: '--oom-kill-disable',
  UTSMode: '--uts',
  UsernsMode: '--userns',
  CgroupnsMode: '--cgroupns',
  CgroupParent: '--cgroup-parent',
  CpusetCpus: '--cpuset-cpus',
  CpusetMems: '--cpuset-mems',
  BlkioWeight: '--blkio-weight',
  StorageOpt: '--storage-opt',
  VolumeDriver: '--volume-driver',
};

function saysNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '' || value === 0) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.values(value).every(saysNothing);
}

/** Throws for everything in a create request that a pod cannot be told; what is not refused is honoured. */
export function refuseInexpressible(body: CreateBody): void {
  const host: HostConfig = body.HostConfig ?? {};
  for (const [name, value] of Object.entries(host)) {
    if (translated.has(name) || saysNothing(value) || neutral[name]?.includes(value) === true) continue;
    throw notOffered(`HostConfig.${name}${flags[name] === undefined ? '' : ` (${flags[name]})`}`);
  }
  if ((body.Domainname ?? '') !== '') throw notOffered('Domainname (--domainname)');
  const { RestartPolicy: restart, LogConfig: log, MemorySwap: swap = 0, Memory: memory = 0 } = host;
  if (restart?.Name === 'on-failure' && (restart.MaximumRetryCount ?? 0) > 0)
    throw notOffered('a limit to restarts (--restart on-failure:N)', 'use --restart on-failure');
  if (!['', 'no', 'always', 'unless-stopped', 'on-failure', undefined].includes(restart?.Name))
    throw badRequest(
      `invalid restart policy: unknown policy '${restart?.Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  if (host.AutoRemove === true && !['', 'no', undefined].includes(restart?.Name))
    throw badRequest('can\'t create "AutoRemove" container with restart policy');
  if (!['', 'json-file', 'local', undefined].includes(log?.Type) || !saysNothing(log?.Config))
    throw notOffered(
      `log driver options (--log-driver ${log?.Type ?? ''} --log-opt)`,
      'logs are kept as nodes keep them for every pod',
    );
  if (swap !== 0 && swap !== memory) throw notOffered('MemorySwap (--memory-swap)', 'containers have no swap');
  const mode = networkModeOf(body);
  if (mode === 'none') throw notOffered('containers without a network (--network none)', 'every pod has an address');
  if (mode.startsWith('container:'))
    throw notOffered("another container's network (--network container:…)", 'put both into one pod');
  if (mode !== 'bridge' && mode !== 'host')
    throw badRequest(`network ${mode} not found: there are "bridge", the pod network, and "host"`);
  if (!['', 'private', 'shareable', 'host', undefined].includes(host.IpcMode))
    throw notOffered(`IpcMode ${host.IpcMode} (--ipc)`);
  if (!['', 'host', undefined].includes(host.PidMode)) throw notOffered(`PidMode ${host.PidMode} (--pid)`);
  for (const endpoint of Object.values(body.NetworkingConfig?.EndpointsConfig ?? {})) {
    if (!isObject(endpoint)) continue;
    for (const name of ['IPAMConfig', 'Links', 'Aliases', 'MacAddress', 'DriverOpts'])
      if (!saysNothing(endpoint[name])) throw notOffered(`${name} of a network endpoint`);
  }
  for (const label of Object.keys(body.Labels ?? {}))
    if (label.startsWith(markPrefix))
      throw badRequest(`label ${JSON.stringify(label)} is Tutti's own: choose one without "${markPrefix}"`);
}

/** `bridge` is the pod network. */
export function networkModeOf({ HostConfig: host }: CreateBody): string {
  const mode = host?.NetworkMode ?? '';
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}
