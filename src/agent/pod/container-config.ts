import { join } from 'node:path';
import type { Pod } from '#api/core/pod.ts';
import { badRequest } from '#machinery/status-error.ts';
import { expand } from '../container/expand.ts';
import { containerResources } from '../container/linux-resources.ts';
import { containerSecurity, type ImageUser } from '../container/security-context.ts';
import type { Init } from '#lib/proto3.ts';
import type { ContainerConfig, Mount, Signal } from '../cri/messages.generated.ts';
import { annotations, labels } from '../cri-names.ts';
import type { PodContainer } from './pod-containers.ts';
import { containerHash } from './container-hash.ts';

export interface ContainerSurroundings {
  readonly imageId: string;
  readonly imageUser: ImageUser;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly Init<Mount>[];
  /** On the host; absent if the container wants no termination message. */
  readonly terminationFile?: string;
  readonly seccompProfiles: string;
  readonly nodeMemoryBytes: number;
  /** Whose process namespace an ephemeral container joins. */
  readonly targetContainerId?: string;
}

/** What the runtime is asked for. Throws BadRequest for settings that cannot be honoured. */
export function containerConfig(
  pod: Pod,
  { spec }: PodContainer,
  attempt: number,
  around: ContainerSurroundings,
): Init<ContainerConfig> {
  const { name, workingDir = '' } = spec;
  // A working directory in /proc can lead out of the container (CVE-2024-21626).
  if (/^\/proc(\/|$)/.test(join('/', workingDir)))
    throw badRequest(`workingDir ${JSON.stringify(workingDir)} must not lie in /proc`);
  const valueOf = (variable: string) => around.environment.get(variable);
  const { metadata } = pod;
  return {
    metadata: { name, attempt },
    image: { image: around.imageId, userSpecifiedImage: spec.image ?? '' },
    command: (spec.command ?? []).map((text) => expand(text, valueOf)),
    args: (spec.args ?? []).map((text) => expand(text, valueOf)),
    workingDir,
    envs: [...around.environment].map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: around.mounts,
    labels: {
      [labels.container]: name,
      [labels.pod]: metadata?.name ?? '',
      [labels.namespace]: metadata?.namespace ?? '',
      [labels.uid]: metadata?.uid ?? '',
    },
    annotations: {
      [annotations.hash]: containerHash(spec),
      [annotations.restartCount]: String(attempt),
      [annotations.terminationPath]: spec.terminationMessagePath ?? '',
      [annotations.terminationPolicy]: spec.terminationMessagePolicy ?? 'File',
      [annotations.terminationFile]: around.terminationFile ?? '',
    },
    logPath: join(name, `${attempt}.log`),
    stdin: spec.stdin === true,
    stdinOnce: spec.stdinOnce === true,
    tty: spec.tty === true,
    ...(spec.lifecycle?.stopSignal === undefined ? {} : { stopSignal: spec.lifecycle.stopSignal as Signal }),
    linux: {
      resources: containerResources(pod, spec, around.nodeMemoryBytes),
      securityContext: containerSecurity(pod, spec, around.imageUser, around.seccompProfiles, around.targetContainerId),
    },
  };
}
