import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { mergeKubeconfigFile } from '#cluster/kubeconfig.ts';
import { UsageError } from './fail.ts';
import { dataDirOption, type DataDirOptions } from './options.ts';

/** The file that kubectl reads unless told otherwise; with several in $KUBECONFIG, kubectl writes to the first. */
export function userKubeconfig(env: NodeJS.ProcessEnv): string {
  const [first] = (env['KUBECONFIG'] ?? '').split(path.delimiter);
  return first === undefined || first === '' ? path.join(homedir(), '.kube', 'config') : first;
}

/** Adds the cluster of kubeconfig `file` to the user's own, and says so in a line. */
export async function mergeIntoUsers(file: string): Promise<string> {
  const { server } = await loadKubeconfig([file]);
  if (server.ca === undefined || server.cert === undefined || server.key === undefined) {
    throw new UsageError(`${file} lacks certificates.`, 'start the server once more: it writes the file anew');
  }
  const target = userKubeconfig(process.env);
  const entry = { server: server.url, authority: server.ca, user: { certificate: server.cert, key: server.key } };
  const backup = await mergeKubeconfigFile(target, entry).catch((error: Error) => {
    const [problem] = error.message.split('\n');
    throw new UsageError(
      `${target} was left as it is. ${problem}`,
      `mend that file, or use ${file} by itself: export KUBECONFIG=${file}`,
    );
  });
  return `${target} has the context "tutti"${backup === undefined ? '' : ` (a copy of the file before: ${backup})`}`;
}

export function registerKubeconfig(program: Command): void {
  program
    .command('kubeconfig')
    .description('print the cluster’s kubeconfig, or merge it into your own')
    .addOption(dataDirOption())
    .option('--merge', 'add the context "tutti" to the file that kubectl reads; a copy of the old file is kept')
    .action(async (options: DataDirOptions & { merge?: boolean }) => {
      const file = path.join(options.dataDir, 'kubeconfig');
      const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        throw new UsageError(
          `There is no cluster in ${options.dataDir} yet.`,
          `make one with "tutti up --data-dir ${options.dataDir}"`,
        );
      });
      if (options.merge !== true) {
        process.stdout.write(text);
        return;
      }
      process.stdout.write(`${await mergeIntoUsers(file)}\n`);
    });
}
