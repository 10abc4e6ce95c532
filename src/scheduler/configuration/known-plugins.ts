/** Where plugins of a profile have a say, as far as Tutti asks them there. */
export const decidingPoints = ['filter', 'postFilter', 'score', 'reserve', 'permit', 'bind'] as const;
export type DecidingPoint = (typeof decidingPoints)[number];

/** Upstream's other extension points: accepted, and what plugins do there comes with the points above. */
export const accompanyingPoints = ['preEnqueue', 'queueSort', 'preFilter', 'preScore', 'preBind', 'postBind'] as const;
export type AccompanyingPoint = (typeof accompanyingPoints)[number];

export interface KnownPlugin {
  readonly points: readonly (DecidingPoint | AccompanyingPoint)[];
  /** How much it counts where it scores. */
  readonly weight?: number;
  /** True where Tutti has no such plugin yet: its name is accepted, with a warning. */
  readonly missing?: true;
  /** True where it is part of how Tutti works and cannot be turned off. */
  readonly fixed?: true;
}

/**
 * Upstream's plugins: the default ones in its order, then those behind feature gates.
 * Source: k8s.io/kubernetes/pkg/scheduler/apis/config/v1/default_plugins.go and framework/plugins.
 */
export const knownPlugins: Readonly<Record<string, KnownPlugin>> = {
  SchedulingGates: { points: ['preEnqueue'], fixed: true },
  PrioritySort: { points: ['queueSort'], fixed: true },
  NodeUnschedulable: { points: ['filter'] },
  NodeName: { points: ['filter'], fixed: true },
  TaintToleration: { points: ['filter', 'preScore', 'score'], weight: 3 },
  NodeAffinity: { points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2 },
  NodePorts: { points: ['preFilter', 'filter'] },
  NodeResourcesFit: { points: ['preFilter', 'filter', 'preScore', 'score'], weight: 1 },
  VolumeRestrictions: { points: ['preFilter', 'filter'] },
  NodeVolumeLimits: { points: ['preFilter', 'filter'] },
  VolumeBinding: { points: ['preFilter', 'filter', 'preScore', 'score', 'reserve', 'preBind'] },
  VolumeZone: { points: ['preFilter', 'filter'] },
  PodTopologySpread: { points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2 },
  InterPodAffinity: { points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2 },
  DynamicResources: {
    points: ['preEnqueue', 'preFilter', 'filter', 'postFilter', 'score', 'reserve', 'preBind'],
    missing: true,
  },
  DefaultPreemption: { points: ['postFilter'] },
  NodeResourcesBalancedAllocation: { points: ['preScore', 'score'], weight: 1 },
  ImageLocality: { points: ['score'], weight: 1 },
  DefaultBinder: { points: ['bind'] },
  GangScheduling: { points: ['preEnqueue', 'reserve', 'permit'], fixed: true },
  NodeDeclaredFeatures: { points: ['preFilter', 'filter'], missing: true },
};
