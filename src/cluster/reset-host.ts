import { rm, stat } from 'node:fs/promises';
import { agentPaths } from '#agent/paths.ts';
import { removeNode } from '#agent/remove-node.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { resetNetwork } from '#network/reset.ts';

/**
 * Removes everything Tutti has ever put on this host for `dataDir`: containers, container runtime, mounts, control
 * groups, network, the directory itself. No server may be running. Returns a line for each thing that was there.
 */
export async function resetHost(dataDir: string, signal: AbortSignal): Promise<readonly string[]> {
  const { dataDir: dir } = agentPaths(dataDir);
  // What is removed gets no time to end well: its data go too.
  const node = await removeNode({ dataDir: dir, clock: systemClock, log: silentLog, signal, graceSeconds: 0 });
  const network = await resetNetwork({ dataDir: dir, signal });
  const removed = [...node, ...network];
  if ((await stat(dir).catch(() => undefined)) !== undefined) {
    await rm(dir, { recursive: true, force: true });
    removed.push(dir);
  }
  return removed;
}
