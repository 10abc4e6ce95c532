import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '#api/core/pod.ts';
import type { AgentContext } from '../agent-context.ts';
import { bytesOf } from '../container/linux-resources.ts';
import { labels, logDirName } from '../cri-names.ts';
import { isRunning, type ObservedPod } from './observed.ts';
import { containersOf, uidOf } from './pod-containers.ts';

const resource = 'ephemeral-storage';
/** A volume of more files than this is not counted further: it is over any sensible limit of inodes anyway. */
const filesMax = 1_000_000;

/** Whether the pod bounds what it may write to the node's disk. */
export function hasStorageLimits(pod: Pod): boolean {
  const bounded = (pod.spec.volumes ?? []).some(
    ({ emptyDir }) => emptyDir?.sizeLimit !== undefined && emptyDir.medium !== 'Memory',
  );
  return bounded || containersOf(pod).some(({ spec }) => spec.resources?.limits?.[resource] !== undefined);
}

/** What the pod has too much of on disk, in the words of its eviction; undefined while it keeps to its limits. */
export async function storageExcess(
  { cri, paths }: Pick<AgentContext, 'cri' | 'paths'>,
  pod: Pod,
  observed: ObservedPod,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    const { sizeLimit, medium } = emptyDir ?? {};
    if (sizeLimit === undefined || medium === 'Memory') continue;
    const used = await diskUsage(join(paths.pods, uidOf(pod), 'volumes', name));
    if (used > bytesOf(sizeLimit)) return `Usage of EmptyDir volume "${name}" exceeds the limit "${sizeLimit}". `;
  }
  const limited = containersOf(pod).filter(({ spec }) => spec.resources?.limits?.[resource] !== undefined);
  if (limited.length === 0) return undefined;
  const { stats } = await cri.call(
    'ListContainerStats',
    { filter: { labelSelector: { [labels.uid]: uidOf(pod) } } },
    { signal },
  );
  for (const { spec } of limited) {
    const limit = spec.resources?.limits?.[resource] ?? '0';
    const running = observed.containers.find((container) => container.name === spec.name && isRunning(container));
    const layer = stats.find(({ attributes }) => attributes?.id === running?.id)?.writableLayer?.usedBytes?.value ?? 0n;
    const logs = await diskUsage(join(paths.podLogs, logDirName(pod), spec.name));
    if (Number(layer) + logs > bytesOf(limit)) {
      return `Container ${spec.name} exceeded its local ephemeral storage limit "${limit}". `;
    }
  }
  return undefined;
}

/** Bytes on disk below `dir`; links are not followed, and what vanishes meanwhile does not count. */
async function diskUsage(dir: string): Promise<number> {
  let bytes = 0;
  let files = 0;
  const dirs = [dir];
  for (let at = dirs.pop(); at !== undefined && files < filesMax; at = dirs.pop()) {
    const entries = await readdir(at, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      files++;
      const path = join(at, entry.name);
      if (entry.isDirectory()) dirs.push(path);
      else
        bytes += await lstat(path).then(
          (found) => found.blocks * 512,
          () => 0,
        );
    }
  }
  return bytes;
}
