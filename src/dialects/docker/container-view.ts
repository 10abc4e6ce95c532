import type * as core from '#api/core/types.generated.ts';
import type { ContainerRecord } from './container-record.ts';
import { stateOf, statusOf, type ContainerState } from './container-state.ts';
import { wordsOf, type CreateBody } from './create-body.ts';
import { humanDuration } from './duration.ts';
import { familiarName } from './image-names.ts';
import { marks } from './marks.ts';
import { networkModeOf } from './refusals.ts';
import { sha256 } from './names.ts';

/** Where a container is, for what Docker tells of its network. */
export interface NodeView {
  readonly name: string;
  readonly ip: string;
}

/** One element of GET /containers/json. */
export function rowOf(record: ContainerRecord, node: NodeView | undefined, now: number): Record<string, unknown> {
  const state = stateOf(record, now);
  const created = Date.parse(createdAt(record));
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: imageOf(record),
    ImageID: imageIdOf(record),
    Command: commandLine(record),
    Created: Math.floor(created / 1000),
    Ports: record.pod.status?.phase === 'Running' ? portRows(record, node) : [],
    Labels: labelsOf(record),
    State: state.status,
    Status: statusText(state, now),
    HostConfig: { NetworkMode: networkOf(record) },
    NetworkSettings: { Networks: networksOf(record, node) },
    Mounts: mountsOf(record),
  };
}

/** GET /containers/X/json. */
export function inspectionOf(
  record: ContainerRecord,
  node: NodeView | undefined,
  now: number,
): Record<string, unknown> {
  const { pod, name, id, body } = record;
  const state = stateOf(record, now);
  const { HostConfig: host, NetworkingConfig: _, ...config } = body ?? configOf(record);
  const [path = '', ...args] = [...(wordsOf(config.Entrypoint) ?? []), ...(wordsOf(config.Cmd) ?? [])];
  const ip = pod.status?.podIP ?? '';
  return {
    Id: id,
    Created: createdAt(record),
    Path: path,
    Args: args,
    State: {
      Status: state.status,
      Running: state.status === 'running' || state.status === 'restarting',
      Paused: false,
      Restarting: state.status === 'restarting',
      OOMKilled: state.oomKilled,
      Dead: false,
      Pid: 0,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
      ...(state.health === undefined ? {} : { Health: { Status: state.health, FailingStreak: 0, Log: [] } }),
    },
    Image: imageIdOf(record),
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: '',
    Name: `/${name}`,
    RestartCount: state.restartCount,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: { ...host, NetworkMode: networkOf(record) },
    GraphDriver: { Name: 'overlayfs', Data: null },
    Mounts: mountsOf(record),
    Config: {
      Hostname: pod.spec.hostname ?? pod.metadata?.name ?? '',
      ...definedOf(config, pod.spec.hostname),
      Image: imageOf(record),
      Labels: labelsOf(record),
    },
    NetworkSettings: {
      Bridge: '',
      SandboxID: '',
      SandboxKey: '',
      Ports: portMap(record, node),
      IPAddress: pod.spec.hostNetwork === true ? '' : ip,
      IPPrefixLen: 0,
      Gateway: '',
      MacAddress: '',
      Networks: networksOf(record, node),
    },
    ...(node === undefined ? {} : { Node: { ID: node.name, Name: node.name, IP: node.ip, Addr: node.ip } }),
  };
}

/** Docker fills an empty hostname in; the rest is given back as it came. */
function definedOf(config: Omit<CreateBody, 'HostConfig' | 'NetworkingConfig'>, hostname: string | undefined) {
  return (config.Hostname ?? '') === '' && hostname !== undefined ? { ...config, Hostname: hostname } : config;
}

/** What Docker would have been sent for a container that came otherwise. */
function configOf({ container, pod }: ContainerRecord): CreateBody {
  return {
    User: [container.securityContext?.runAsUser, container.securityContext?.runAsGroup]
      .filter((id) => id !== undefined)
      .join(':'),
    Tty: container.tty === true,
    OpenStdin: container.stdin === true,
    StdinOnce: container.stdinOnce === true,
    Env: (container.env ?? []).flatMap(({ name, value, valueFrom }) =>
      valueFrom === undefined ? [`${name}=${value ?? ''}`] : [],
    ),
    Cmd: container.args ?? null,
    Entrypoint: container.command ?? null,
    WorkingDir: container.workingDir ?? '',
    ExposedPorts: Object.fromEntries((container.ports ?? []).map((port) => [portName(port), {}])),
    HostConfig: {
      NetworkMode: pod.spec.hostNetwork === true ? 'host' : 'bridge',
      RestartPolicy: {
        Name: { Always: 'always', OnFailure: 'on-failure' }[pod.spec.restartPolicy ?? 'Always'] ?? 'no',
        MaximumRetryCount: 0,
      },
      AutoRemove: false,
      Privileged: container.securityContext?.privileged === true,
      ReadonlyRootfs: container.securityContext?.readOnlyRootFilesystem === true,
    },
  };
}

export function createdAt({ pod }: ContainerRecord): string {
  return pod.metadata?.annotations?.[marks.created] ?? pod.metadata?.creationTimestamp ?? '';
}

/** Docker's own labels are those of the create request; others' are the pod's. */
export function labelsOf({ body, pod }: ContainerRecord): Readonly<Record<string, string>> {
  return body === undefined ? (pod.metadata?.labels ?? {}) : (body.Labels ?? {});
}

export function imageOf({ body, container }: ContainerRecord): string {
  return body?.Image ?? familiarName(container.image ?? '');
}

function imageIdOf(record: ContainerRecord): string {
  const id = statusOf(record)?.imageID ?? '';
  const digest = /sha256:[0-9a-f]{64}$/.exec(id)?.[0];
  return digest ?? `sha256:${sha256(record.container.image ?? '')}`;
}

function commandLine({ body, container }: ContainerRecord): string {
  const words =
    body === undefined
      ? [...(container.command ?? []), ...(container.args ?? [])]
      : [...(wordsOf(body.Entrypoint) ?? []), ...(wordsOf(body.Cmd) ?? [])];
  return words.join(' ');
}

export function networkOf({ body, pod }: ContainerRecord): string {
  if (body !== undefined) return networkModeOf(body);
  return pod.spec.hostNetwork === true ? 'host' : 'bridge';
}

function networksOf(record: ContainerRecord, node: NodeView | undefined): Record<string, unknown> {
  const mode = networkOf(record);
  const ip = mode === 'host' ? '' : (record.pod.status?.podIP ?? '');
  return {
    [mode]: { IPAMConfig: null, Links: null, Aliases: null, MacAddress: '', NetworkID: sha256(mode), EndpointID: '', Gateway: '', IPAddress: ip, IPPrefixLen: 0, DNSNames: null, ...(node === undefined ? {} : { DriverOpts: null }) },
  }; // prettier-ignore
}

const portName = ({ containerPort, protocol = 'TCP' }: core.ContainerPort) =>
  `${containerPort}/${protocol.toLowerCase()}`;

function portRows({ container }: ContainerRecord, node: NodeView | undefined): readonly Record<string, unknown>[] {
  return (container.ports ?? []).map(({ containerPort, protocol = 'TCP', hostPort, hostIP }) => ({
    ...(hostPort === undefined ? {} : { IP: hostIP ?? node?.ip ?? '0.0.0.0', PublicPort: hostPort }),
    PrivatePort: containerPort,
    Type: protocol.toLowerCase(),
  }));
}

function portMap({ container }: ContainerRecord, node: NodeView | undefined): Record<string, unknown> {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const port of container.ports ?? []) {
    const name = portName(port);
    if (port.hostPort === undefined) map[name] ??= null;
    else
      map[name] = [
        ...(map[name] ?? []),
        { HostIp: port.hostIP ?? node?.ip ?? '0.0.0.0', HostPort: `${port.hostPort}` },
      ];
  }
  return map;
}

function mountsOf({ container, pod }: ContainerRecord): readonly Record<string, unknown>[] {
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => {
    const volume = pod.spec.volumes?.find((candidate) => candidate.name === name);
    const { Type, Source } =
      volume?.hostPath !== undefined
        ? { Type: 'bind', Source: volume.hostPath.path }
        : { Type: volume?.emptyDir?.medium === 'Memory' ? 'tmpfs' : 'volume', Source: '' };
    return {
      Type,
      ...(Type === 'volume' ? { Name: name, Driver: 'local' } : {}),
      Source,
      Destination: mountPath,
      Mode: '',
      RW: readOnly !== true,
      Propagation: 'rprivate',
    };
  });
}

/** The STATUS column of `docker ps`. */
export function statusText(state: ContainerState, now: number): string {
  const ago = (time: string) => humanDuration(Math.max(0, now - Date.parse(time)));
  switch (state.status) {
    case 'running':
      return `Up ${ago(state.startedAt)}${state.health === undefined ? '' : ` (${state.health === 'starting' ? 'health: starting' : state.health})`}`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${ago(state.finishedAt)} ago`;
    case 'exited':
      return state.finishedAt.startsWith('0001')
        ? `Exited (${state.exitCode})`
        : `Exited (${state.exitCode}) ${ago(state.finishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'created':
      return state.waiting?.reason === undefined || !/Err|BackOff|Invalid/.test(state.waiting.reason)
        ? 'Created'
        : `Created (${state.waiting.reason})`;
  }
}
