import type { Command } from 'commander';
import { holderOf } from '#cluster/data-dir.ts';
import { isAlive } from '#agent/process-identity.ts';
import { endPods } from '#agent/remove-node.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { UsageError } from './fail.ts';
import { dataDirOption, type DataDirOptions } from './options.ts';
import { standardOutput, step } from './terminal.ts';

const stopMsMax = 30_000;
const stopPollMs = 50;
const containersMsMax = 120_000;
/** What Docker gives a container to end by itself. */
const graceSeconds = 10;

/** Asks the server to end and waits until its process is gone. False if none ran. */
export async function stopServer(dataDir: string): Promise<boolean> {
  const holder = await holderOf(dataDir);
  if (holder === undefined) return false;
  process.kill(holder.pid, 'SIGTERM');
  const bound = AbortSignal.timeout(stopMsMax);
  while (await isAlive(holder)) {
    if (bound.aborted)
      throw new UsageError(
        `The server (pid ${holder.pid}) did not end within ${stopMsMax / 1000} s.`,
        `look into its log, or end it with "kill -9 ${holder.pid}"`,
      );
    await systemClock.sleep(stopPollMs, bound).catch(() => undefined);
  }
  return true;
}

export function registerDown(program: Command): void {
  program
    .command('down')
    .description('stop the cluster: its server, its containers, its container runtime; its data stay')
    .addOption(dataDirOption())
    .option('--keep-containers', 'stop the server only; containers run on and the next "tutti up" finds them')
    .action(async ({ dataDir, keepContainers }: DataDirOptions & { keepContainers?: boolean }) => {
      const ran = await step(standardOutput, 'Server', async (detail) => {
        const stopped = await stopServer(dataDir);
        if (!stopped) detail('none was running');
        return stopped;
      });
      if (keepContainers === true) return;
      const ended = await step(standardOutput, 'Containers', async (detail) => {
        const signal = AbortSignal.timeout(containersMsMax);
        const pods = await endPods({ dataDir, clock: systemClock, log: silentLog, signal, graceSeconds });
        detail(`${pods.length} pods ended`);
        return pods.length;
      });
      if (!ran && ended === 0) process.stdout.write(`Nothing of a cluster was running on ${dataDir}.\n`);
    });
}
