import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '#api/core/pod.ts';
import type { Init } from '#lib/proto3.ts';
import { badRequest } from '#machinery/status-error.ts';
import type { AgentContext } from '../agent-context.ts';
import { expand } from '../container/expand.ts';
import { hostsFile } from '../container/host-names.ts';
import type { Mount } from '../cri/messages.generated.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { bindSubPath } from '../volumes/sub-path.ts';
import { uidOf, type PodContainer } from './pod-containers.ts';

type Tools = Pick<AgentContext, 'paths' | 'dns'>;

export interface MountSurroundings {
  readonly podIps: readonly string[];
  readonly environment: ReadonlyMap<string, string>;
  /** On the host; absent if the container wants none. */
  readonly terminationFile: string | undefined;
}

/**
 * What is mounted into a container: its volumes, /etc/hosts unless a volume lies there, and the file for its last
 * words. Throws BadRequest for a volume that is not there and a subPath that leads out of its volume.
 */
export async function containerMounts(
  tools: Tools,
  volumes: PodVolumes,
  pod: Pod,
  { spec }: PodContainer,
  { podIps, environment, terminationFile }: MountSurroundings,
): Promise<readonly Init<Mount>[]> {
  const mounts: Init<Mount>[] = [];
  for (const [index, mount] of (spec.volumeMounts ?? []).entries()) {
    let hostPath = volumes.pathOf(mount.name);
    const subPath = subPathOf(mount, environment);
    if (subPath !== '') {
      const target = join(tools.paths.pods, uidOf(pod), 'subpaths', mount.name, spec.name, String(index));
      await bindSubPath(hostPath, subPath, target);
      hostPath = target;
    }
    mounts.push({
      containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
      hostPath,
      readonly: mount.readOnly === true,
      propagation: propagations[mount.mountPropagation ?? 'None'] ?? 'PROPAGATION_PRIVATE',
    });
  }
  const propagation = 'PROPAGATION_PRIVATE';
  if (!mounts.some(({ containerPath }) => containerPath === '/etc/hosts')) {
    mounts.push({ containerPath: '/etc/hosts', hostPath: await writeHosts(tools, pod, podIps), propagation });
  }
  if (terminationFile !== undefined) {
    const containerPath = spec.terminationMessagePath ?? '/dev/termination-log';
    mounts.push({ containerPath, hostPath: terminationFile, propagation });
  }
  return mounts;
}

/** One file an instance, so that an old instance's message is never taken for a new one's. */
export async function prepareTerminationFile(
  { paths }: Tools,
  pod: Pod,
  { spec }: PodContainer,
  attempt: number,
): Promise<string | undefined> {
  if (spec.terminationMessagePath === '') return undefined;
  const dir = join(paths.pods, uidOf(pod), 'containers', spec.name);
  await mkdir(dir, { recursive: true, mode: 0o750 });
  const file = join(dir, String(attempt));
  await writeFile(file, '');
  // Whatever user the container runs as may write it, and our umask has no say in that.
  await chmod(file, 0o666);
  return file;
}

async function writeHosts({ paths, dns }: Tools, pod: Pod, podIps: readonly string[]): Promise<string> {
  const file = join(paths.pods, uidOf(pod), 'etc-hosts');
  const own = pod.spec.hostNetwork === true ? await readFile('/etc/hosts', 'utf8').catch(() => '') : '';
  await mkdir(join(paths.pods, uidOf(pod)), { recursive: true, mode: 0o750 });
  await writeFile(file, hostsFile(pod, podIps, dns.domain, own), { mode: 0o644 });
  return file;
}

const propagations: Readonly<Record<string, Mount['propagation']>> = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
};

function subPathOf(
  { subPath = '', subPathExpr = '' }: { subPath?: string; subPathExpr?: string },
  environment: ReadonlyMap<string, string>,
): string {
  if (subPathExpr === '') return subPath;
  return expand(subPathExpr, (name) => {
    const value = environment.get(name);
    if (value !== undefined) return value;
    throw badRequest(`subPathExpr ${JSON.stringify(subPathExpr)}: variable ${name} is not set`);
  });
}
