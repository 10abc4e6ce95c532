/**
 * The file that says how pods are scheduled: upstream's `KubeSchedulerConfiguration` of kubescheduler.config.k8s.io/v1,
 * with strategies of Tutti's own. Source: https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/ and
 * k8s.io/kubernetes/pkg/scheduler/apis/config/validation (validation.go).
 */
import { duplicate, forbidden, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { parseYaml } from '#machinery/yaml.ts';
import { defaultSchedulerName } from '../demand.ts';
import type { ProfileConfig } from '../profile.ts';
import { FieldReader } from './field-reader.ts';
import { readCustomPlugins, type CustomPluginEntry } from './custom-plugins.ts';
import { decidingPoints, knownPlugins, type DecidingPoint } from './known-plugins.ts';
import { readPluginConfig } from './plugin-args.ts';
import { readPlugins, type PluginSelection } from './plugin-selection.ts';

/** A profile, and where it asks plugins of the operator's own. */
export interface ConfiguredProfile {
  readonly config: ProfileConfig;
  readonly custom: PluginSelection;
}

export interface SchedulerConfiguration {
  readonly profiles: readonly ConfiguredProfile[];
  /** The operator's own, which are still to be loaded. */
  readonly customPlugins: readonly CustomPluginEntry[];
  /** How long a pod waits after its binding failed: the first time, and at most. */
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
  /** What was accepted and has no effect here; each names its field. */
  readonly warnings: readonly string[];
}

const version = 'kubescheduler.config.k8s.io/v1';
const profilesMax = 64;

/** Throws an Error that names every field that is wrong, and the way out. */
export function parseSchedulerConfiguration(text: string | Uint8Array): SchedulerConfiguration {
  const errors: FieldError[] = [];
  const warnings: string[] = [];
  const { value, duplicates } = parseYaml(text);
  for (const path of duplicates) errors.push(forbidden(path, 'occurs twice; leave one of them out'));
  const root = new FieldReader(value, '', errors);
  for (const [name, wanted] of [
    ['apiVersion', version],
    ['kind', 'KubeSchedulerConfiguration'],
  ] as const) {
    const given = root.any(name);
    if (given !== wanted) root.refuse(notSupported(name, given ?? '', [wanted]));
  }
  const backoff = readBackoff(root);
  const warn = (warning: string) => warnings.push(warning);
  readOthers(root, warn);
  const customPlugins = readCustomPlugins(root);
  const custom = new Set(customPlugins.map(({ name }) => name));
  const listed = root.objects('profiles');
  if (listed.length > profilesMax) root.refuse(invalid('profiles', listed.length, `at most ${profilesMax} profiles`));
  const profiles = listed.map((profile) => readProfile(profile, listed.length === 1, custom, warn));
  const names = profiles.map(({ config }) => config.schedulerName);
  for (const [index, name] of names.entries()) {
    if (name !== undefined && names.indexOf(name) < index) {
      errors.push(duplicate(`profiles[${index}].schedulerName`, name));
    }
  }
  if (names.length > 0 && !names.includes(defaultSchedulerName)) {
    warn(`profiles: none is called ${defaultSchedulerName}, so pods that name no scheduler wait`);
  }
  for (const { name, field } of customPlugins) {
    const isOn = profiles.some((profile) =>
      decidingPoints.some((point) => profile.custom[point].some((each) => each.name === name)),
    );
    if (!isOn) warn(`${field}: no profile enables ${name}`);
  }
  root.done();
  if (errors.length > 0) throw new Error(errors.map(({ field, message }) => `${field}: ${message}`).join('\n'));
  const usual = { config: {}, custom: noPlugins };
  return { profiles: profiles.length === 0 ? [usual] : profiles, customPlugins, backoff, warnings };
}

function readBackoff(root: FieldReader): SchedulerConfiguration['backoff'] {
  const initial = root.whole('podInitialBackoffSeconds', { min: 1 }) ?? 1;
  const most = root.whole('podMaxBackoffSeconds', { min: 1 }) ?? 10;
  if (most < initial) {
    root.refuse(invalid('podMaxBackoffSeconds', most, 'must be greater than or equal to podInitialBackoffSeconds'));
  }
  return { initialMs: initial * 1000, maxMs: most * 1000 };
}

/** Fields that are upstream's and mean nothing here, or are refused. */
function readOthers(root: FieldReader, warn: (text: string) => void): void {
  root.whole('parallelism', { min: 1 });
  root.whole('percentageOfNodesToScore', { min: 0, max: 100 });
  for (const name of ['enableProfiling', 'enableContentionProfiling', 'delayCacheUntilActive']) root.flag(name);
  for (const [name, why] of [
    ['leaderElection', 'Tutti elects its leaders itself'],
    ['clientConnection', 'the scheduler runs beside the API server'],
  ] as const) {
    if (root.object(name) !== undefined) warn(`${name} is ignored: ${why}`);
  }
  if (root.objects('extenders').length > 0) {
    const why = 'HTTP extenders are not asked; take them out, and write a plugin under tuttiPlugins instead';
    root.refuse(forbidden('extenders', why));
  }
}

function readProfile(
  profile: FieldReader,
  isOnly: boolean,
  custom: ReadonlySet<string>,
  warn: (text: string) => void,
): ConfiguredProfile {
  const schedulerName = profile.text('schedulerName') ?? (isOnly ? defaultSchedulerName : undefined);
  if (schedulerName === undefined) {
    profile.refuse(required(profile.at('schedulerName'), 'pods choose among several profiles by it'));
  }
  profile.whole('percentageOfNodesToScore', { min: 0, max: 100 });
  const plugins = profile.object('plugins');
  const selection = readPlugins(plugins, custom, warn);
  const { filter, score, postFilter, bind } = selection;
  if (bind.length === 0) {
    profile.refuse(required(profile.at('plugins.bind'), 'somebody must bind pods: leave DefaultBinder on'));
  }
  const args = readPluginConfig(profile, custom, warn);
  profile.done();
  const isOn = new Set(filter.map(({ name }) => name));
  const weights = new Map(score.map(({ name, weight }) => [name, weight]));
  const weightOf = (name: string) => weights.get(name) ?? 0;
  const strategy = args.scoring?.type ?? 'LeastAllocated';
  // Strategies that are not upstream's come without balance and images, unless these are asked for by name.
  const isOwn = strategy === 'Random' || strategy === 'Spread' || strategy === 'BinPack';
  const askedFor = (plugin: string) =>
    score.find(({ name, field }) => name === plugin && (!isOwn || field !== undefined))?.weight ?? 0;
  const config: ProfileConfig = {
    ...(schedulerName === undefined ? {} : { schedulerName }),
    // Neither do they want default constraints, which would spread or gather otherwise than they say.
    ...(isOwn ? { defaultSpread: [] } : {}),
    ...args,
    weights: {
      ...Object.fromEntries(scorers.map((name) => [name, weightOf(name)])),
      NodeResourcesBalancedAllocation: askedFor('NodeResourcesBalancedAllocation'),
      ImageLocality: askedFor('ImageLocality'),
      ...(strategy === 'Random' || strategy === 'Spread' ? { [strategy]: weightOf('NodeResourcesFit') } : {}),
    },
    withoutFilters: Object.entries(knownPlugins).flatMap(([name, { points, missing }]) =>
      points.includes('filter') && missing !== true && !isOn.has(name) ? [name] : [],
    ),
    preempts: postFilter.some(({ name }) => name === 'DefaultPreemption'),
  };
  const own = (point: DecidingPoint) => selection[point].filter(({ name }) => custom.has(name));
  return {
    config,
    custom: {
      filter: own('filter'),
      postFilter: own('postFilter'),
      score: own('score'),
      reserve: own('reserve'),
      permit: own('permit'),
      bind: own('bind'),
    },
  };
}

const noPlugins: PluginSelection = { filter: [], postFilter: [], score: [], reserve: [], permit: [], bind: [] };
const scorers = Object.entries(knownPlugins).flatMap(([name, { points, missing, weight }]) =>
  points.includes('score') && missing !== true && weight !== undefined ? [name] : [],
);
