import type { NodeAffinity, TopologySpreadConstraint } from '#api/core/types.generated.ts';
import { conditionalBind } from './bind.ts';
import { defaultSchedulerName } from './demand.ts';
import type { DomainPlugin, FilterPlugin, Profile, ScorePlugin, Weighted } from './plugin.ts';
import { binPackScore } from './plugins/bin-pack-score.ts';
import { imageLocality } from './plugins/image-locality.ts';
import { interPodAffinityWith, type InterPodAffinityArgs } from './plugins/inter-pod-affinity.ts';
import { nodeAffinityWith, nodeAffinityScoreWith } from './plugins/node-affinity.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesFitBut, type IgnoredResources } from './plugins/node-resources-fit.ts';
import { nodeResourcesBalancedOver, nodeResourcesScore, type ScoringStrategy } from './plugins/node-resources-score.ts';
import { nodeVolumeLimits } from './plugins/node-volume-limits.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { randomScore } from './plugins/random-score.ts';
import { serviceSpreadScore } from './plugins/service-spread-score.ts';
import { withoutFilter } from './plugins/without-filter.ts';
import { taintToleration, taintTolerationScore } from './plugins/taint-toleration.ts';
import { undecidable } from './plugins/undecidable.ts';
import { volumeBinding, volumeClaims } from './plugins/volume-binding.ts';
import { exclusiveClaims, exclusiveDisks } from './plugins/volume-restrictions.ts';
import { volumeZone } from './plugins/volume-zone.ts';

/** What an operator says of one profile; everything has upstream's default. */
export interface ProfileConfig {
  /** Pods choose the profile by `spec.schedulerName`. */
  readonly schedulerName?: string;
  /**
   * How nodes are compared by load: `LeastAllocated` spreads, `MostAllocated` packs, `BinPack` packs without stranding
   * one resource, `Random` draws; `Spread` prefers nodes with the fewest pods of the same service, then those with the
   * fewest pods, as Swarm does.
   */
  readonly scoring?:
    | ScoringStrategy
    | { readonly type: 'BinPack'; readonly resources?: readonly string[] }
    | { readonly type: 'Spread' }
    | { readonly type: 'Random'; readonly seed: number };
  /** Changes how much score plugins count, by name; 0 turns one off. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Names of built-in plugins that refuse no node. */
  readonly withoutFilters?: readonly string[];
  /** False: nobody has to leave for a pod of this profile. */
  readonly preempts?: boolean;
  /** Resources that need not be free on a node. */
  readonly ignoredResources?: IgnoredResources;
  /** Resources that are to be in use in equal shares; cpu and memory unless given. */
  readonly balancedResources?: readonly string[];
  /** Of every pod, beside its own. */
  readonly addedAffinity?: NodeAffinity;
  /** Of what weight required affinity is in scoring, and whether preferences of running pods count. */
  readonly interPodAffinity?: InterPodAffinityArgs;
  /** Constraints of pods that have none: Kubernetes' own, or these. */
  readonly defaultSpread?: 'system' | readonly TopologySpreadConstraint[];
  /** How long a pod waits for its volumes. */
  readonly volumeBindTimeoutSeconds?: number;
  /** Plugins that are asked after the built-in ones. */
  readonly plugins?: Partial<Omit<Profile, 'schedulerName'>>;
}

/** Upstream's weights. Source: k8s.io/kubernetes/pkg/scheduler/apis/config/v1/default_plugins.go. */
const defaultWeights: Readonly<Record<string, number>> = {
  NodeResourcesFit: 1,
  NodeResourcesBalancedAllocation: 1,
  TaintToleration: 3,
  NodeAffinity: 2,
  PodTopologySpread: 2,
  InterPodAffinity: 2,
  ImageLocality: 1,
  Random: 1,
  Spread: 1,
};

/** Packing packs among equals too. */
const tieBreaks = {
  LeastAllocated: 'fewer-pods',
  MostAllocated: 'more-pods',
  BinPack: 'more-pods',
  RequestedToCapacityRatio: 'more-pods',
  Random: 'seed',
  Spread: 'fewer-pods',
} as const;

/** Puts a profile together from its configuration. */
export function profileOf(config: ProfileConfig = {}): Profile {
  const { scoring = { type: 'LeastAllocated' }, plugins = {} } = config;
  const weightOf = (name: string) => config.weights?.[name] ?? defaultWeights[name] ?? 1;
  const weighted = (plugin: ScorePlugin): Weighted<ScorePlugin> => ({ plugin, weight: weightOf(plugin.name) });
  const without = new Set(config.withoutFilters);
  const domain = (plugin: DomainPlugin): Weighted<DomainPlugin> => ({
    plugin: without.has(plugin.name) ? withoutFilter(plugin) : plugin,
    weight: weightOf(plugin.name),
  });
  const filters: FilterPlugin[] = [
    volumeClaims,
    nodeUnschedulable,
    taintToleration,
    nodeAffinityWith(config.addedAffinity),
    nodePorts,
    nodeResourcesFitBut(config.ignoredResources),
    exclusiveDisks,
    nodeVolumeLimits,
    volumeBinding,
    volumeZone,
  ];
  const restrictsVolumes = !without.has(exclusiveClaims.name);
  return {
    schedulerName: config.schedulerName ?? defaultSchedulerName,
    filters: [undecidable, ...filters.filter(({ name }) => !without.has(name)), ...(plugins.filters ?? [])],
    scores: [
      ...byLoadOf(config).map(weighted),
      weighted(taintTolerationScore),
      weighted(nodeAffinityScoreWith(config.addedAffinity)),
      ...(plugins.scores ?? []),
    ],
    domains: [
      ...(restrictsVolumes ? [{ plugin: exclusiveClaims, weight: 0 }] : []),
      domain(podTopologySpread),
      domain(interPodAffinityWith(config.interPodAffinity)),
      ...(prefersImages(config) ? [domain(imageLocality)] : []),
      ...(plugins.domains ?? []),
    ],
    tieBreak: plugins.tieBreak ?? tieBreaks[scoring.type],
    countsServices: scoring.type === 'Spread',
    defaultSpread: defaultSpreadOf(config),
    readsPods: plugins.readsPods ?? false,
    ...(plugins.onChange === undefined ? {} : { onChange: plugins.onChange }),
    preempts: config.preempts ?? true,
    volumeBindMsMax: without.has(volumeBinding.name) ? undefined : (config.volumeBindTimeoutSeconds ?? 600) * 1000,
    reserve: plugins.reserve ?? [],
    permit: plugins.permit ?? [],
    bind: plugins.bind ?? conditionalBind,
  };
}

/** Strategies of Tutti's own rank nodes by themselves: spreading would pull against them unless it is asked for. */
function defaultSpreadOf({ defaultSpread, scoring, weights, withoutFilters }: ProfileConfig): Profile['defaultSpread'] {
  const name = podTopologySpread.name;
  if (weights?.[name] === 0 && withoutFilters?.includes(name) === true) return [];
  return defaultSpread ?? (isOwnStrategy(scoring) ? [] : 'system');
}

const isOwnStrategy = (scoring: ProfileConfig['scoring']) =>
  scoring?.type === 'BinPack' || scoring?.type === 'Spread' || scoring?.type === 'Random';

/** With strategies of Tutti's own only if it is asked for. */
function prefersImages({ scoring, weights }: ProfileConfig): boolean {
  return (weights?.[imageLocality.name] ?? (isOwnStrategy(scoring) ? 0 : 1)) > 0;
}

function byLoadOf({ scoring = { type: 'LeastAllocated' }, weights, balancedResources }: ProfileConfig): ScorePlugin[] {
  // Balance would pull against packing and drawing lots, so it comes with spreading by load only, or by its name.
  const isBalanced = weights?.[balanced] ?? (scoring.type === 'LeastAllocated' ? 1 : 0);
  const balance = isBalanced === 0 ? [] : [nodeResourcesBalancedOver(balancedResources)];
  switch (scoring.type) {
    case 'Random':
      return [randomScore(scoring.seed), ...balance];
    case 'Spread':
      return [serviceSpreadScore, ...balance];
    case 'BinPack':
      return [binPackScore(scoring.resources), ...balance];
    case 'LeastAllocated':
    case 'MostAllocated':
    case 'RequestedToCapacityRatio':
      return [nodeResourcesScore(scoring), ...balance];
  }
}

const balanced = 'NodeResourcesBalancedAllocation';
