/**
 * The flow schemas and priority levels of a new cluster.
 * Source: k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go (v0.35).
 */
import type { FlowSchema } from '#api/flowcontrol/flow-schema.ts';
import { allRequests, mandatoryFlowSchemas, mandatoryPriorityLevels } from '#api/flowcontrol/mandatory.ts';
import type { PriorityLevelConfiguration } from '#api/flowcontrol/priority-level-configuration.ts';

type Subject = NonNullable<FlowSchema['spec']['rules']>[number]['subjects'][number];
type Rules = Omit<NonNullable<FlowSchema['spec']['rules']>[number], 'subjects'>;

/** While it says "true", a new version of Tutti may change the object. */
export const autoUpdate = 'apf.kubernetes.io/autoupdate-spec';

const user = (name: string): Subject => ({ kind: 'User', user: { name } });
const group = (name: string): Subject => ({ kind: 'Group', group: { name } });
const account = (name: string): Subject => ({
  kind: 'ServiceAccount',
  serviceAccount: { namespace: 'kube-system', name },
});
const everybody = [group('system:unauthenticated'), group('system:authenticated')];
const manager = user('system:kube-controller-manager');
const scheduler = user('system:kube-scheduler');

function schema(
  name: string,
  levelName: string,
  matchingPrecedence: number,
  distinguisher: 'ByUser' | 'ByNamespace' | undefined,
  subjects: readonly Subject[],
  rules: Rules = allRequests,
): FlowSchema {
  return {
    metadata: { name, annotations: { [autoUpdate]: 'true' } },
    spec: {
      matchingPrecedence,
      priorityLevelConfiguration: { name: levelName },
      ...(distinguisher === undefined ? {} : { distinguisherMethod: { type: distinguisher } }),
      rules: [{ subjects, ...rules }],
    },
  };
}

function level(
  name: string,
  nominalConcurrencyShares: number,
  lendablePercent: number,
  queues: number,
  handSize: number,
): PriorityLevelConfiguration {
  const limitResponse = { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } };
  return {
    metadata: { name, annotations: { [autoUpdate]: 'true' } },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares, lendablePercent, limitResponse } },
  };
}

const electing = ['get', 'create', 'update'];
const locks = { verbs: electing, apiGroups: [''], resources: ['endpoints', 'configmaps'] };
const leases = { apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] };

export const bootstrapLevels: readonly PriorityLevelConfiguration[] = [
  ...Object.entries(mandatoryPriorityLevels).map(([name, spec]) => ({
    metadata: { name, annotations: { [autoUpdate]: 'true' } },
    spec,
  })),
  level('system', 30, 33, 64, 6),
  level('node-high', 40, 25, 64, 6),
  level('leader-election', 10, 0, 16, 4),
  level('workload-high', 40, 50, 128, 6),
  level('workload-low', 100, 90, 128, 6),
  level('global-default', 20, 50, 128, 6),
];

export const bootstrapSchemas: readonly FlowSchema[] = [
  ...Object.entries(mandatoryFlowSchemas).map(([name, spec]) => ({
    metadata: { name, annotations: { [autoUpdate]: 'true' } },
    spec,
  })),
  schema('system-nodes', 'system', 500, 'ByUser', [group('system:nodes')]),
  schema('system-node-high', 'node-high', 400, 'ByUser', [group('system:nodes')], {
    resourceRules: [
      { verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], clusterScope: true, namespaces: ['*'] },
      { verbs: ['*'], ...leases },
    ],
  }),
  schema('probes', 'exempt', 2, undefined, everybody, {
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  schema('system-leader-election', 'leader-election', 100, 'ByUser', [manager, scheduler, account('*')], {
    resourceRules: [{ verbs: electing, ...leases }],
  }),
  schema('workload-leader-election', 'leader-election', 200, 'ByUser', [account('*')], {
    resourceRules: [
      { ...locks, namespaces: ['*'] },
      { verbs: electing, ...leases },
    ],
  }),
  schema(
    'endpoint-controller',
    'workload-high',
    150,
    'ByUser',
    [manager, account('endpoint-controller'), account('endpointslicemirroring-controller')],
    { resourceRules: [{ verbs: electing, apiGroups: [''], resources: ['endpoints'], namespaces: ['*'] }] },
  ),
  schema('kube-controller-manager', 'workload-high', 800, 'ByNamespace', [manager]),
  schema('kube-scheduler', 'workload-high', 800, 'ByNamespace', [scheduler]),
  schema('kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', [account('*')]),
  schema('service-accounts', 'workload-low', 9_000, 'ByUser', [group('system:serviceaccounts')]),
  schema('global-default', 'global-default', 9_900, 'ByUser', everybody),
];
