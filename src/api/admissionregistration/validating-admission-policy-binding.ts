import { duplicate, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { each } from '../rules/fields.ts';
import { bindingErrors, withBindingDefaults } from './binding-rules.ts';
import { paramRefText } from './policy-columns.ts';
import type * as types from './types.generated.ts';

export type ValidatingAdmissionPolicyBinding = types.ValidatingAdmissionPolicyBinding;
export const ValidatingAdmissionPolicyBinding: Kind<ValidatingAdmissionPolicyBinding> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  singular: 'validatingadmissionpolicybinding',
  categories: ['api-extensions'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding');
  },
  hasGeneration: true,
  defaults: withBindingDefaults,
  validate: ({ spec }) => [...bindingErrors(spec), ...actionErrors('spec.validationActions', spec.validationActions)],
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

const supported = ['Audit', 'Deny', 'Warn'];

/** Source: kubernetes pkg/apis/admissionregistration/validation (validateValidationActions). */
function actionErrors(field: string, actions: readonly string[] = []): readonly FieldError[] {
  const twice =
    'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
  return [
    ...each(field, actions, (at, action, index) => [
      ...(supported.includes(action) ? [] : [notSupported(at, action, supported)]),
      ...(actions.indexOf(action) < index ? [duplicate(at, action)] : []),
    ]),
    ...(actions.includes('Deny') && actions.includes('Warn') ? [invalid(field, actions, twice)] : []),
    ...(actions.length === 0 ? [required(field, 'at least one validation action is required')] : []),
  ];
}
