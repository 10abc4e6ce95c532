import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { badRequest } from '#machinery/status-error.ts';
import { labelValueComplaints, qualifiedNameComplaints } from '#machinery/names.ts';
import { wordsOf, type CreateBody, type HostConfig } from './create-body.ts';
import { notOffered } from './errors.ts';
import { mainContainer, marks } from './marks.ts';
import { podNameOf } from './names.ts';
import { probeOf } from './pod-health.ts';
import { portsOf } from './pod-ports.ts';
import { securityOf } from './pod-security.ts';
import { volumesOf } from './pod-volumes.ts';
import { networkModeOf, refuseInexpressible } from './refusals.ts';

export interface PodRequest {
  readonly body: CreateBody;
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  /** RFC 3339. */
  readonly created: string;
  /** `linux/amd64`; empty for any. */
  readonly platform?: string;
  /** A container that is created but not started is held back by a scheduling gate. */
  readonly gated: boolean;
  readonly isPortTaken: (port: number) => boolean;
}

/** Docker's own where a container names none. */
const stopTimeoutSeconds = 10;

/**
 * The pod that is a Docker container. Throws StatusErrors for what cannot be expressed; `warnings` tell what is
 * weaker than Docker's.
 */
export function podOf(request: PodRequest): { readonly pod: Pod; readonly warnings: readonly string[] } {
  const { body, id, name, namespace, created } = request;
  refuseInexpressible(body);
  const host = body.HostConfig ?? {};
  const warnings: string[] = [];
  const isHostNetwork = networkModeOf(body) === 'host';
  if (isHostNetwork && Object.keys(host.PortBindings ?? {}).length > 0)
    warnings.push('Published ports are discarded when using host network mode');
  const security = securityOf(body);
  const { volumes, volumeMounts } = volumesOf(body);
  const ports = portsOf(body, request.isPortTaken);
  const probe = probeOf(body.Healthcheck, (text) => warnings.push(text));
  const container: core.Container = {
    name: mainContainer,
    image: body.Image ?? '',
    imagePullPolicy: 'IfNotPresent',
    ...commandOf(body),
    ...((body.WorkingDir ?? '') === '' ? {} : { workingDir: body.WorkingDir ?? '' }),
    env: (body.Env ?? []).map(variableOf),
    resources: resourcesOf(host),
    securityContext: security.container,
    ...(ports.length === 0 ? {} : { ports }),
    ...(volumeMounts.length === 0 ? {} : { volumeMounts }),
    ...(probe === undefined ? {} : { readinessProbe: probe }),
    ...(body.Tty === true ? { tty: true } : {}),
    ...(body.OpenStdin === true ? { stdin: true, stdinOnce: body.StdinOnce === true } : {}),
    ...((body.StopSignal ?? '') === '' ? {} : { lifecycle: { stopSignal: signalName(body.StopSignal ?? '') } }),
  };
  const hosts = hostAliasesOf(host.ExtraHosts ?? []);
  const dns = dnsOf(host);
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podNameOf(name),
      namespace,
      labels: { ...podLabels(body.Labels ?? {}), [marks.managed]: 'true' },
      annotations: {
        [marks.id]: id,
        [marks.name]: name,
        [marks.created]: created,
        [marks.config]: JSON.stringify(body),
      },
    },
    spec: {
      containers: [container],
      restartPolicy: restartPolicies[host.RestartPolicy?.Name ?? ''] ?? 'Never',
      terminationGracePeriodSeconds: Math.max(0, body.StopTimeout ?? stopTimeoutSeconds),
      // What Kubernetes would add of its own has no place in a Docker container.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...(request.gated ? { schedulingGates: [{ name: marks.gate }] } : {}),
      ...(isHostNetwork ? { hostNetwork: true } : { hostname: hostnameOf(body, id) }),
      ...(host.IpcMode === 'host' ? { hostIPC: true } : {}),
      ...(host.PidMode === 'host' ? { hostPID: true } : {}),
      ...(Object.keys(security.pod).length === 0 ? {} : { securityContext: security.pod }),
      ...(volumes.length === 0 ? {} : { volumes }),
      ...(hosts.length === 0 ? {} : { hostAliases: hosts }),
      ...dns,
      ...platformOf(request.platform ?? ''),
      ...((body.StopSignal ?? '') === '' ? {} : { os: { name: 'linux' } }),
    },
  };
  return { pod, warnings };
}

const restartPolicies: Readonly<Record<string, string>> = {
  no: 'Never',
  always: 'Always',
  'unless-stopped': 'Always',
  'on-failure': 'OnFailure',
};

/** Kubernetes expands `$(NAME)`, Docker does not. */
const literally = (text: string) => text.replaceAll('$(', '$$$$(');

function commandOf(body: CreateBody): Pick<core.Container, 'command' | 'args'> {
  const entrypoint = wordsOf(body.Entrypoint)?.map(literally);
  const args = (wordsOf(body.Cmd) ?? []).map(literally);
  // `--entrypoint ""` takes the image's away, so the command stands alone.
  if (entrypoint?.length === 1 && entrypoint[0] === '') return args.length === 0 ? {} : { command: args };
  return {
    ...(entrypoint === undefined || entrypoint.length === 0 ? {} : { command: entrypoint }),
    ...(args.length === 0 ? {} : { args }),
  };
}

function variableOf(text: string): core.EnvVar {
  const equals = text.indexOf('=');
  if (equals === 0) throw badRequest(`invalid environment variable: ${text}`);
  if (equals < 0)
    throw notOffered(`unsetting a variable of the image (-e ${text} without a value)`, `give it one: -e ${text}=`);
  return { name: text.slice(0, equals), value: literally(text.slice(equals + 1)) };
}

/** Without --hostname a container's is the beginning of its id. */
function hostnameOf({ Hostname: wanted = '' }: CreateBody, id: string): string {
  return wanted === '' ? id.slice(0, 12) : wanted;
}

function resourcesOf({
  Memory = 0,
  MemoryReservation = 0,
  NanoCpus = 0,
  CpuShares = 0,
  CpuQuota = 0,
  CpuPeriod = 0,
}: HostConfig): core.ResourceRequirements {
  const cpu =
    NanoCpus > 0 ? NanoCpus / 1e6 : CpuQuota > 0 ? (CpuQuota / (CpuPeriod > 0 ? CpuPeriod : 100_000)) * 1000 : 0;
  const limits = { ...(Memory > 0 ? { memory: `${Memory}` } : {}), ...(cpu > 0 ? { cpu: `${Math.ceil(cpu)}m` } : {}) };
  const requests = {
    ...(MemoryReservation > 0 ? { memory: `${MemoryReservation}` } : {}),
    ...(CpuShares > 0 ? { cpu: `${Math.ceil((CpuShares * 1000) / 1024)}m` } : {}),
  };
  return {
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
  };
}

/** Docker's labels may be anything; those that Kubernetes could carry are the pod's labels too. */
function podLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(
      ([key, value]) => qualifiedNameComplaints(key).length === 0 && labelValueComplaints(value).length === 0,
    ),
  );
}

function hostAliasesOf(entries: readonly string[]): readonly core.HostAlias[] {
  return entries.map((entry) => {
    const at = entry.search(/[:=]/);
    const [name, ip] = [entry.slice(0, at), entry.slice(at + 1)];
    if (at <= 0 || ip === '') throw badRequest(`invalid host: ${JSON.stringify(entry)}; use NAME:ADDRESS`);
    if (ip === 'host-gateway') throw notOffered('host-gateway (--add-host)', "give the host's address");
    return { ip, hostnames: [name] };
  });
}

function dnsOf({ Dns, DnsOptions, DnsSearch }: HostConfig): Pick<core.PodSpec, 'dnsPolicy' | 'dnsConfig'> {
  const [nameservers, options, searches] = [Dns ?? [], DnsOptions ?? [], DnsSearch ?? []];
  if (nameservers.length + options.length + searches.length === 0) return {};
  const config = {
    ...(searches.length === 0 ? {} : { searches }),
    ...(options.length === 0
      ? {}
      : {
          options: options.map((option) => {
            const [name = '', value] = option.split(':');
            return value === undefined ? { name } : { name, value };
          }),
        }),
  };
  // As in Docker, given servers replace the cluster's.
  return nameservers.length === 0
    ? { dnsConfig: config }
    : { dnsPolicy: 'None', dnsConfig: { ...config, nameservers } };
}

/** `linux[/arch]`. */
export function platformOf(platform: string): Pick<core.PodSpec, 'nodeSelector'> {
  if (platform === '') return {};
  const [os = '', arch, variant] = platform.split('/');
  if (os !== 'linux' || variant !== undefined)
    throw notOffered(`platform ${JSON.stringify(platform)}`, 'use linux/ARCH');
  return arch === undefined ? {} : { nodeSelector: { 'kubernetes.io/arch': arch } };
}

const signalNames =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  );

/** `9`, `KILL` and `SIGKILL` all are `SIGKILL`. Throws BadRequest. */
export function signalName(text: string): string {
  const name = /^\d+$/.test(text) ? signalNames[Number(text) - 1] : text.toUpperCase().replace(/^SIG/, '');
  if (name === undefined || !(signalNames.includes(name) || /^RTM(IN|AX)([+-]\d+)?$/.test(name)))
    throw badRequest(`Invalid signal: ${text}`);
  return `SIG${name}`;
}
