import { readFile } from 'node:fs/promises';
import type { Log } from '#lib/log.ts';
import type { SchedulerConfiguration } from '#scheduler/configuration/scheduler-configuration.ts';
import { StartError } from './data-dir.ts';

/**
 * Reads a KubeSchedulerConfiguration, and logs what of it has no effect; undefined without a file. Throws `StartError`
 * naming every field that cannot be used.
 */
export async function readSchedulerConfiguration(
  file: string | undefined,
  log: Log,
): Promise<SchedulerConfiguration | undefined> {
  if (file === undefined) return undefined;
  // Its code is loaded by those alone who have one.
  const { parseSchedulerConfiguration } = await import('#scheduler/configuration/scheduler-configuration.ts');
  try {
    const configuration = parseSchedulerConfiguration(await readFile(file));
    for (const warning of configuration.warnings) log.warn('scheduler configuration', { file, warning });
    return configuration;
  } catch (error) {
    throw new StartError(`The scheduler configuration ${file} cannot be used: ${(error as Error).message}`, error);
  }
}
