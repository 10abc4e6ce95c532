import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { bindingErrors, withBindingDefaults } from './binding-rules.ts';
import { mutableOperationErrors } from './match-resources.ts';
import { paramRefText } from './policy-columns.ts';
import type * as types from './types-v1beta1.ts';

export type MutatingAdmissionPolicyBinding = types.MutatingAdmissionPolicyBinding;
export const MutatingAdmissionPolicyBinding: Kind<MutatingAdmissionPolicyBinding> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1beta1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  singular: 'mutatingadmissionpolicybinding',
  categories: ['api-extensions'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicyBinding');
  },
  hasGeneration: true,
  defaults: withBindingDefaults,
  validate: ({ spec }) => [
    ...bindingErrors(spec),
    ...mutableOperationErrors('spec.matchResources', spec.matchResources),
  ],
  columns: [
    nameColumn,
    column(
      'PolicyName',
      'PolicyName indicates the policy definition which the policy binding binded to',
      ({ spec }) => spec.policyName ?? '',
    ),
    column('ParamRef', 'ParamRef indicates the param resource which sets the configration param', ({ spec }) =>
      paramRefText(spec.paramRef),
    ),
    ageColumn,
  ],
};
