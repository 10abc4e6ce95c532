import type { Kind } from '#machinery/kind.ts';
import { pathSegmentComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { bindingColumns } from './binding-columns.ts';
import { bindingErrors, bindingUpdateErrors, defaultBinding } from './binding-rules.ts';
import type * as types from './types.generated.ts';

export type ClusterRoleBinding = types.ClusterRoleBinding;
export const ClusterRoleBinding: Kind<ClusterRoleBinding> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  singular: 'clusterrolebinding',
  namespaced: false,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.rbac.v1.ClusterRoleBinding');
  },
  validateName: pathSegmentComplaints,
  defaults: defaultBinding,
  validate: (binding) => bindingErrors(binding, ['ClusterRole']),
  validateUpdate: bindingUpdateErrors,
  columns: bindingColumns,
};
