import { required } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, integer, nameColumn } from '../rules/columns.ts';
import { choice } from '../rules/fields.ts';
import { loadedExpressions, loadExpressions } from './load-expressions.ts';
import { constraintErrors, mutableOperationErrors, withMatchDefaults } from './match-resources.ts';
import { paramKindErrors } from './param-rules.ts';
import { paramKindText } from './policy-columns.ts';
import type * as types from './types-v1beta1.ts';

export type MutatingAdmissionPolicy = types.MutatingAdmissionPolicy;

/** Source of the rules: kubernetes pkg/apis/admissionregistration/validation and v1beta1/defaults.go. */
export const MutatingAdmissionPolicy: Kind<MutatingAdmissionPolicy> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1beta1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  singular: 'mutatingadmissionpolicy',
  categories: ['api-extensions'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicy');
  },
  hasGeneration: true,
  defaults(object) {
    const { matchConstraints, failurePolicy = 'Fail' } = object.spec;
    return {
      ...object,
      spec: {
        ...object.spec,
        failurePolicy,
        ...(matchConstraints === undefined ? {} : { matchConstraints: withMatchDefaults(matchConstraints) }),
      },
    };
  },
  load: loadExpressions,
  validate({ spec }) {
    const { paramKind, failurePolicy, matchConstraints, matchConditions, variables, mutations } = spec;
    const { matchConditionErrors, policyScope, mutationErrors } = loadedExpressions();
    const hasParams = paramKind !== undefined;
    const { declared, errors } = policyScope(variables, hasParams);
    const none = (mutations ?? []).length === 0;
    return [
      ...choice('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']),
      ...(paramKind === undefined ? [] : paramKindErrors('spec.paramKind', paramKind)),
      ...constraintErrors('spec.matchConstraints', matchConstraints),
      ...mutableOperationErrors('spec.matchConstraints', matchConstraints),
      ...matchConditionErrors('spec.matchConditions', matchConditions, { hasParams }),
      ...errors('spec.variables'),
      ...(none ? [required('spec.mutations', 'mutations must contain at least one item')] : []),
      ...mutationErrors('spec.mutations', mutations, declared),
      ...choice('spec.reinvocationPolicy', spec.reinvocationPolicy, ['IfNeeded', 'Never']),
    ];
  },
  columns: [
    nameColumn,
    integer(
      'Mutations',
      'Mutations indicates the number of mutations rules defined in this policy',
      ({ spec }) => (spec.mutations ?? []).length,
    ),
    column('ParamKind', 'ParamKind specifies the kind of resources used to parameterize this policy', ({ spec }) =>
      paramKindText(spec.paramKind),
    ),
    ageColumn,
  ],
};
