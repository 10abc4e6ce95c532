import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '#lib/log.ts';
import type { Metrics } from '#lib/metrics.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import { StartError } from './data-dir.ts';

/** How pods are scheduled; dispose of it once the scheduler has stopped. */
export interface OpenedScheduling extends AsyncDisposable {
  readonly profiles: readonly ProfileConfig[];
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
}

/**
 * Reads a KubeSchedulerConfiguration, logs what of it has no effect, and starts its plugins; undefined without a file.
 * Throws `StartError` naming every field that cannot be used.
 */
export async function openScheduling(
  file: string | undefined,
  { log, metrics }: { readonly log: Log; readonly metrics?: Metrics | undefined },
): Promise<OpenedScheduling | undefined> {
  if (file === undefined) return undefined;
  // Its code is loaded by those alone who have one.
  const { parseSchedulerConfiguration } = await import('#scheduler/configuration/scheduler-configuration.ts');
  const { openCustomPlugins } = await import('#scheduler/custom-plugins/open-custom-plugins.ts');
  try {
    const configuration = parseSchedulerConfiguration(await readFile(file));
    for (const warning of configuration.warnings) log.warn('scheduler configuration', { file, warning });
    const folder = path.dirname(path.resolve(file));
    const opened = await openCustomPlugins(configuration, { folder, log: log.child({ area: 'scheduler' }), metrics });
    return { ...opened, backoff: configuration.backoff };
  } catch (error) {
    throw new StartError(`The scheduler configuration ${file} cannot be used: ${(error as Error).message}`, error);
  }
}
