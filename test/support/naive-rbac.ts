/**
 * Who may do what, worked out from roles and bindings in the plainest way there is: every binding is looked at for every
 * question. Written from the documentation, and shares nothing with the server; tests compare the two.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface Named {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface Policy {
  readonly clusterRoles: readonly (Named & { readonly rules?: readonly Rule[] | null })[];
  readonly roles: readonly (Named & { readonly rules?: readonly Rule[] | null })[];
  readonly clusterRoleBindings: readonly Binding[];
  readonly roleBindings: readonly Binding[];
}

interface Binding extends Named {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

export interface Question {
  readonly user: string;
  readonly groups: readonly string[];
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `pods/log`. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

export function mayDo(policy: Policy, question: Question): boolean {
  for (const binding of policy.clusterRoleBindings) {
    if (!names(binding, question)) continue;
    for (const role of policy.clusterRoles) {
      if (role.metadata.name === binding.roleRef.name && grants(role.rules ?? [], question)) return true;
    }
  }
  for (const binding of policy.roleBindings) {
    if (question.namespace === undefined || binding.metadata.namespace !== question.namespace) continue;
    if (!names(binding, question)) continue;
    const isCluster = binding.roleRef.kind === 'ClusterRole';
    for (const role of isCluster ? policy.clusterRoles : policy.roles) {
      if (role.metadata.name !== binding.roleRef.name) continue;
      if (!isCluster && role.metadata.namespace !== binding.metadata.namespace) continue;
      if (grants(role.rules ?? [], question)) return true;
    }
  }
  return false;
}

function names({ subjects = [] }: Binding, { user, groups }: Question): boolean {
  return subjects.some(({ kind, name, namespace }) => {
    if (kind === 'User') return name === user;
    if (kind === 'Group') return groups.includes(name);
    return user === `system:serviceaccount:${namespace ?? ''}:${name}`;
  });
}

function grants(rules: readonly Rule[], question: Question): boolean {
  const [plural = '', subresource] = question.resource.split('/');
  return rules.some(({ verbs, apiGroups = [], resources = [], resourceNames = [] }) => {
    if (!verbs.includes('*') && !verbs.includes(question.verb)) return false;
    if (!apiGroups.includes('*') && !apiGroups.includes(question.group)) return false;
    const fits = resources.some((each) => {
      if (each === '*') return true;
      if (subresource === undefined) return each === plural;
      return each === `${plural}/${subresource}` || each === `*/${subresource}`;
    });
    if (!fits) return false;
    return resourceNames.length === 0 || (question.name !== undefined && resourceNames.includes(question.name));
  });
}
