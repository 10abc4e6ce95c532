import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cri } from '../cri/cri.ts';
import { labels } from '../cri-names.ts';
import { logFiles } from './log-files.ts';

/** Kubernetes' defaults: 50 MiB a container instance at most. */
export const logBytesMax = 10 * 1024 * 1024;
export const logFilesMax = 5;

/** Puts aside the logs of running containers that have grown too long, and drops the oldest parts. */
export async function rotateLogs(cri: Cri, podLogs: string, signal: AbortSignal): Promise<void> {
  let running: ReadonlyMap<string, string> | undefined;
  for (const pod of await readdir(podLogs)) {
    for (const container of await readdir(join(podLogs, pod)).catch(() => [])) {
      const dir = join(podLogs, pod, container);
      for (const name of await readdir(dir).catch(() => [])) {
        if (!/^\d+\.log$/.test(name)) continue;
        const found = await stat(join(dir, name)).catch(() => undefined);
        if (found === undefined || found.size < logBytesMax) continue;
        running ??= await runningContainers(cri, signal);
        const attempt = Number.parseInt(name, 10);
        const uid = pod.slice(pod.lastIndexOf('_') + 1);
        const id = running.get(`${uid}/${container}`);
        if (id !== undefined) await rotateOne(cri, dir, attempt, id, signal);
      }
    }
  }
}

async function rotateOne(
  cri: Cri,
  dir: string,
  attempt: number,
  containerId: string,
  signal: AbortSignal,
): Promise<void> {
  const current = join(dir, `${attempt}.log`);
  await rename(current, `${current}.${stamp(new Date())}`);
  try {
    await cri.call('ReopenContainerLog', { containerId }, { signal });
  } catch (error) {
    // The runtime goes on writing to the file we moved: it must have its name back.
    const files = await logFiles(dir, attempt);
    const last = files.at(-1);
    if (last !== undefined && last !== current) await rename(last, current).catch(() => {});
    throw error;
  }
  const files = await logFiles(dir, attempt);
  for (const file of files.slice(0, Math.max(0, files.length - logFilesMax))) await rm(file, { force: true });
}

async function runningContainers(cri: Cri, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const filter = { state: { state: 'CONTAINER_RUNNING' } } as const;
  const { containers } = await cri.call('ListContainers', { filter }, { signal });
  return new Map(
    containers.map(({ id, labels: own }) => [`${own[labels.uid] ?? ''}/${own[labels.container] ?? ''}`, id]),
  );
}

/** `20261120-171500-123`: sorts by time. */
function stamp(time: Date): string {
  const digits = time.toISOString().replace(/\D/g, '');
  return `${digits.slice(0, 8)}-${digits.slice(8, 14)}-${digits.slice(14, 17)}`;
}
