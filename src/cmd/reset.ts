import { createInterface } from 'node:readline/promises';
import { rm, stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { isDataDir } from '#cluster/data-dir.ts';
import { resetHost } from '#cluster/reset-host.ts';
import { stopServer } from './down.ts';
import { UsageError } from './fail.ts';
import { dataDirOption, type DataDirOptions } from './options.ts';
import { standardOutput, step } from './terminal.ts';

const resetMsMax = 300_000;

async function confirm(dataDir: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError(
      'Nobody is here to confirm.',
      `say "tutti reset --yes --data-dir ${dataDir}" to remove the cluster and all its data`,
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await prompt.question(
      `Remove the cluster in ${dataDir} with its containers and all its data? [y/N] `,
    );
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}

export function registerReset(program: Command): void {
  program
    .command('reset')
    .description('remove everything Tutti ever put on this host, and list it')
    .addOption(dataDirOption())
    .option('-y, --yes', 'do not ask')
    .action(async ({ dataDir, yes }: DataDirOptions & { yes?: boolean }) => {
      if (!(await isDataDir(dataDir))) {
        throw new UsageError(
          `${dataDir} is not the data directory of a cluster, and reset would remove all of it.`,
          'name the --data-dir that "tutti up" was given',
        );
      }
      if (yes !== true && !(await confirm(dataDir))) return;
      await step(standardOutput, 'Server', async (detail) => {
        if (!(await stopServer(dataDir))) detail('none was running');
      });
      const removed = await step(standardOutput, 'Host', async () => {
        const things = [...(await resetHost(dataDir, AbortSignal.timeout(resetMsMax)))];
        const cache = process.env['NODE_COMPILE_CACHE'];
        if (cache?.endsWith('/tutti') === true && (await stat(cache).catch(() => undefined)) !== undefined) {
          // Another Tutti may be writing to it at this moment; what it writes is its own to remove.
          const isGone = await rm(cache, { recursive: true, force: true, maxRetries: 3 }).then(
            () => true,
            () => false,
          );
          if (isGone) things.push(`${cache} (compiled code)`);
        }
        return things;
      });
      process.stdout.write(
        removed.length === 0
          ? 'There was nothing to remove.\n'
          : `Removed:\n${removed.map((line) => `  ${line}\n`).join('')}`,
      );
    });
}
