import { aggregatedRules } from '#api/rbac/aggregation.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '#api/rbac/types.generated.ts';
import type { ApiObject } from '#machinery/object.ts';
import { clusterRoles, clusterRoleSubjects } from './cluster-roles.ts';
import { controllerRules } from './controller-roles.ts';
import { namespaceRoles } from './namespace-roles.ts';
import { tuttiParts, tuttiRules, tuttiSchedulerRules } from './tutti-roles.ts';

const group = 'rbac.authorization.k8s.io';
/** `"false"` keeps a server from mending an object at its start. */
export const autoUpdateAnnotation = 'rbac.authorization.kubernetes.io/autoupdate';

/** The roles and bindings that every cluster has. */
export interface DefaultPolicy {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
  readonly roles: readonly Role[];
  readonly roleBindings: readonly RoleBinding[];
}

function marked<T extends ApiObject>(object: T): T {
  const { labels } = object.metadata ?? {};
  return {
    ...object,
    metadata: {
      ...object.metadata,
      labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
      annotations: { [autoUpdateAnnotation]: 'true' },
    },
  };
}

const tuttiScheduler = 'tutti:kube-scheduler';

const refTo = (kind: 'ClusterRole' | 'Role', name: string): RoleRef => ({ apiGroup: group, kind, name });
const account = (name: string): Subject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' });

function bound(name: string, subjects: readonly Subject[]): ClusterRoleBinding {
  return { metadata: { name }, roleRef: refTo('ClusterRole', name), ...(subjects.length === 0 ? {} : { subjects }) };
}

/** Puts the whole of it together; aggregated roles come with their rules, so that they work from the first moment. */
export function defaultPolicy(): DefaultPolicy {
  const controllers = [
    ...Object.entries(controllerRules).map(([name, rules]) => ({ name, role: `system:controller:${name}`, rules })),
    ...Object.entries(tuttiRules).map(([name, rules]) => ({ name, role: `tutti:controller:${name}`, rules })),
  ];
  let all: readonly ClusterRole[] = [
    ...clusterRoles,
    ...controllers.map(({ role, rules }) => ({ metadata: { name: role }, rules })),
    { metadata: { name: tuttiScheduler }, rules: tuttiSchedulerRules },
    ...Object.entries(tuttiParts).map(([into, rules]) => ({
      metadata: { name: `tutti:aggregate-to-${into}`, labels: { [`${group}/aggregate-to-${into}`]: 'true' } },
      rules,
    })),
  ];
  // From the innermost to the outermost: admin contains edit, and edit contains view.
  for (const name of ['view', 'edit', 'admin']) {
    all = all.map((role) => (role.metadata?.name === name ? { ...role, rules: aggregatedRules(role, all) } : role));
  }
  return {
    clusterRoles: all.map((role) => marked(role)),
    clusterRoleBindings: [
      ...Object.entries(clusterRoleSubjects).map(([name, subjects]) => bound(name, subjects)),
      ...controllers.map(({ name, role }) => bound(role, [account(name)])),
      bound(tuttiScheduler, [{ apiGroup: group, kind: 'User', name: 'system:kube-scheduler' }]),
    ].map((binding) => marked(binding)),
    roles: namespaceRoles.map(({ namespace, name, rules }) => marked<Role>({ metadata: { namespace, name }, rules })),
    roleBindings: namespaceRoles.map(({ namespace, name, binding = name, subjects }) =>
      marked<RoleBinding>({ metadata: { namespace, name: binding }, roleRef: refTo('Role', name), subjects }),
    ),
  };
}
