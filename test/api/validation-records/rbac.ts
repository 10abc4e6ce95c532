/** Roles and their bindings: kubernetes pkg/apis/rbac/validation. */
import { ClusterRoleBinding } from '#api/rbac/cluster-role-binding.ts';
import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { RoleBinding } from '#api/rbac/role-binding.ts';
import { Role } from '#api/rbac/role.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const pods = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
const rule = (change: object) => ({ rules: [change] });
const group = 'rbac.authorization.k8s.io';
const ref = (change: object) => ({ roleRef: change });
const subject = (change: object) => ({ subjects: [change] });
const both = 'rules cannot apply to both regular resources and non-resource URLs';
const urls = 'rules[0].nonResourceURLs: Invalid value: ["/healthz"]';

export const rbacRecords: readonly RecordTable[] = [
  {
    kind: Role,
    operation: 'create',
    object: { metadata: { name: 'reader' }, rules: [pods] },
    records: [
      bad(
        'ValidateRBACName',
        { metadata: { name: 'a/b' } },
        `metadata.name: Invalid value: "a/b": may not contain '/'`,
      ),
      bad('ValidateRBACName', { metadata: { name: '..' } }, `metadata.name: Invalid value: "..": may not be '..'`),
      bad(
        'ValidatePolicyRule',
        rule({ ...pods, verbs: [] }),
        'rules[0].verbs: Required value: verbs must contain at least one value',
      ),
      bad(
        'ValidatePolicyRule',
        rule({ verbs: ['get'] }),
        'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
        'rules[0].resources: Required value: resource rules must supply at least one resource',
      ),
      bad(
        'ValidatePolicyRule',
        rule({ verbs: ['get'], nonResourceURLs: ['/healthz'] }),
        `${urls}: namespaced rules cannot apply to non-resource URLs`,
      ),
    ],
  },
  {
    kind: ClusterRole,
    operation: 'create',
    object: { metadata: { name: 'reader' }, rules: [pods] },
    records: [
      bad('ValidatePolicyRule', rule({ ...pods, nonResourceURLs: ['/healthz'] }), `${urls}: ${both}`),
      bad(
        'ValidatePolicyRule',
        rule({ verbs: ['get'], resourceNames: ['one'], nonResourceURLs: ['/healthz'] }),
        `${urls}: ${both}`,
      ),
      bad(
        'ValidatePolicyRule',
        rule({ apiGroups: [''], verbs: ['get'] }),
        'rules[0].resources: Required value: resource rules must supply at least one resource',
      ),
      bad(
        'ValidateClusterRole',
        { aggregationRule: { clusterRoleSelectors: [] } },
        'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
      ),
      bad(
        'ValidateClusterRole',
        { aggregationRule: { clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'Is' }] }] } },
        `aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "Is": ${words.notAnOperator}`,
      ),
    ],
  },
  {
    kind: RoleBinding,
    operation: 'create',
    object: {
      metadata: { name: 'readers' },
      roleRef: { apiGroup: group, kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'User', name: 'ann' }],
    },
    records: [
      bad(
        'ValidateRoleBinding',
        ref({ apiGroup: 'apps' }),
        `roleRef.apiGroup: Unsupported value: "apps": supported values: "${group}"`,
      ),
      bad(
        'ValidateRoleBinding',
        ref({ kind: 'User' }),
        'roleRef.kind: Unsupported value: "User": supported values: "Role", "ClusterRole"',
      ),
      bad('ValidateRoleBinding', ref({ name: '' }), 'roleRef.name: Required value'),
      bad('ValidateRoleBinding', ref({ name: 'a%b' }), `roleRef.name: Invalid value: "a%b": may not contain '%'`),
      bad('ValidateRoleBindingSubject', subject({ kind: 'User', name: '' }), 'subjects[0].name: Required value'),
      bad(
        'ValidateRoleBindingSubject',
        subject({ kind: 'User', name: 'ann', apiGroup: 'apps' }),
        `subjects[0].apiGroup: Unsupported value: "apps": supported values: "${group}"`,
      ),
      bad(
        'ValidateRoleBindingSubject',
        subject({ kind: 'Group', name: 'all', apiGroup: 'apps' }),
        `subjects[0].apiGroup: Unsupported value: "apps": supported values: "${group}"`,
      ),
      bad(
        'ValidateRoleBindingSubject',
        subject({ kind: 'ServiceAccount', name: 'Robot', namespace: 'default' }),
        `subjects[0].name: Invalid value: "Robot": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidateRoleBindingSubject',
        subject({ kind: 'ServiceAccount', name: 'robot', namespace: 'default', apiGroup: 'apps' }),
        'subjects[0].apiGroup: Unsupported value: "apps": supported values: ""',
      ),
      bad(
        'ValidateRoleBindingSubject',
        subject({ kind: 'Robot', name: 'robot' }),
        'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
      ),
    ],
  },
  {
    kind: ClusterRoleBinding,
    operation: 'create',
    object: { metadata: { name: 'readers' }, roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'reader' } },
    records: [
      bad(
        'ValidateClusterRoleBinding',
        ref({ kind: 'Role' }),
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      ),
      bad(
        'ValidateRoleBindingSubject',
        subject({ kind: 'ServiceAccount', name: 'robot' }),
        'subjects[0].namespace: Required value',
      ),
    ],
  },
  {
    kind: RoleBinding,
    operation: 'update',
    object: { metadata: { name: 'kept' }, roleRef: { apiGroup: group, kind: 'Role', name: 'reader' } },
    records: [
      {
        source: 'ValidateRoleBindingUpdate',
        change: ref({ name: 'writer' }),
        causes: [
          `roleRef: Invalid value: {"APIGroup":"${group}","Kind":"Role","Name":"writer"}: cannot change roleRef`,
        ],
        deviation: {
          why: 'upstream shows the internal struct, whose fields have the names of Go',
          causes: [
            `roleRef: Invalid value: {"apiGroup":"${group}","kind":"Role","name":"writer"}: cannot change roleRef`,
          ],
        },
      },
    ],
  },
];
