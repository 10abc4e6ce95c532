import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Log } from '#lib/log.ts';
import type { Metrics } from '#lib/metrics.ts';
import type { CustomPluginEntry } from '../configuration/custom-plugins.ts';
import { decidingPoints, type DecidingPoint } from '../configuration/known-plugins.ts';
import type { Chosen } from '../configuration/plugin-selection.ts';
import type { ConfiguredProfile, SchedulerConfiguration } from '../configuration/scheduler-configuration.ts';
import { defaultSchedulerName } from '../demand.ts';
import type { ProfileConfig } from '../profile.ts';
import { CustomPlugin } from './custom-plugin.ts';
import { pluginMetrics } from './plugin-metrics.ts';
import { PluginThread } from './plugin-thread.ts';

export interface OpenedProfiles extends AsyncDisposable {
  readonly profiles: readonly ProfileConfig[];
}

/**
 * Loads the operator's own plugins, whose paths start from `folder`, and gives the profiles that ask them. Throws an
 * Error that names the field of one that cannot be used.
 */
export async function openCustomPlugins(
  { customPlugins, profiles }: SchedulerConfiguration,
  { folder, log, metrics }: { readonly folder: string; readonly log: Log; readonly metrics?: Metrics | undefined },
): Promise<OpenedProfiles> {
  await using resources = new AsyncDisposableStack();
  const metricsOf = pluginMetrics(metrics);
  const opened = new Map<string, CustomPlugin>();
  const threads = await Promise.allSettled(customPlugins.map((entry) => openThread(entry, folder, log)));
  for (const thread of threads) if (thread.status === 'fulfilled') resources.use(thread.value);
  for (const thread of threads) {
    if (thread.status === 'rejected') throw thread.reason;
    const { name } = thread.value.source;
    opened.set(name, new CustomPlugin(thread.value, { log, metrics: metricsOf(name) }));
  }
  for (const { custom } of profiles) {
    for (const point of decidingPoints) for (const chosen of custom[point]) assertOffered(point, chosen, opened);
  }
  const owned = resources.move();
  return {
    profiles: profiles.map((profile) => withCustom(profile, opened)),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function openThread(entry: CustomPluginEntry, folder: string, log: Log): Promise<PluginThread> {
  const { field, module: written, ...source } = entry;
  const file = path.resolve(folder, written);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) throw new Error(`${field}.module: there is no file ${file}`);
  try {
    return await PluginThread.open({ ...source, module: pathToFileURL(file).href }, log);
  } catch (error) {
    throw new Error(`${field}.module: ${(error as Error).message} (${file})`, { cause: error });
  }
}

/** One that is enabled everywhere says by itself where; one that is named at a point must have a say there. */
function assertOffered(point: DecidingPoint, { name, field = '' }: Chosen, opened: ReadonlyMap<string, CustomPlugin>) {
  const points = opened.get(name)?.points ?? new Set();
  if (field.includes('.multiPoint.') || (point !== 'postFilter' && points.has(point))) return;
  if (point === 'reserve' && points.has('unreserve')) return;
  const offered = points.size === 0 ? 'nothing' : [...points].join(', ');
  throw new Error(`${field}.name: plugin "${name}" has no ${point}; it has ${offered}`);
}

function withCustom({ config, custom }: ConfiguredProfile, opened: ReadonlyMap<string, CustomPlugin>): ProfileConfig {
  const { schedulerName = defaultSchedulerName } = config;
  const at = (point: Exclude<DecidingPoint, 'postFilter'>) =>
    custom[point].flatMap(({ name, weight }) => {
      const plugin = opened.get(name);
      const offers = plugin?.points.has(point) === true || (point === 'reserve' && plugin?.points.has('unreserve'));
      return plugin === undefined || offers !== true ? [] : [{ plugin, weight }];
    });
  const [filter, score] = [at('filter'), at('score')];
  const judges = [...new Set([...filter, ...score].map(({ plugin }) => plugin))].map((plugin) => {
    const weight = score.find((each) => each.plugin === plugin)?.weight ?? 0;
    const isFilter = filter.some((each) => each.plugin === plugin);
    return { weight, judge: plugin.judge({ schedulerName, filter: isFilter, score: weight > 0 }) };
  });
  const [bind] = at('bind');
  const asked = [
    ...new Set(
      decidingPoints.flatMap((point) => (point === 'postFilter' ? [] : at(point))).map(({ plugin }) => plugin),
    ),
  ];
  if (asked.length === 0) return config;
  return {
    ...config,
    plugins: {
      // One that scores only is among the filters, too: if it fails, no node will do.
      filters: judges.map(({ judge }) => judge.filter),
      scores: judges.flatMap(({ judge, weight }) => (weight > 0 ? [{ plugin: judge.score, weight }] : [])),
      reserve: at('reserve').map(({ plugin }) => plugin.reserve()),
      permit: at('permit').map(({ plugin }) => plugin.permit()),
      ...(bind === undefined ? {} : { bind: bind.plugin.bind() }),
      readsPods: judges.length > 0,
      onChange(listener) {
        const subscriptions = new DisposableStack();
        for (const plugin of asked) subscriptions.use(plugin.onChange(listener));
        return subscriptions;
      },
    },
  };
}
