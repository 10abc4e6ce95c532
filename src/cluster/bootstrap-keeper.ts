import { Endpoints } from '#api/core/endpoints.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/cluster-role-binding.ts';
import { Role } from '#api/rbac/role.ts';
import { RoleBinding } from '#api/rbac/role-binding.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { type Controller, wakesOn } from '#controllers/controller.ts';
import type { Kind } from '#machinery/kind.ts';
import { type ClusterAddresses, ensureBootstrapObjects, isBootstrapObject } from './bootstrap-objects.ts';

/** What is looked after together: objects, and roles with their bindings. */
const all = 'all';
const policy = 'policy';
const policyKinds = [ClusterRole, ClusterRoleBinding, Role, RoleBinding] as readonly Kind[];

const whenPolicyDeleted = (kind: Kind) =>
  wakesOn(kind, ({ type, object }) =>
    type === 'DELETED' && object.metadata?.labels?.['kubernetes.io/bootstrapping'] === 'rbac-defaults' ? [policy] : [],
  );

const whenDeleted = (kind: Kind) =>
  wakesOn(kind, ({ type, object }) => (type === 'DELETED' && isBootstrapObject(object) ? [all] : []));

/**
 * Brings back what every cluster has from its first moment on, when somebody deletes it ("delete all --all"). Roles are
 * restored past authorization: the keeper's own may be among those that are gone.
 */
export function bootstrapKeeper(
  addresses: ClusterAddresses,
  restorePolicy: (signal: AbortSignal) => Promise<void>,
): Controller {
  return {
    name: 'bootstrap-keeper',
    wakesOn: [Namespace, PriorityClass, Service, Endpoints, EndpointSlice]
      .map(whenDeleted)
      .concat(policyKinds.map(whenPolicyDeleted)),
    keys: () => [all],
    reconcile: (key, { client, signal }) =>
      key === policy ? restorePolicy(signal) : ensureBootstrapObjects(client, addresses, signal),
  };
}
