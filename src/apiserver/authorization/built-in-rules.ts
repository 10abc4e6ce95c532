import type { PolicyRule } from '#api/rbac/types.generated.ts';
import type { UserInfo } from '#client/client.ts';
import type { RuleSource } from './rules.ts';

const read = ['get', 'list', 'watch'] as const;
const write = ['create', 'update', 'patch', 'delete'] as const;

const rule = (apiGroups: readonly string[], resources: readonly string[], verbs: readonly string[]): PolicyRule => ({
  apiGroups,
  resources,
  verbs,
});

const everything: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

/** Every known caller: what the API is, and what oneself may do. Upstream's system:discovery and system:basic-user. */
const authenticated: readonly PolicyRule[] = [
  {
    nonResourceURLs: [
      '/api',
      '/api/*',
      '/apis',
      '/apis/*',
      '/healthz',
      '/livez',
      '/livez/*',
      '/openapi',
      '/openapi/*',
      '/readyz',
      '/readyz/*',
      '/version',
      '/version/',
    ],
    verbs: ['get', 'head'],
  },
  rule(['authentication.k8s.io'], ['selfsubjectreviews'], ['create']),
  rule(['authorization.k8s.io'], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
];

/** Workloads may also learn how to check each other's tokens. */
const serviceAccounts: readonly PolicyRule[] = [
  { nonResourceURLs: ['/.well-known/openid-configuration', '/openid/v1/jwks'], verbs: ['get', 'head'] },
];

const scheduler: readonly PolicyRule[] = [
  rule(
    [''],
    [
      'pods',
      'nodes',
      'namespaces',
      'services',
      'replicationcontrollers',
      'persistentvolumes',
      'persistentvolumeclaims',
    ],
    read,
  ),
  rule(['apps'], ['replicasets', 'statefulsets'], read),
  rule(['policy'], ['poddisruptionbudgets'], read),
  rule(['storage.k8s.io'], ['*'], read),
  rule(['scheduling.k8s.io'], ['priorityclasses'], read),
  rule([''], ['bindings', 'pods/binding'], ['create']),
  rule([''], ['pods/status'], ['patch', 'update']),
  rule([''], ['pods'], ['delete']),
  rule(['', 'events.k8s.io'], ['events'], ['create', 'patch', 'update']),
  rule(['coordination.k8s.io'], ['leases'], [...read, ...write]),
];

/**
 * What an agent and its host's network need. Reads are wide, because a node serves every Service; writes are
 * limited to the node itself, its lease, and the state of pods.
 */
function node(name: string): readonly PolicyRule[] {
  return [
    rule(
      [''],
      [
        'nodes',
        'pods',
        'services',
        'endpoints',
        'namespaces',
        'configmaps',
        'secrets',
        'serviceaccounts',
        'persistentvolumes',
        'persistentvolumeclaims',
      ],
      read,
    ),
    rule(['discovery.k8s.io'], ['endpointslices'], read),
    rule(['networking.k8s.io'], ['networkpolicies', 'ingresses', 'ingressclasses'], read),
    rule(['node.k8s.io'], ['runtimeclasses'], read),
    rule(['storage.k8s.io'], ['storageclasses', 'csidrivers'], read),
    rule([''], ['nodes'], ['create']),
    { ...rule([''], ['nodes', 'nodes/status'], ['update', 'patch', 'delete']), resourceNames: [name] },
    rule(['coordination.k8s.io'], ['leases'], ['create', ...read]),
    { ...rule(['coordination.k8s.io'], ['leases'], ['update', 'patch', 'delete']), resourceNames: [name] },
    rule([''], ['pods'], ['create', 'delete']),
    rule([''], ['pods/status'], ['update', 'patch']),
    rule([''], ['pods/eviction', 'serviceaccounts/token'], ['create']),
    rule(['', 'events.k8s.io'], ['events'], ['create', 'update', 'patch']),
    rule(['authentication.k8s.io'], ['tokenreviews'], ['create']),
    rule(['authorization.k8s.io'], ['subjectaccessreviews', 'localsubjectaccessreviews'], ['create']),
  ];
}

const nodeUserPrefix = 'system:node:';

/**
 * The rights that do not depend on stored objects. `system:masters` may do everything; the cluster's own parts may
 * do their work; any other known caller learns what the API is and what it may do itself, and nothing else.
 */
export const builtInRules: RuleSource = {
  async rulesFor(user: UserInfo) {
    const groups = new Set(user.groups);
    if (groups.has('system:masters')) return everything;
    const rules: PolicyRule[] = [];
    if (groups.has('system:authenticated')) rules.push(...authenticated);
    if (groups.has('system:serviceaccounts')) rules.push(...authenticated, ...serviceAccounts);
    // The garbage collector deletes objects of every kind, so there is no narrower right for the controllers.
    if (user.username === 'system:kube-controller-manager') rules.push(...everything);
    if (user.username === 'system:kube-scheduler') rules.push(...scheduler);
    if (groups.has('system:nodes') && user.username.startsWith(nodeUserPrefix)) {
      rules.push(...node(user.username.slice(nodeUserPrefix.length)));
    }
    return [...new Set(rules)];
  },
};
