import assert from 'node:assert/strict';
import { test } from 'node:test';
import { profileOf } from '../profile.ts';
import { parseSchedulerConfiguration } from './scheduler-configuration.ts';

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
const parse = (text: string) => parseSchedulerConfiguration(head + text);
const errorsOf = (text: string) => {
  try {
    parse(text);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
  return [];
};
const argsOf = (name: string, args: string) => `profiles: [{pluginConfig: [{name: ${name}, args: ${args}}]}]`;
const pluginsOf = (plugins: string) => `profiles: [{plugins: ${plugins}}]`;
const strategyOf = (strategy: string) => argsOf('NodeResourcesFit', `{scoringStrategy: ${strategy}}`);
const ownOf = (entries: string) => `tuttiPlugins: [${entries}]`;
const args = 'profiles[0].pluginConfig[0].args';
const plugins = 'profiles[0].plugins';

/** What is refused, and with which words. */
const bad: readonly (readonly [string, string, ...string[]])[] = [
  [
    'an unknown field at the top',
    'profile: []',
    'profile: Forbidden: unknown field; known here are apiVersion, clientConnection, delayCacheUntilActive, enableContentionProfiling, enableProfiling, extenders, kind, leaderElection, parallelism, percentageOfNodesToScore, podInitialBackoffSeconds, podMaxBackoffSeconds, profiles, tuttiPlugins',
  ],
  [
    'an unknown field of a profile',
    'profiles: [{name: a}]',
    'profiles[0].name: Forbidden: unknown field; known here are percentageOfNodesToScore, pluginConfig, plugins, schedulerName',
  ],
  [
    'an unknown extension point',
    pluginsOf('{scoring: {}}'),
    `${plugins}.scoring: Forbidden: unknown field; known here are bind, filter, multiPoint, permit, postBind, postFilter, preBind, preEnqueue, preFilter, preScore, queueSort, reserve, score`,
  ],
  ['a field twice', 'parallelism: 1\nparallelism: 2', 'parallelism: Forbidden: occurs twice; leave one of them out'],
  ['profiles that are no list', 'profiles: {}', 'profiles: Invalid value: {}: must be a list'],
  ['a profile that is no object', 'profiles: [a]', 'profiles[0]: Invalid value: "a": must be an object'],
  [
    'several profiles without a name',
    'profiles: [{schedulerName: a}, {}]',
    'profiles[1].schedulerName: Required value: pods choose among several profiles by it',
  ],
  [
    'two profiles of one name',
    'profiles: [{schedulerName: a}, {schedulerName: a}]',
    'profiles[1].schedulerName: Duplicate value: "a"',
  ],
  [
    'a name that is no text',
    'profiles: [{schedulerName: 7}]',
    'profiles[0].schedulerName: Invalid value: 7: must be a text',
  ],
  [
    'extenders',
    'extenders: [{urlPrefix: "http://127.0.0.1"}]',
    'extenders: Forbidden: HTTP extenders are not asked; take them out, and write a plugin under tuttiPlugins instead',
  ],
  ['no parallelism', 'parallelism: 0', 'parallelism: Invalid value: 0: must be a whole number from 1 to 2147483647'],
  [
    'too many nodes to score',
    'percentageOfNodesToScore: 101',
    'percentageOfNodesToScore: Invalid value: 101: must be a whole number from 0 to 100',
  ],
  [
    'too many nodes to score in a profile',
    'profiles: [{percentageOfNodesToScore: -1}]',
    'profiles[0].percentageOfNodesToScore: Invalid value: -1: must be a whole number from 0 to 100',
  ],
  [
    'no back-off',
    'podInitialBackoffSeconds: 0',
    'podInitialBackoffSeconds: Invalid value: 0: must be a whole number from 1 to 2147483647',
  ],
  [
    'a back-off that shrinks',
    'podInitialBackoffSeconds: 20',
    'podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to podInitialBackoffSeconds',
  ],
  ['a flag that is none', 'enableProfiling: 1', 'enableProfiling: Invalid value: 1: must be true or false'],
  [
    'an unknown plugin',
    pluginsOf('{filter: {disabled: [{name: NodeResourceFit}]}}'),
    `${plugins}.filter.disabled[0].name: Unsupported value: "NodeResourceFit": supported values: "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread", "InterPodAffinity", "DynamicResources", "NodeDeclaredFeatures"`,
  ],
  [
    'a name that every object has',
    pluginsOf('{score: {enabled: [{name: constructor}]}}'),
    `${plugins}.score.enabled[0].name: Unsupported value: "constructor": supported values: "TaintToleration", "NodeAffinity", "NodeResourcesFit", "VolumeBinding", "PodTopologySpread", "InterPodAffinity", "DynamicResources", "NodeResourcesBalancedAllocation", "ImageLocality"`,
  ],
  [
    'a plugin where it has no say',
    pluginsOf('{score: {enabled: [{name: NodePorts}]}}'),
    `${plugins}.score.enabled[0].name: Invalid value: "NodePorts": does nothing at score; those that do are TaintToleration, NodeAffinity, NodeResourcesFit, VolumeBinding, PodTopologySpread, InterPodAffinity, DynamicResources, NodeResourcesBalancedAllocation, ImageLocality`,
  ],
  [
    'a plugin twice',
    pluginsOf('{score: {enabled: [{name: NodeAffinity}, {name: NodeAffinity}]}}'),
    `${plugins}.score.enabled[1].name: Duplicate value: "NodeAffinity"`,
  ],
  [
    'weight 0',
    pluginsOf('{score: {enabled: [{name: NodeAffinity, weight: 0}]}}'),
    `${plugins}.score.enabled[0].weight: Invalid value: 0: must be a whole number from 1 to 2147483647; a plugin that is not to count is turned off under "disabled"`,
  ],
  [
    'a broken weight',
    pluginsOf('{multiPoint: {enabled: [{name: NodeAffinity, weight: 1.5}]}}'),
    `${plugins}.multiPoint.enabled[0].weight: Invalid value: 1.5: must be a whole number from 1 to 2147483647; a plugin that is not to count is turned off under "disabled"`,
  ],
  [
    'a plugin without a name',
    pluginsOf('{score: {enabled: [{weight: 3}]}}'),
    `${plugins}.score.enabled[0].name: Required value`,
  ],
  [
    'an unknown field of a plugin',
    pluginsOf('{score: {enabled: [{name: NodeAffinity, wieght: 3}]}}'),
    `${plugins}.score.enabled[0].wieght: Forbidden: unknown field; known here are name, weight`,
  ],
  [
    'nobody to bind',
    pluginsOf('{bind: {disabled: [{name: "*"}]}}'),
    `${plugins}.bind: Required value: somebody must bind pods: leave DefaultBinder on`,
  ],
  [
    'an unsorted queue',
    pluginsOf('{queueSort: {disabled: [{name: "*"}]}}'),
    `${plugins}.queueSort: Invalid value: "disabled": pods are always sorted by PrioritySort`,
  ],
  [
    'ignored gates',
    pluginsOf('{preEnqueue: {disabled: [{name: SchedulingGates}]}}'),
    `${plugins}.preEnqueue.disabled[0].name: Invalid value: "SchedulingGates": is part of how Tutti works and cannot be turned off`,
  ],
  [
    'arguments of an unknown plugin',
    argsOf('NodeResources', '{}'),
    'profiles[0].pluginConfig[0].name: Unsupported value: "NodeResources": supported values: "NodeResourcesFit", "NodeResourcesBalancedAllocation", "NodeAffinity", "PodTopologySpread", "InterPodAffinity", "VolumeBinding", "DefaultPreemption", "DynamicResources"',
  ],
  [
    'arguments of a plugin without any',
    argsOf('NodePorts', '{}'),
    'profiles[0].pluginConfig[0].name: Invalid value: "NodePorts": takes no arguments; those that do are NodeResourcesFit, NodeResourcesBalancedAllocation, NodeAffinity, PodTopologySpread, InterPodAffinity, VolumeBinding, DefaultPreemption, DynamicResources',
  ],
  [
    'arguments twice',
    'profiles: [{pluginConfig: [{name: NodeAffinity}, {name: NodeAffinity}]}]',
    'profiles[0].pluginConfig[1].name: Duplicate value: "NodeAffinity"',
  ],
  [
    'arguments of another kind',
    argsOf('NodeAffinity', '{kind: NodeResourcesFitArgs}'),
    `${args}.kind: Unsupported value: "NodeResourcesFitArgs": supported values: "NodeAffinityArgs"`,
  ],
  [
    'arguments of another version',
    argsOf('NodeAffinity', '{apiVersion: kubescheduler.config.k8s.io/v1beta3}'),
    `${args}.apiVersion: Unsupported value: "kubescheduler.config.k8s.io/v1beta3": supported values: "kubescheduler.config.k8s.io/v1"`,
  ],
  [
    'an unknown argument',
    argsOf('InterPodAffinity', '{hardPodAffinity: 3}'),
    `${args}.hardPodAffinity: Forbidden: unknown field; known here are apiVersion, hardPodAffinityWeight, ignorePreferredTermsOfExistingPods, kind`,
  ],
  [
    'a weight out of bounds',
    argsOf('InterPodAffinity', '{hardPodAffinityWeight: 101}'),
    `${args}.hardPodAffinityWeight: Invalid value: 101: must be a whole number from 0 to 100`,
  ],
  [
    'an unknown strategy',
    strategyOf('{type: Binpack}'),
    `${args}.scoringStrategy.type: Unsupported value: "Binpack": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio", "BinPack", "Spread", "Random"`,
  ],
  [
    'a ratio without a shape',
    strategyOf('{type: RequestedToCapacityRatio}'),
    `${args}.scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must be specified`,
  ],
  [
    'a shape that turns back',
    strategyOf(
      '{type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 50, score: 1}, {utilization: 50, score: 2}]}}',
    ),
    `${args}.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 50: values must be sorted in increasing order`,
  ],
  [
    'a shape out of bounds',
    strategyOf('{type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 0, score: 11}]}}'),
    `${args}.scoringStrategy.requestedToCapacityRatio.shape[0].score: Invalid value: 11: must be a whole number from 0 to 10`,
  ],
  [
    'a shape of another strategy',
    strategyOf('{type: MostAllocated, requestedToCapacityRatio: {shape: [{utilization: 0, score: 1}]}}'),
    `${args}.scoringStrategy.requestedToCapacityRatio: Forbidden: only with type RequestedToCapacityRatio; the type is MostAllocated`,
  ],
  [
    'a seed of another strategy',
    strategyOf('{type: Spread, seed: 3}'),
    `${args}.scoringStrategy.seed: Forbidden: only with type Random; the type is Spread`,
  ],
  [
    'resources of a strategy that does not look at any',
    strategyOf('{type: Random, resources: [{name: cpu}]}'),
    `${args}.scoringStrategy.resources: Forbidden: Random does not look at resources: leave it out`,
  ],
  [
    'a resource twice',
    strategyOf('{resources: [{name: cpu}, {name: cpu, weight: 2}]}'),
    `${args}.scoringStrategy.resources[1].name: Duplicate value: "cpu"`,
  ],
  [
    'a resource that weighs too much',
    strategyOf('{resources: [{name: cpu, weight: 101}]}'),
    `${args}.scoringStrategy.resources[0].weight: Invalid value: 101: must be a whole number from 0 to 100`,
  ],
  [
    'an ignored group with a slash',
    argsOf('NodeResourcesFit', '{ignoredResourceGroups: [example.com/gpu]}'),
    `${args}.ignoredResourceGroups[0]: Invalid value: "example.com/gpu": resource group name can't contain '/'`,
  ],
  [
    'an ignored resource that is no text',
    argsOf('NodeResourcesFit', '{ignoredResources: [3]}'),
    `${args}.ignoredResources[0]: Invalid value: 3: must be a text`,
  ],
  [
    'balance by weights',
    argsOf('NodeResourcesBalancedAllocation', '{resources: [{name: cpu, weight: 2}]}'),
    `${args}.resources[0].weight: Invalid value: 2: must be a whole number from 0 to 1`,
  ],
  [
    'added affinity that means no node',
    argsOf(
      'NodeAffinity',
      '{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}',
    ),
    `${args}.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term`,
  ],
  [
    'added affinity with an unknown field',
    argsOf('NodeAffinity', '{addedAffinity: {required: {}}}'),
    `${args}.addedAffinity.required: Forbidden: unknown field`,
  ],
  [
    'added affinity with an unknown operator',
    argsOf(
      'NodeAffinity',
      '{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Is}]}]}}}',
    ),
    `${args}.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator`,
  ],
  [
    'default constraints beside the system’s',
    argsOf(
      'PodTopologySpread',
      '{defaultConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}]}',
    ),
    `${args}.defaultingType: Invalid value: "System": when .defaultConstraints are not empty; write "defaultingType: List"`,
  ],
  [
    'default constraints with a selector and no skew',
    argsOf(
      'PodTopologySpread',
      '{defaultingType: List, defaultConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]}',
    ),
    `${args}.defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod`,
    `${args}.defaultConstraints[0].maxSkew: Invalid value: 0: must be greater than zero`,
  ],
  [
    'an unknown kind of defaults',
    argsOf('PodTopologySpread', '{defaultingType: None}'),
    `${args}.defaultingType: Unsupported value: "None": supported values: "System", "List"`,
  ],
  [
    'a negative wait for volumes',
    argsOf('VolumeBinding', '{bindTimeoutSeconds: -1}'),
    `${args}.bindTimeoutSeconds: Invalid value: -1: must be a whole number from 0 to 2147483647`,
  ],
  [
    'preemption without candidates',
    argsOf('DefaultPreemption', '{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}'),
    `${args}.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute`,
  ],
  [
    'a plugin of one’s own with a built-in one’s name',
    ownOf('{name: NodeAffinity, module: ./a.ts}'),
    'tuttiPlugins[0].name: Invalid value: "NodeAffinity": is the name of a built-in plugin: choose another',
  ],
  [
    'a name that could not stand in a metric',
    ownOf('{name: "my plugin", module: ./a.ts}'),
    'tuttiPlugins[0].name: Invalid value: "my plugin": must be a letter and up to 62 letters, digits, ".", "_" or "-"',
  ],
  [
    'two plugins of one name',
    ownOf('{name: A, module: ./a.ts}, {name: A, module: ./b.ts}'),
    'tuttiPlugins[1].name: Duplicate value: "A"',
  ],
  ['a plugin without a module', ownOf('{name: A}'), 'tuttiPlugins[0].module: Required value'],
  [
    'a module that is a package',
    ownOf('{name: A, module: rack-budget}'),
    'tuttiPlugins[0].module: Required value: "rack-budget" is no path of a file: write "./rack-budget.ts"',
  ],
  [
    'a plugin that may take a minute to answer',
    ownOf('{name: A, module: ./a.ts, callTimeoutMilliseconds: 60000}'),
    'tuttiPlugins[0].callTimeoutMilliseconds: Invalid value: 60000: must be a whole number from 10 to 5000',
  ],
  [
    'a plugin that may hold pods back for a day',
    ownOf('{name: A, module: ./a.ts, waitTimeoutSeconds: 86400}'),
    'tuttiPlugins[0].waitTimeoutSeconds: Invalid value: 86400: must be a whole number from 1 to 900',
  ],
  [
    'an unknown field of a plugin of one’s own',
    ownOf('{name: A, module: ./a.ts, timeout: 3}'),
    'tuttiPlugins[0].timeout: Forbidden: unknown field; known here are args, callTimeoutMilliseconds, module, name, waitTimeoutSeconds',
  ],
  [
    'arguments of a plugin of one’s own in the wrong place',
    `${ownOf('{name: A, module: ./a.ts}')}\n${argsOf('A', '{}')}`,
    'profiles[0].pluginConfig[0]: Forbidden: the arguments of A stand in its entry in tuttiPlugins',
  ],
  [
    'a plugin that nobody has written, beside one that somebody has',
    `${ownOf('{name: A, module: ./a.ts}')}\n${pluginsOf('{permit: {enabled: [{name: B}]}}')}`,
    `${plugins}.permit.enabled[0].name: Unsupported value: "B": supported values: "GangScheduling", "A"`,
  ],
  [
    'several things at once, each with its path',
    'parallelism: 0\nprofiles: [{schedulerName: a, plugin: {}}]',
    'parallelism: Invalid value: 0: must be a whole number from 1 to 2147483647',
    'profiles[0].plugin: Forbidden: unknown field; known here are percentageOfNodesToScore, pluginConfig, plugins, schedulerName',
  ],
];

for (const [what, text, ...expected] of bad) {
  test(`refused: ${what}`, () => assert.deepEqual(errorsOf(text), expected));
}

test('refused: other versions and kinds', () => {
  assert.throws(() => parseSchedulerConfiguration('apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: Scheduler'), {
    message:
      'apiVersion: Unsupported value: "kubescheduler.config.k8s.io/v1beta3": supported values: "kubescheduler.config.k8s.io/v1"\n' +
      'kind: Unsupported value: "Scheduler": supported values: "KubeSchedulerConfiguration"',
  });
  assert.throws(
    () => parseSchedulerConfiguration('- a'),
    /^Error: the file: Invalid value: \["a"\]: must be an object/,
  );
  assert.throws(() => parseSchedulerConfiguration('a: [1'), /the body is not valid YAML/);
});

const defaultWeights = {
  TaintToleration: 3,
  NodeAffinity: 2,
  NodeResourcesFit: 1,
  PodTopologySpread: 2,
  InterPodAffinity: 2,
  NodeResourcesBalancedAllocation: 1,
  ImageLocality: 1,
};
const usual = { schedulerName: 'default-scheduler', weights: defaultWeights, withoutFilters: [], preempts: true };

/** What is accepted, and what differs from a profile that says nothing. */
const good: readonly (readonly [string, string, object])[] = [
  ['a profile that says nothing', 'profiles: [{}]', {}],
  ['null as absence', 'profiles: [{schedulerName: null, plugins: null, pluginConfig: null}]', {}],
  ['what has no effect', 'parallelism: 4\npercentageOfNodesToScore: 50\nenableProfiling: true\nprofiles: [{}]', {}],
  [
    'a plugin turned off for scoring alone',
    pluginsOf('{score: {disabled: [{name: TaintToleration}]}}'),
    { weights: { ...defaultWeights, TaintToleration: 0 } },
  ],
  [
    'a plugin turned off everywhere',
    pluginsOf('{multiPoint: {disabled: [{name: TaintToleration}]}}'),
    { weights: { ...defaultWeights, TaintToleration: 0 }, withoutFilters: ['TaintToleration'] },
  ],
  [
    'a plugin turned off everywhere but for filtering',
    pluginsOf('{multiPoint: {disabled: [{name: TaintToleration}]}, filter: {enabled: [{name: TaintToleration}]}}'),
    { weights: { ...defaultWeights, TaintToleration: 0 } },
  ],
  [
    'all scores off but one',
    pluginsOf('{score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit, weight: 5}]}}'),
    { weights: { ...Object.fromEntries(Object.keys(defaultWeights).map((name) => [name, 0])), NodeResourcesFit: 5 } },
  ],
  [
    'a weight of multiPoint, and one of score before it',
    pluginsOf(
      '{multiPoint: {enabled: [{name: NodeAffinity, weight: 7}, {name: InterPodAffinity, weight: 7}]}, score: {enabled: [{name: InterPodAffinity, weight: 9}]}}',
    ),
    { weights: { ...defaultWeights, NodeAffinity: 7, InterPodAffinity: 9 } },
  ],
  [
    'a plugin enabled without a weight counts once',
    pluginsOf('{multiPoint: {enabled: [{name: TaintToleration}]}}'),
    { weights: { ...defaultWeights, TaintToleration: 1 } },
  ],
  [
    'enabled before disabled',
    pluginsOf('{multiPoint: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit}, {name: DefaultBinder}]}}'),
    {
      weights: { ...Object.fromEntries(Object.keys(defaultWeights).map((name) => [name, 0])), NodeResourcesFit: 1 },
      withoutFilters: [
        'NodeUnschedulable',
        'NodeName',
        'TaintToleration',
        'NodeAffinity',
        'NodePorts',
        'VolumeRestrictions',
        'NodeVolumeLimits',
        'VolumeBinding',
        'VolumeZone',
        'PodTopologySpread',
        'InterPodAffinity',
      ],
      preempts: false,
    },
  ],
  ['no preemption', pluginsOf('{postFilter: {disabled: [{name: DefaultPreemption}]}}'), { preempts: false }],
  [
    'packing, balanced as upstream',
    strategyOf('{type: MostAllocated, resources: [{name: cpu, weight: 3}, {name: memory, weight: 0}]}'),
    { scoring: { type: 'MostAllocated', resources: { cpu: 3, memory: 1 } } },
  ],
  [
    'a shape of one’s own',
    strategyOf(
      '{type: RequestedToCapacityRatio, resources: [{name: example.com/gpu}], requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}}',
    ),
    {
      scoring: {
        type: 'RequestedToCapacityRatio',
        resources: { 'example.com/gpu': 1 },
        shape: [
          { utilization: 0, score: 0 },
          { utilization: 100, score: 10 },
        ],
      },
    },
  ],
  [
    'packing without stranding',
    strategyOf('{type: BinPack, resources: [{name: cpu}, {name: example.com/gpu}]}'),
    {
      scoring: { type: 'BinPack', resources: ['cpu', 'example.com/gpu'] },
      defaultSpread: [],
      weights: { ...defaultWeights, NodeResourcesBalancedAllocation: 0, ImageLocality: 0 },
    },
  ],
  [
    'chance, unbalanced',
    strategyOf('{type: Random, seed: 7}'),
    {
      scoring: { type: 'Random', seed: 7 },
      defaultSpread: [],
      weights: { ...defaultWeights, NodeResourcesBalancedAllocation: 0, ImageLocality: 0, Random: 1 },
    },
  ],
  [
    'Swarm’s spread, balanced as asked for',
    'profiles: [{plugins: {score: {enabled: [{name: NodeResourcesBalancedAllocation}, {name: NodeResourcesFit, weight: 4}]}}, pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Spread}}}]}]',
    {
      scoring: { type: 'Spread' },
      defaultSpread: [],
      weights: { ...defaultWeights, ImageLocality: 0, NodeResourcesFit: 4, Spread: 4 },
    },
  ],
  [
    'resources of others',
    argsOf('NodeResourcesFit', '{ignoredResources: [example.com/gpu], ignoredResourceGroups: [vendor.org]}'),
    { ignoredResources: { names: ['example.com/gpu'], groups: ['vendor.org'] } },
  ],
  [
    'balance of other resources',
    argsOf('NodeResourcesBalancedAllocation', '{resources: [{name: cpu, weight: 1}, {name: example.com/gpu}]}'),
    { balancedResources: ['cpu', 'example.com/gpu'] },
  ],
  [
    'affinity for all',
    argsOf(
      'NodeAffinity',
      '{kind: NodeAffinityArgs, apiVersion: kubescheduler.config.k8s.io/v1, addedAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 3, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}',
    ),
    {
      addedAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 3, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
        ],
      },
    },
  ],
  [
    'affinity between pods',
    argsOf('InterPodAffinity', '{hardPodAffinityWeight: 0, ignorePreferredTermsOfExistingPods: true}'),
    { interPodAffinity: { hardPodAffinityWeight: 0, ignorePreferredTermsOfExistingPods: true } },
  ],
  [
    'default constraints',
    argsOf(
      'PodTopologySpread',
      '{defaultingType: List, defaultConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}',
    ),
    { defaultSpread: [{ maxSkew: 2, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }] },
  ],
  ['a wait for volumes', argsOf('VolumeBinding', '{bindTimeoutSeconds: 30}'), { volumeBindTimeoutSeconds: 30 }],
  ['candidates of preemption', argsOf('DefaultPreemption', '{minCandidateNodesPercentage: 50}'), {}],
];

for (const [what, text, differs] of good) {
  test(`accepted: ${what}`, () =>
    assert.deepEqual(
      parse(text).profiles.map(({ config }) => config),
      [{ ...usual, ...differs }],
    ));
}

test('a file without profiles is the default one, and back-off is what it says', () => {
  const { profiles, backoff } = parse('podInitialBackoffSeconds: 2\npodMaxBackoffSeconds: 60');
  assert.deepEqual(
    { profiles: profiles.map(({ config }) => config), backoff },
    { profiles: [{}], backoff: { initialMs: 2000, maxMs: 60_000 } },
  );
});

test('what has no effect here is told', () => {
  const { warnings } = parse(
    'leaderElection: {leaderElect: true}\nclientConnection: {}\nprofiles: [{plugins: {preScore: {disabled: [{name: "*"}]}, score: {enabled: [{name: DynamicResources}]}}}]',
  );
  assert.deepEqual(warnings, [
    'leaderElection is ignored: Tutti elects its leaders itself',
    'clientConnection is ignored: the scheduler runs beside the API server',
    'profiles[0].plugins.score.enabled[0]: Tutti has no DynamicResources yet, so it decides nothing',
    'profiles[0].plugins.preScore has no effect of its own: plugins are chosen at filter, postFilter, score, reserve, permit, bind',
  ]);
});

test('a plugin of one’s own is chosen at every point by multiPoint, and at one by its name there', () => {
  const text = `${ownOf('{name: A, module: ./a.ts, args: {x: [1]}}, {name: B, module: /b.js}, {name: C, module: ./c.ts}')}
profiles: [{plugins: {multiPoint: {enabled: [{name: A, weight: 4}]}, score: {disabled: [{name: A}], enabled: [{name: B, weight: 2}]}}}]`;
  const { customPlugins, profiles, warnings } = parse(text);
  assert.deepEqual(customPlugins[0], {
    name: 'A',
    module: './a.ts',
    args: { x: [1] },
    callTimeoutMs: 500,
    waitTimeoutMs: 60_000,
    field: 'tuttiPlugins[0]',
  });
  const chosen = Object.entries(profiles[0]?.custom ?? {}).map(([point, list]) => [
    point,
    ...list.map(({ name, weight }) => `${name} ${weight}`),
  ]);
  assert.deepEqual(chosen, [
    ['filter', 'A 4'],
    ['postFilter', 'A 4'],
    ['score', 'B 2'],
    ['reserve', 'A 4'],
    ['permit', 'A 4'],
    ['bind', 'A 4'],
  ]);
  assert.deepEqual(warnings, ['tuttiPlugins[2]: no profile enables C']);
});

test('a file without the usual profile is warned about', () => {
  const { warnings } = parse('profiles: [{schedulerName: batch}]');
  assert.deepEqual(warnings, ['profiles: none is called default-scheduler, so pods that name no scheduler wait']);
});

test('a profile that says nothing is the profile that there is without a file', () => {
  const [profile] = parse('profiles: [{}]').profiles;
  const told = (config: Parameters<typeof profileOf>[0]) => {
    const { filters, scores, domains, ...rest } = profileOf(config);
    const weighed = [...scores, ...domains].map(({ plugin, weight }) => [plugin.name, weight]);
    return { ...rest, filters: filters.map(({ name }) => name), weighed };
  };
  assert.deepEqual(told(profile?.config), told({}));
});
