import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '#api/rbac/types.generated.ts';
import { Role } from '#api/rbac/role.ts';
import { ClusterRole as ClusterRoleKind } from '#api/rbac/cluster-role.ts';
import type { UserInfo } from '#client/client.ts';
import { sameValue } from '#api/rules/fields.ts';
import type { ApiObject } from '#machinery/object.ts';
import { forbiddenRequest, notFoundError } from '#machinery/status-error.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { compacted, described, quotedList, uncovered } from '../authorization/rbac/coverage.ts';
import type { RbacIndex } from '../authorization/rbac/rbac-index.ts';
import type { RuleSource } from '../authorization/rules.ts';
import { privilegedGroup } from '../authorization/union.ts';
import type { Attributes } from '../request.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

export interface RbacEscalationOptions {
  readonly authorizer: Authorizer;
  readonly rules: RuleSource;
  readonly index: RbacIndex;
}

const everything: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

/**
 * Nobody grants more than they have: who writes a role must hold its rules (or `escalate`), who writes a binding must
 * hold the rules of the role it leads to (or `bind`). Looks at the object as it will be stored, after every change that
 * others make to it. Source: kubernetes pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased.
 */
export function rbacEscalation({ authorizer, rules, index }: RbacEscalationOptions): AdmissionPlugin {
  async function mustHold(attributes: Attributes, object: ApiObject, wanted: readonly PolicyRule[]): Promise<void> {
    const { user, kind } = attributes;
    const held = await rules.rulesFor(user, attributes.namespace);
    const missing = uncovered(held.rules, wanted);
    if (missing.length === 0) return;
    throw forbiddenRequest(kind!, object.metadata?.name ?? '', complaint(user, missing, held.problems));
  }

  async function checkRole(request: AdmissionRequest, role: ClusterRole): Promise<void> {
    const { attributes, stored } = request;
    const before: ClusterRole | undefined = stored;
    const aggregates = role.aggregationRule !== undefined || before?.aggregationRule !== undefined;
    const escalate = await authorizer.authorize({ ...attributes, verb: 'escalate' });
    if (escalate.allowed) return;
    await mustHold(attributes, role, role.rules ?? []);
    if (!aggregates) return;
    const held = await rules.rulesFor(attributes.user, undefined);
    if (uncovered(held.rules, everything).length === 0) return;
    throw forbiddenRequest(
      ClusterRoleKind,
      role.metadata?.name ?? '',
      'must have cluster-admin privileges to use the aggregationRule',
    );
  }

  async function checkBinding({ attributes }: AdmissionRequest, binding: ClusterRoleBinding): Promise<void> {
    const { roleRef } = binding;
    const kind = roleRef.kind === 'Role' ? Role : ClusterRoleKind;
    const bind = await authorizer.authorize({
      user: attributes.user,
      verb: 'bind',
      kind,
      namespace: attributes.namespace,
      name: roleRef.name,
      subresource: undefined,
      path: '',
    });
    if (bind.allowed) return;
    // Asking for the caller's rules has brought the index up to date.
    await rules.rulesFor(attributes.user, attributes.namespace);
    const wanted = index.rulesOf(roleRef, attributes.namespace ?? '');
    if (typeof wanted === 'string') throw notFoundError(kind, roleRef.name);
    await mustHold(attributes, binding, wanted);
  }

  return {
    name: 'RBACEscalation',
    async validate(request) {
      const { attributes, operation, object, stored } = request;
      const { kind, user } = attributes;
      if (kind?.group !== 'rbac.authorization.k8s.io' || object === undefined) return;
      if (operation !== 'CREATE' && operation !== 'UPDATE') return;
      if (user.groups.includes(privilegedGroup)) return;
      if (stored !== undefined && isOnlyForGarbageCollection(object, stored)) return;
      // An object of a request is of the request's kind.
      if (kind.plural === 'roles' || kind.plural === 'clusterroles') return checkRole(request, object);
      return checkBinding(request, object as ClusterRoleBinding);
    },
  };
}

function complaint(user: UserInfo, missing: readonly PolicyRule[], problems: readonly string[]): string {
  const lines = [...new Set(compacted(missing).map(described))].toSorted();
  const resolution = problems.length === 0 ? '' : `; resolution errors: [${problems.join(' ')}]`;
  return `user ${JSON.stringify(user.username)} (groups=${quotedList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}${resolution}`;
}

/** Owners and finalizers may be changed by who deletes things, without the rights that the object speaks of. */
function isOnlyForGarbageCollection(object: ApiObject, stored: ApiObject): boolean {
  const rest = ({ metadata, ...others }: ApiObject) => {
    const {
      ownerReferences: _owners,
      finalizers: _finalizers,
      managedFields: _fields,
      resourceVersion: _version,
      ...kept
    } = (metadata ?? {}) as Record<string, unknown>;
    return { ...others, metadata: kept };
  };
  const isChanged =
    !sameValue(object.metadata?.ownerReferences ?? [], stored.metadata?.ownerReferences ?? []) ||
    !sameValue(object.metadata?.finalizers ?? [], stored.metadata?.finalizers ?? []);
  return isChanged && sameValue(rest(object), rest(stored));
}
