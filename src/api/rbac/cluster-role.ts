import { required } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { pathSegmentComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { createdColumn, nameColumn } from '../rules/columns.ts';
import { each } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { policyRulesErrors } from './policy-rules.ts';
import type * as types from './types.generated.ts';

export type ClusterRole = types.ClusterRole;
export const ClusterRole: Kind<ClusterRole> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  singular: 'clusterrole',
  namespaced: false,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.rbac.v1.ClusterRole');
  },
  validateName: pathSegmentComplaints,
  validate: ({ rules, aggregationRule }) => [
    ...policyRulesErrors('rules', rules, false),
    ...(aggregationRule !== undefined && (aggregationRule.clusterRoleSelectors ?? []).length === 0
      ? [
          required(
            'aggregationRule.clusterRoleSelectors',
            'at least one clusterRoleSelector required if aggregationRule is non-nil',
          ),
        ]
      : []),
    ...each('aggregationRule.clusterRoleSelectors', aggregationRule?.clusterRoleSelectors, labelSelectorErrors),
  ],
  columns: [nameColumn, createdColumn],
};
