import type { Kind } from '#machinery/kind.ts';
import { pathSegmentComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { createdColumn, nameColumn } from '../rules/columns.ts';
import { policyRulesErrors } from './policy-rules.ts';
import type * as types from './types.generated.ts';

export type Role = types.Role;
export const Role: Kind<Role> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  singular: 'role',
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.rbac.v1.Role');
  },
  validateName: pathSegmentComplaints,
  validate: ({ rules }) => [...policyRulesErrors('rules', rules, true)],
  columns: [nameColumn, createdColumn],
};
