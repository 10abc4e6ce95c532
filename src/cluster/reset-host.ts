import { rm, stat } from 'node:fs/promises';
import { agentPaths } from '#agent/paths.ts';
import { removeNode } from '#agent/remove-node.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { resetNetwork } from '#network/reset.ts';
import { StartError } from './data-dir.ts';

/**
 * Removes everything Tutti has ever put on this host for `dataDir`: containers, container runtime, mounts, control
 * groups, network, the directory itself. No server may be running. Returns a line for each thing that was there.
 */
export async function resetHost(dataDir: string, signal: AbortSignal): Promise<readonly string[]> {
  const { dataDir: dir } = agentPaths(dataDir);
  const removed: string[] = [];
  const failures: string[] = [];
  // What cannot be removed keeps nothing else: the next reset has less to do.
  const attempt = async (remove: () => Promise<readonly string[]>) => {
    try {
      removed.push(...(await remove()));
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  };
  // What is removed gets no time to end well: its data go too.
  const teardown = { dataDir: dir, clock: systemClock, log: silentLog, signal, graceSeconds: 0 };
  await attempt(() => removeNode(teardown));
  await attempt(() => resetNetwork({ dataDir: dir, signal }));
  if (failures.length > 0) {
    throw new StartError(`Not everything could be removed (say "tutti reset" again): ${failures.join('; ')}`);
  }
  if ((await stat(dir).catch(() => undefined)) !== undefined) {
    await rm(dir, { recursive: true, force: true });
    removed.push(dir);
  }
  return removed;
}
