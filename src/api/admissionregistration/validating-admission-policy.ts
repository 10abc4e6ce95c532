import { required, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, integer, nameColumn } from '../rules/columns.ts';
import { choice } from '../rules/fields.ts';
import { resetStatus } from '../rules/reset-status.ts';
import { loadedExpressions, loadExpressions } from './load-expressions.ts';
import { constraintErrors, withMatchDefaults } from './match-resources.ts';
import { paramKindErrors } from './param-rules.ts';
import { paramKindText } from './policy-columns.ts';
import type * as types from './types.generated.ts';

export type ValidatingAdmissionPolicy = types.ValidatingAdmissionPolicy;

/** Source of the rules: kubernetes pkg/apis/admissionregistration/validation and v1/defaults.go. */
export const ValidatingAdmissionPolicy: Kind<ValidatingAdmissionPolicy> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  singular: 'validatingadmissionpolicy',
  categories: ['api-extensions'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy');
  },
  hasGeneration: true,
  subresources: { status: true },
  prepareForCreate: resetStatus,
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
  validate({ metadata, spec, status }) {
    const { paramKind, failurePolicy, matchConstraints, matchConditions, variables, validations, auditAnnotations } =
      spec;
    const { matchConditionErrors, policyScope, validationErrors, auditAnnotationErrors } = loadedExpressions();
    const hasParams = paramKind !== undefined;
    const { declared, errors } = policyScope(variables, hasParams);
    const isEmpty = (validations ?? []).length === 0 && (auditAnnotations ?? []).length === 0;
    const one = 'validations or auditAnnotations must contain at least one item';
    return [
      ...choice('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']),
      ...(paramKind === undefined ? [] : paramKindErrors('spec.paramKind', paramKind)),
      ...constraintErrors('spec.matchConstraints', matchConstraints),
      ...matchConditionErrors('spec.matchConditions', matchConditions, { hasParams }),
      ...errors('spec.variables'),
      ...(isEmpty ? [required('spec.validations', one), required('spec.auditAnnotations', one)] : []),
      ...validationErrors('spec.validations', validations, declared),
      ...auditAnnotationErrors('spec.auditAnnotations', auditAnnotations, metadata?.name ?? '', declared),
      ...warningErrors(status?.typeChecking?.expressionWarnings),
    ];
  },
  columns: [
    nameColumn,
    integer(
      'Validations',
      'Validations indicates the number of validation rules defined in this policy.',
      ({ spec }) => (spec.validations ?? []).length,
    ),
    column('ParamKind', 'ParamKind specifies the kind of resources used to parameterize this policy', ({ spec }) =>
      paramKindText(spec.paramKind),
    ),
    ageColumn,
  ],
};

function warningErrors(warnings: readonly types.ExpressionWarning[] = []): readonly FieldError[] {
  return warnings.flatMap(({ warning, fieldRef }, index) => {
    const at = `status.typeChecking.expressionWarnings[${index}]`;
    return [
      ...(warning === '' ? [required(`${at}.warning`)] : []),
      ...(fieldRef.trim() === '' ? [required(`${at}.fieldRef`)] : []),
    ];
  });
}
