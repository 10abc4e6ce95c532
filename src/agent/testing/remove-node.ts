import { access, readdir, readFile } from 'node:fs/promises';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { CgroupTree, findCgroups } from '../cgroup.ts';
import { startContainerd, stopContainerd } from '../containerd.ts';
import { agentPaths } from '../paths.ts';
import { removeTree } from '../volumes/mounts.ts';

export interface TeardownOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Containers get this long to end by themselves. */
  readonly graceSeconds: number;
}

/**
 * Removes everything an agent on this data directory has put on the host: containers, their networks and mounts,
 * control groups, the private containerd and what it holds. No agent may be running. Returns what was removed, in
 * words; nothing is left out for being already gone.
 */
export async function removeNode(options: TeardownOptions): Promise<readonly string[]> {
  const { dataDir, clock, log, signal } = options;
  const paths = agentPaths(dataDir);
  const removed: string[] = [];
  if (await exists(paths.containerd.config)) {
    // Sandboxes must be stopped through the runtime: only it can undo their networks.
    const { cri } = await startContainerd({ paths, clock, log, signal });
    const { containers } = await cri.call(
      'ListContainers',
      { filter: { state: { state: 'CONTAINER_RUNNING' } } },
      { signal },
    );
    const timeout = options.graceSeconds;
    await Promise.allSettled(
      containers.map(({ id }) =>
        cri.call('StopContainer', { containerId: id, timeout }, { signal, extraMs: timeout * 1000 }),
      ),
    );
    const { items } = await cri.call('ListPodSandbox', {}, { signal });
    await Promise.allSettled(
      items.map(async ({ id }) => {
        await cri.call('StopPodSandbox', { podSandboxId: id }, { signal });
        await cri.call('RemovePodSandbox', { podSandboxId: id }, { signal });
      }),
    );
    for (const { metadata } of items) removed.push(`pod ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`);
    cri[Symbol.dispose]();
  }
  if (await stopContainerd(paths, clock, signal)) removed.push('containerd process');
  await killShims(paths.containerd.state, removed);
  await new CgroupTree(await findCgroups(), paths.cgroup).removeAll();
  removed.push(`control group ${paths.cgroup}`);
  for (const dir of [paths.containerd.state, paths.containerd.dir, paths.pods, paths.podLogs, paths.cniConf]) {
    if (!(await exists(dir))) continue;
    await removeTree(dir);
    removed.push(dir);
  }
  return removed;
}

/** Shims whose containers could not be removed hold mounts; they carry our socket in their arguments. */
async function killShims(state: string, removed: string[]): Promise<void> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes('containerd-shim') || !command.includes(`${state}/`)) continue;
    try {
      process.kill(Number(name), 'SIGKILL');
      removed.push(`container shim ${name}`);
    } catch {
      // It ended by itself.
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
