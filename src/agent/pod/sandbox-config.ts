import { join } from 'node:path';
import type { Pod } from '#api/core/pod.ts';
import type { AgentPaths } from '../paths.ts';
import { fqdnOf, hostnameOf } from '../container/host-names.ts';
import { namespaceOptions, seccompOf } from '../container/security-context.ts';
import type { Resolver } from '../container/dns-config.ts';
import type { Init } from '#lib/proto3.ts';
import type { PodSandboxConfig, PortMapping, Protocol } from '../cri/messages.generated.ts';
import { annotations, logDirName, podLabels } from '../cri-names.ts';
import { containersOf, graceSecondsOf, uidOf } from './pod-containers.ts';

export interface SandboxSurroundings {
  readonly paths: AgentPaths;
  readonly resolver: Resolver;
  readonly cgroupParent: string;
  readonly clusterDomain: string;
}

/** What the runtime is asked for: the pod's namespaces, name, resolver, ports and control group. */
export function sandboxConfig(pod: Pod, attempt: number, around: SandboxSurroundings): Init<PodSandboxConfig> {
  const { metadata, spec } = pod;
  const security = spec.securityContext ?? {};
  const isOnHost = spec.hostNetwork === true;
  const isPrivileged = containersOf(pod).some((container) => container.spec.securityContext?.privileged === true);
  const fqdn = spec.setHostnameAsFQDN === true ? fqdnOf(pod, around.clusterDomain) : undefined;
  return {
    metadata: { name: metadata?.name ?? '', namespace: metadata?.namespace ?? '', uid: uidOf(pod), attempt },
    // On the host's network a pod shares the host's UTS namespace too, whose name is not to be set.
    hostname: isOnHost ? '' : (fqdn ?? hostnameOf(pod)),
    logDirectory: join(around.paths.podLogs, logDirName(pod)),
    dnsConfig: around.resolver,
    portMappings: isOnHost ? [] : portMappings(pod),
    labels: podLabels(pod),
    annotations: { ...metadata?.annotations, [annotations.graceSeconds]: String(graceSecondsOf(pod)) },
    linux: {
      cgroupParent: around.cgroupParent,
      sysctls: Object.fromEntries((security.sysctls ?? []).map(({ name, value }) => [name, value])),
      securityContext: {
        namespaceOptions: namespaceOptions(pod),
        privileged: isPrivileged,
        seccomp: isPrivileged
          ? { profileType: 'Unconfined' }
          : seccompOf(security.seccompProfile, profileDir(around.paths)),
        supplementalGroups: [
          ...(security.supplementalGroups ?? []),
          ...(security.fsGroup === undefined ? [] : [security.fsGroup]),
        ],
      },
    },
  };
}

/** Where `seccompProfile.localhostProfile` looks. */
export const profileDir = (paths: AgentPaths): string => join(paths.dataDir, 'seccomp');

function portMappings(pod: Pod): readonly Init<PortMapping>[] {
  return containersOf(pod).flatMap(({ role, spec }) => {
    if (role === 'init' || role === 'ephemeral') return [];
    return (spec.ports ?? []).flatMap(({ containerPort, hostPort = 0, hostIP = '', protocol = 'TCP' }) =>
      hostPort === 0 ? [] : { containerPort, hostPort, hostIp: hostIP, protocol: protocol as Protocol },
    );
  });
}
