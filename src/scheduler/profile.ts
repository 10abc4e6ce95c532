import { conditionalBind } from './bind.ts';
import { defaultSchedulerName } from './demand.ts';
import type { Profile, ScorePlugin, Weighted } from './plugin.ts';
import { binPackScore } from './plugins/bin-pack-score.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity, nodeAffinityScore } from './plugins/node-affinity.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeResourcesBalanced, nodeResourcesScore, type ScoringStrategy } from './plugins/node-resources-score.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { randomScore } from './plugins/random-score.ts';
import { taintToleration, taintTolerationScore } from './plugins/taint-toleration.ts';
import { undecidable } from './plugins/undecidable.ts';

/** What an operator says of one profile; everything has upstream's default. */
export interface ProfileConfig {
  /** Pods choose the profile by `spec.schedulerName`. */
  readonly schedulerName?: string;
  /**
   * How nodes are compared by load: `LeastAllocated` spreads, `MostAllocated` packs, `BinPack` packs without stranding
   * one resource, `Random` draws.
   */
  readonly scoring?:
    | ScoringStrategy
    | { readonly type: 'BinPack'; readonly resources?: readonly string[] }
    | { readonly type: 'Random'; readonly seed: number };
  /** Changes how much score plugins count, by name; 0 turns one off. */
  readonly weights?: Readonly<Record<string, number>>;
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
  Random: 1,
};

/** Packing packs among equals too. */
const tieBreaks = {
  LeastAllocated: 'fewer-pods',
  MostAllocated: 'more-pods',
  BinPack: 'more-pods',
  RequestedToCapacityRatio: 'more-pods',
  Random: 'seed',
} as const;

/** Puts a profile together from its configuration. */
export function profileOf(config: ProfileConfig = {}): Profile {
  const { scoring = { type: 'LeastAllocated' }, plugins = {} } = config;
  const weightOf = (name: string) => config.weights?.[name] ?? defaultWeights[name] ?? 1;
  const weighted = (plugin: ScorePlugin): Weighted<ScorePlugin> => ({ plugin, weight: weightOf(plugin.name) });
  const byLoad = byLoadOf(scoring);
  return {
    schedulerName: config.schedulerName ?? defaultSchedulerName,
    filters: [
      undecidable,
      nodeUnschedulable,
      taintToleration,
      nodeAffinity,
      nodePorts,
      nodeResourcesFit,
      ...(plugins.filters ?? []),
    ],
    scores: [
      ...byLoad.map(weighted),
      weighted(taintTolerationScore),
      weighted(nodeAffinityScore),
      ...(plugins.scores ?? []),
    ],
    domains: [
      { plugin: podTopologySpread, weight: weightOf(podTopologySpread.name) },
      { plugin: interPodAffinity, weight: weightOf(interPodAffinity.name) },
      ...(plugins.domains ?? []),
    ],
    tieBreak: plugins.tieBreak ?? tieBreaks[scoring.type],
    reserve: plugins.reserve ?? [],
    permit: plugins.permit ?? [],
    bind: plugins.bind ?? conditionalBind,
    postFilter: plugins.postFilter ?? [],
  };
}

function byLoadOf(scoring: NonNullable<ProfileConfig['scoring']>): readonly ScorePlugin[] {
  switch (scoring.type) {
    case 'Random':
      return [randomScore(scoring.seed)];
    case 'BinPack':
      return [binPackScore(scoring.resources)];
    case 'LeastAllocated':
      return [nodeResourcesScore(scoring), nodeResourcesBalanced];
    case 'MostAllocated':
    case 'RequestedToCapacityRatio':
      return [nodeResourcesScore(scoring)]; // balance would pull against packing
  }
}
