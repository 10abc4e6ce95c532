import type { Command } from 'commander';
import { versionInfo } from '#machinery/version.ts';
import { outputOption } from './options.ts';

export function registerVersion(program: Command): void {
  program
    .command('version')
    .description('print the versions of Tutti, its API and its Node')
    .addOption(outputOption())
    .action((options: { output?: string }) => {
      const info = { tutti: versionInfo.tutti, kubernetes: versionInfo.gitVersion, node: process.versions.node };
      if (options.output === 'json') process.stdout.write(`${JSON.stringify(info)}\n`);
      else process.stdout.write(`tutti ${info.tutti}\nkubernetes API ${info.kubernetes}\nnode ${info.node}\n`);
    });
}
