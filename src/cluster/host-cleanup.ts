import { execFile } from 'node:child_process';
import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { startContainerd, stopContainerd } from '#agent/containerd.ts';
import { findProgram } from '#agent/binaries.ts';
import { agentPaths, type AgentPaths } from '#agent/paths.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { resetNetwork } from '#network/reset.ts';

/** How many sandboxes are stopped at once: each runs CNI plugins. */
const parallelStopsMax = 8;

const exists = async (file: string) => (await stat(file).catch(() => undefined)) !== undefined;

/**
 * Stops every container that the agent of `dataDir` has started, and then its container runtime. Returns how many
 * pods were ended. Works without a server: it asks the runtime itself, starting it again if it has died.
 */
export async function endContainers(dataDir: string, signal: AbortSignal): Promise<number> {
  const paths = agentPaths(dataDir);
  if (!(await exists(paths.containerd.config)) || (await findProgram('containerd')) === undefined) return 0;
  const containerd = await startContainerd({ paths, clock: systemClock, log: silentLog, signal });
  const { cri } = containerd;
  const { items } = await cri.call('ListPodSandbox', {}, { signal });
  const waiting = [...items];
  const stopSome = async () => {
    for (let sandbox = waiting.pop(); sandbox !== undefined; sandbox = waiting.pop()) {
      await cri.call('StopPodSandbox', { podSandboxId: sandbox.id }, { signal });
      await cri.call('RemovePodSandbox', { podSandboxId: sandbox.id }, { signal });
    }
  };
  await Promise.all(Array.from({ length: parallelStopsMax }, stopSome));
  cri[Symbol.dispose]();
  await stopContainerd(paths, systemClock, signal);
  return items.length;
}

/** Mount points at or below `dir`, deepest first. Source: proc_pid_mountinfo(5). */
async function mountsBelow(dir: string): Promise<readonly string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  const points = text.split('\n').flatMap((line) => {
    const field = line.split(' ')[4];
    // Blanks, tabs, newlines and backslashes are written in octal.
    return field === undefined
      ? []
      : [field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))];
  });
  return points.filter((point) => point === dir || point.startsWith(`${dir}/`)).sort((a, b) => b.length - a.length);
}

async function unmountBelow(dir: string, removed: string[]): Promise<void> {
  for (const point of await mountsBelow(dir)) {
    await promisify(execFile)('umount', ['-l', point]);
    removed.push(`mount ${point}`);
  }
}

/** Control groups of pods, in every hierarchy; a group goes only when it is empty, children first. */
async function removeControlGroups({ cgroup }: AgentPaths, removed: string[]): Promise<void> {
  const root = '/sys/fs/cgroup';
  const hierarchies = [root, ...(await readdir(root).catch(() => [])).map((name) => path.join(root, name))];
  const remove = async (group: string): Promise<void> => {
    for (const child of await readdir(group, { withFileTypes: true })) {
      if (child.isDirectory()) await remove(path.join(group, child.name));
    }
    await rmdir(group);
  };
  let count = 0;
  for (const hierarchy of hierarchies) {
    const group = path.join(hierarchy, cgroup);
    if (!(await exists(group))) continue;
    await remove(group).then(
      () => count++,
      () => undefined,
    );
  }
  if (count > 0) removed.push(`control group ${cgroup} in ${count} hierarchies`);
}

/**
 * Removes everything Tutti has ever put on this host for `dataDir`: containers, container runtime, mounts, network,
 * control groups, the directory itself. Returns a line for each thing that was there.
 */
export async function resetHost(dataDir: string, signal: AbortSignal): Promise<readonly string[]> {
  const paths = agentPaths(dataDir);
  const removed: string[] = [];
  const pods = await endContainers(dataDir, signal);
  if (pods > 0) removed.push(`${pods} pods with their containers`);
  removed.push(...(await resetNetwork({ dataDir: paths.dataDir, signal })));
  for (const dir of [paths.dataDir, paths.containerd.state]) {
    await unmountBelow(dir, removed);
    if (!(await exists(dir))) continue;
    await rm(dir, { recursive: true, force: true });
    removed.push(dir);
  }
  await removeControlGroups(paths, removed);
  return removed;
}
