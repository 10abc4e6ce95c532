import { nodeAffinityErrors, topologySpreadErrors } from '#api/core/scheduling-rules.ts';
import type { NodeAffinity, TopologySpreadConstraint } from '#api/core/types.generated.ts';
import { definition } from '#api/definitions.ts';
import { conform } from '#machinery/conform.ts';
import { duplicate, forbidden, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import type { ProfileConfig } from '../profile.ts';
import type { FieldReader } from './field-reader.ts';
import { knownPlugins } from './known-plugins.ts';

/** What arguments of plugins say of a profile. */
export type Arguments = Pick<
  ProfileConfig,
  | 'scoring'
  | 'ignoredResources'
  | 'balancedResources'
  | 'addedAffinity'
  | 'interPodAffinity'
  | 'defaultSpread'
  | 'volumeBindTimeoutSeconds'
>;

type ReadArguments = (args: FieldReader) => Arguments;

const group = 'kubescheduler.config.k8s.io';

/**
 * Plugins with arguments, and how these are read; bounds and defaults are upstream's.
 * Source: k8s.io/kubernetes/pkg/scheduler/apis/config/validation (validation_pluginargs.go).
 */
const readers: Readonly<Record<string, ReadArguments>> = {
  NodeResourcesFit: readFit,
  NodeResourcesBalancedAllocation: readBalance,
  NodeAffinity: readAddedAffinity,
  PodTopologySpread: readDefaultSpread,
  InterPodAffinity: (args) => ({
    interPodAffinity: {
      hardPodAffinityWeight: args.whole('hardPodAffinityWeight', { min: 0, max: 100 }) ?? 1,
      ignorePreferredTermsOfExistingPods: args.flag('ignorePreferredTermsOfExistingPods') ?? false,
    },
  }),
  VolumeBinding(args) {
    if (args.any('shape') !== undefined) {
      args.refuse(forbidden(args.at('shape'), 'needs the feature gate StorageCapacityScoring, which Tutti has not'));
    }
    return { volumeBindTimeoutSeconds: args.whole('bindTimeoutSeconds', { min: 0 }) ?? 600 };
  },
  DefaultPreemption: readPreemption,
  DynamicResources(args) {
    args.text('filterTimeout');
    args.text('bindingTimeout');
    return {};
  },
};

/** Plugins that do not heed their arguments yet. */
const unheeded = ['DynamicResources'];

/** Reads `pluginConfig` of a profile. `custom` are the operator's own plugins, whose arguments stand elsewhere. */
export function readPluginConfig(
  profile: FieldReader,
  custom: ReadonlySet<string>,
  warn: (text: string) => void,
): Arguments {
  const seen = new Set<string>();
  return Object.assign(
    {},
    ...profile.objects('pluginConfig').map((config) => {
      const name = config.text('name', { required: true });
      const args = config.object('args');
      config.done();
      if (name === undefined) return {};
      const errors = seen.has(name) ? [duplicate(config.at('name'), name)] : nameErrors(config, name, custom);
      seen.add(name);
      const read = readers[name];
      config.refuse(...errors);
      if (errors.length > 0 || args === undefined || read === undefined) return {};
      args.text('apiVersion', { choices: [`${group}/v1`] });
      args.text('kind', { choices: [`${name}Args`] });
      const found = read(args);
      args.done();
      if (unheeded.includes(name)) warn(`${args.path}: ${name} has no arguments in Tutti yet, so they change nothing`);
      return found;
    }),
  ) as Arguments;
}

function nameErrors(config: FieldReader, name: string, custom: ReadonlySet<string>): readonly FieldError[] {
  if (custom.has(name)) return [forbidden(config.path, `the arguments of ${name} stand in its entry in tuttiPlugins`)];
  if (Object.hasOwn(readers, name)) return [];
  if (Object.hasOwn(knownPlugins, name)) {
    const others = Object.keys(readers).join(', ');
    return [invalid(config.at('name'), name, `takes no arguments; those that do are ${others}`)];
  }
  return [notSupported(config.at('name'), name, Object.keys(readers))];
}

const strategies = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio', 'BinPack', 'Spread', 'Random'];

function readFit(args: FieldReader): Arguments {
  const names = args.texts('ignoredResources');
  const groups = args.texts('ignoredResourceGroups');
  for (const [field, list] of [
    ['ignoredResources', names],
    ['ignoredResourceGroups', groups],
  ] as const) {
    for (const [index, each] of list.entries()) {
      const path = args.at(`${field}[${index}]`);
      for (const complaint of qualifiedNameComplaints(each)) args.refuse(invalid(path, each, complaint));
      if (field === 'ignoredResourceGroups' && each.includes('/')) {
        args.refuse(invalid(path, each, "resource group name can't contain '/'"));
      }
    }
  }
  const strategy = args.object('scoringStrategy');
  const scoring = strategy === undefined ? undefined : readStrategy(strategy);
  return {
    ...(names.length + groups.length === 0 ? {} : { ignoredResources: { names, groups } }),
    ...(scoring === undefined ? {} : { scoring }),
  };
}

function readStrategy(strategy: FieldReader): ProfileConfig['scoring'] {
  const type = strategy.text('type', { choices: strategies }) ?? 'LeastAllocated';
  const resources = readResources(strategy, type === 'BinPack' ? 1 : 100);
  const ratio = strategy.object('requestedToCapacityRatio');
  const seed = strategy.whole('seed', { min: 0 });
  const shape = ratio?.objects('shape').map((point) => {
    const read = {
      utilization: point.whole('utilization', { min: 0, max: 100 }) ?? 0,
      score: point.whole('score', { min: 0, max: 10 }) ?? 0,
    };
    point.done();
    return { ...read, field: point.at('utilization') };
  });
  ratio?.done();
  strategy.done();
  for (const [index, { utilization, field }] of (shape ?? []).entries()) {
    const before = shape?.[index - 1];
    if (before !== undefined && before.utilization >= utilization) {
      strategy.refuse(invalid(field, utilization, 'values must be sorted in increasing order'));
    }
  }
  const only = (name: string, value: unknown, owner: string) => {
    if (value !== undefined && type !== owner) {
      strategy.refuse(forbidden(strategy.at(name), `only with type ${owner}; the type is ${type}`));
    }
  };
  only('requestedToCapacityRatio', ratio, 'RequestedToCapacityRatio');
  only('seed', seed, 'Random');
  if ((type === 'Random' || type === 'Spread') && resources !== undefined) {
    strategy.refuse(forbidden(strategy.at('resources'), `${type} does not look at resources: leave it out`));
  }
  const weighed = resources === undefined ? {} : { resources };
  if (type === 'Random') return { type, seed: seed ?? 0 };
  if (type === 'Spread') return { type };
  if (type === 'BinPack') return { type, ...(resources === undefined ? {} : { resources: Object.keys(resources) }) };
  if (type !== 'RequestedToCapacityRatio') return { type: type as 'LeastAllocated' | 'MostAllocated', ...weighed };
  if (shape === undefined || shape.length === 0) {
    strategy.refuse(required(strategy.at('requestedToCapacityRatio.shape'), 'at least one point must be specified'));
  }
  return { type, ...weighed, shape: (shape ?? []).map(({ utilization, score }) => ({ utilization, score })) };
}

/** By name; undefined where none are given. A weight that is absent or 0 counts once. */
function readResources(owner: FieldReader, weightMax: number): Readonly<Record<string, number>> | undefined {
  const resources = new Map<string, number>();
  for (const each of owner.objects('resources')) {
    const name = each.text('name', { required: true });
    const weight = each.whole('weight', { min: 0, max: weightMax });
    each.done();
    if (name === undefined) continue;
    if (resources.has(name)) each.refuse(duplicate(each.at('name'), name));
    resources.set(name, weight === undefined || weight === 0 ? 1 : weight);
  }
  return resources.size === 0 ? undefined : Object.fromEntries(resources);
}

function readBalance(args: FieldReader): Arguments {
  const resources = readResources(args, 1);
  return resources === undefined ? {} : { balancedResources: Object.keys(resources) };
}

function readAddedAffinity(args: FieldReader): Arguments {
  const found = args.any('addedAffinity');
  if (found === undefined) return {};
  const field = args.at('addedAffinity');
  const read = conform(definition('io.k8s.api.core.v1.NodeAffinity'), found);
  // Conforms, where no error says otherwise.
  const addedAffinity = read.value as NodeAffinity;
  args.refuse(...conformErrors(field, read));
  if (read.errors.length === 0) args.refuse(...nodeAffinityErrors(field, addedAffinity));
  return { addedAffinity };
}

function readDefaultSpread(args: FieldReader): Arguments {
  const type = args.text('defaultingType', { choices: ['System', 'List'] }) ?? 'System';
  const field = args.at('defaultConstraints');
  const found = args.any('defaultConstraints') ?? [];
  if (!Array.isArray(found)) {
    args.refuse(invalid(field, found, 'must be a list'));
    return {};
  }
  const constraints = found.flatMap((each: unknown, index): readonly TopologySpreadConstraint[] => {
    const read = conform(definition('io.k8s.api.core.v1.TopologySpreadConstraint'), each);
    args.refuse(...conformErrors(`${field}[${index}]`, read));
    const constraint = read.value as TopologySpreadConstraint; // conforms, where no error says otherwise
    if (read.errors.length > 0) return [];
    if (constraint.labelSelector !== undefined) {
      const why = 'constraint must not define a selector, as they deduced for each pod';
      args.refuse(forbidden(`${field}[${index}].labelSelector`, why));
    }
    return [constraint];
  });
  args.refuse(...topologySpreadErrors(field, constraints));
  if (type === 'System' && constraints.length > 0) {
    const why = 'when .defaultConstraints are not empty; write "defaultingType: List"';
    args.refuse(invalid(args.at('defaultingType'), type, why));
  }
  return { defaultSpread: type === 'System' ? 'system' : constraints };
}

function conformErrors(field: string, { unknown, errors }: ReturnType<typeof conform>): readonly FieldError[] {
  return [
    ...errors.map((text) => invalid(field, '…', text)),
    ...unknown.map((path) => forbidden(`${field}.${path}`, 'unknown field')),
  ];
}

function readPreemption(args: FieldReader): Arguments {
  const percentage = args.whole('minCandidateNodesPercentage', { min: 0, max: 100 });
  const absolute = args.whole('minCandidateNodesAbsolute', { min: 0 });
  if (percentage === 0 && absolute === 0) {
    const field = args.at('minCandidateNodesPercentage');
    args.refuse(invalid(field, 0, 'cannot be zero at the same time as minCandidateNodesAbsolute'));
  }
  return {};
}
