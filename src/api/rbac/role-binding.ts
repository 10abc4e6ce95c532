import type { Kind } from '#machinery/kind.ts';
import { pathSegmentComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { bindingColumns } from './binding-columns.ts';
import { bindingErrors, bindingUpdateErrors, defaultBinding } from './binding-rules.ts';
import type * as types from './types.generated.ts';

export type RoleBinding = types.RoleBinding;
export const RoleBinding: Kind<RoleBinding> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  singular: 'rolebinding',
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.rbac.v1.RoleBinding');
  },
  validateName: pathSegmentComplaints,
  defaults: defaultBinding,
  validate: (binding) => bindingErrors(binding, ['Role', 'ClusterRole']),
  validateUpdate: bindingUpdateErrors,
  columns: bindingColumns,
};
