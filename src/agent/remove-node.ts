import { access, readdir, readFile } from 'node:fs/promises';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { findProgram } from './binaries.ts';
import { CgroupTree, findCgroups } from './cgroup.ts';
import { startContainerd, stopContainerd } from './containerd.ts';
import { agentPaths } from './paths.ts';
import { removeTree } from './volumes/mounts.ts';

export interface TeardownOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Containers get this long to end by themselves. */
  readonly graceSeconds: number;
}

/** Five seconds in all. */
const busyAttemptsMax = 100;
const busyPauseMs = 50;

/**
 * Ends every pod that an agent on this data directory has started, and then its container runtime; images and data
 * stay. No agent may be running. Asks the runtime itself, starting it again if it has died, as only it can undo the
 * networks of pods. Returns the pods in words.
 */
export async function endPods(options: TeardownOptions): Promise<readonly string[]> {
  const { clock, log, signal, graceSeconds } = options;
  const paths = agentPaths(options.dataDir);
  if (!(await exists(paths.containerd.config))) return [];
  const ended: string[] = [];
  if ((await findProgram('containerd')) !== undefined) {
    const { cri } = await startContainerd({ paths, clock, log, signal });
    const running = { filter: { state: { state: 'CONTAINER_RUNNING' } } } as const;
    const { containers } = await cri.call('ListContainers', running, { signal });
    await Promise.allSettled(
      containers.map(({ id }) =>
        cri.call('StopContainer', { containerId: id, timeout: graceSeconds }, { signal, extraMs: graceSeconds * 1000 }),
      ),
    );
    const { items } = await cri.call('ListPodSandbox', {}, { signal });
    await Promise.allSettled(
      items.map(async ({ id, metadata }) => {
        await cri.call('StopPodSandbox', { podSandboxId: id }, { signal });
        await cri.call('RemovePodSandbox', { podSandboxId: id }, { signal });
        ended.push(`pod ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`);
      }),
    );
    cri[Symbol.dispose]();
  }
  await stopContainerd(paths, clock, signal);
  const left = await new CgroupTree(await findCgroups(), paths.cgroup).killAll();
  if (left > 0) log.info('processes without a container ended', { count: left });
  return ended;
}

/**
 * Removes everything an agent on this data directory has put on the host: pods, their networks and mounts, control
 * groups, the private containerd and what it holds. Returns what was removed, in words.
 */
export async function removeNode(options: TeardownOptions): Promise<readonly string[]> {
  const paths = agentPaths(options.dataDir);
  const removed = [...(await endPods(options))];
  await killShims(paths.containerd.state, removed);
  const dirs = [paths.containerd.state, paths.containerd.dir, paths.pods, paths.podLogs, paths.cniConf];
  for (const dir of dirs) {
    if (!(await exists(dir))) continue;
    await removeTree(dir);
    removed.push(dir);
  }
  if (await removeControlGroups(paths.cgroup, options)) removed.push(`control group ${paths.cgroup}`);
  return removed;
}

/** A killed process leaves its control group a moment later than its runtime says; until then the group is busy. */
async function removeControlGroups(
  root: string,
  { clock, signal }: Pick<TeardownOptions, 'clock' | 'signal'>,
): Promise<boolean> {
  const groups = new CgroupTree(await findCgroups(), root);
  for (let attempts = 1; ; attempts++) {
    try {
      return (await groups.removeAll()) || attempts > 1;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || attempts === busyAttemptsMax) throw error;
      await clock.sleep(busyPauseMs, signal);
    }
  }
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
