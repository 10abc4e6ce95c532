/**
 * The rules of what policies say in CEL. Source: kubernetes pkg/apis/admissionregistration/validation
 * (validateMatchConditions, validateVariable, validateValidation, validateAuditAnnotation, validateMutation).
 */
import { compileAdmission, type AdmissionDeclarations, type ExpressionUse } from '#machinery/cel/admission.ts';
import { CelCompileError } from '#machinery/cel/compile.ts';
import { dyn, type Type } from '#machinery/cel/types.ts';
import { duplicate, invalid, notSupported, required, tooMany, type FieldError } from '#machinery/field-error.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { complain, each } from '../rules/fields.ts';
import type { AuditAnnotation, MatchCondition, Validation, Variable } from './types.generated.ts';
import type { Mutation } from './types-v1beta1.ts';

const matchConditionsMax = 64;
const annotationsMax = 20;
const annotationBytesMax = 5 * 1024;
const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];
const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** `shown` is the expression as its author wrote it, where `source` is trimmed. */
function compileErrors(
  field: string,
  source: string,
  use: ExpressionUse,
  declared: AdmissionDeclarations,
  shown = source,
): readonly FieldError[] {
  try {
    compileAdmission(source, use, declared);
    return [];
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    return [invalid(field, shown, error.message)];
  }
}

/** Conditions know no variables of their policy. */
export function matchConditionErrors(
  field: string,
  conditions: readonly MatchCondition[] = [],
  { hasParams }: { readonly hasParams: boolean },
): readonly FieldError[] {
  const seen = new Set<string>();
  return [
    ...(conditions.length > matchConditionsMax ? [tooMany(field, conditions.length, matchConditionsMax)] : []),
    ...each(field, conditions, (at, { name, expression }) => {
      const source = expression.trim();
      const repeated = name !== '' && seen.has(name);
      seen.add(name);
      return [
        ...(source === ''
          ? [required(`${at}.expression`)]
          : compileErrors(`${at}.expression`, source, 'condition', { hasParams, hasAuthorizer: true })),
        ...(name === '' ? [required(`${at}.name`)] : complain(`${at}.name`, name, qualifiedNameComplaints(name))),
        ...(repeated ? [duplicate(`${at}.name`, name)] : []),
      ];
    }),
  ];
}

/** What the expressions of one policy may use: its variables in their order, each known to those after it. */
export function policyScope(
  variables: readonly Variable[] = [],
  hasParams: boolean,
): { readonly declared: AdmissionDeclarations; readonly errors: (field: string) => readonly FieldError[] } {
  const typed = new Map<string, Type>();
  const declaredSoFar = (): AdmissionDeclarations => ({
    hasParams,
    hasAuthorizer: true,
    ...(variables.length === 0 ? {} : { variables: Object.fromEntries(typed) }),
  });
  const failures: { readonly index: number; readonly source: string; readonly message: string }[] = [];
  for (const [index, { name, expression: source }] of variables.entries()) {
    if (source.trim() === '') continue;
    try {
      typed.set(name, compileAdmission(source, 'variable', declaredSoFar()).type);
    } catch (error) {
      if (!(error instanceof CelCompileError)) throw error;
      failures.push({ index, source, message: error.message });
      typed.set(name, dyn);
    }
  }
  return {
    declared: declaredSoFar(),
    errors: (field) =>
      each(field, variables, (at, { name, expression }, index) => {
        const failure = failures.find((failed) => failed.index === index);
        return [
          ...variableNameErrors(`${at}.name`, name),
          ...(expression.trim() === '' ? [required(`${at}.expression`, 'expression is not specified')] : []),
          ...(failure === undefined ? [] : [invalid(`${at}.expression`, failure.source, failure.message)]),
        ];
      }),
  };
}

function variableNameErrors(field: string, name: string): readonly FieldError[] {
  if (name.trim() === '') return [required(field, 'name is not specified')];
  const isIdentifier = /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) && !reserved.has(name);
  return isIdentifier ? [] : [invalid(field, name, 'name is not a valid CEL identifier')];
}

export function validationErrors(
  field: string,
  validations: readonly Validation[] | undefined,
  declared: AdmissionDeclarations,
): readonly FieldError[] {
  const inMessages = { ...declared, hasAuthorizer: false };
  return each(field, validations, (at, { expression, message = '', messageExpression = '', reason }) => [
    ...(expression.trim() === ''
      ? [required(`${at}.expression`, 'expression is not specified')]
      : compileErrors(`${at}.expression`, expression, 'condition', declared)),
    ...(messageExpression === ''
      ? []
      : messageExpression.trim() === ''
        ? [invalid(`${at}.messageExpression`, messageExpression, 'must be non-empty if specified')]
        : compileErrors(`${at}.messageExpression`, messageExpression, 'message', inMessages)),
    ...messageErrors(`${at}.message`, message),
    ...(reason === undefined || reasons.includes(reason) ? [] : [notSupported(`${at}.reason`, reason, reasons)]),
  ]);
}

function messageErrors(field: string, message: string): readonly FieldError[] {
  if (message === '') return [];
  if (message.trim() === '') return [invalid(field, message, 'message must be non-empty if specified')];
  return /[\n\r]/.test(message.trim()) ? [invalid(field, message, 'message must not contain line breaks')] : [];
}

export function auditAnnotationErrors(
  field: string,
  annotations: readonly AuditAnnotation[] = [],
  policy: string,
  declared: AdmissionDeclarations,
): readonly FieldError[] {
  const few = `must not have more than ${annotationsMax} auditAnnotations`;
  const keys = new Set<string>();
  return [
    ...(annotations.length > annotationsMax ? [invalid(field, annotations, few)] : []),
    ...each(field, annotations, (at, { key, valueExpression }) => {
      const source = valueExpression.trim();
      const name = `${policy}/${key}`;
      const repeated = keys.has(key);
      keys.add(key);
      const long = `must not exceed ${annotationBytesMax} bytes in length`;
      return [
        ...(policy === ''
          ? [invalid(`${at}.key`, key, 'requires metadata.name be non-empty')]
          : complain(`${at}.key`, name, qualifiedNameComplaints(name))),
        ...(source === ''
          ? [required(`${at}.valueExpression`, 'valueExpression is not specified')]
          : Buffer.byteLength(source) > annotationBytesMax
            ? [required(`${at}.valueExpression`, long)]
            : compileErrors(`${at}.valueExpression`, source, 'annotation', declared, valueExpression)),
        ...(repeated ? [duplicate(`${at}.key`, key)] : []),
      ];
    }),
  ];
}

const patchTypes = {
  ApplyConfiguration: { own: 'applyConfiguration', other: 'jsonPatch' },
  JSONPatch: { own: 'jsonPatch', other: 'applyConfiguration' },
} as const;

export function mutationErrors(
  field: string,
  mutations: readonly Mutation[] | undefined,
  declared: AdmissionDeclarations,
): readonly FieldError[] {
  return each(field, mutations, (at, mutation) => {
    const { patchType } = mutation;
    if (patchType === '') return [required(`${at}.patchType`)];
    if (patchType !== 'ApplyConfiguration' && patchType !== 'JSONPatch') {
      return [notSupported(`${at}.patchType`, patchType, Object.keys(patchTypes))];
    }
    const { own, other } = patchTypes[patchType];
    const given = mutation[own];
    const source = given?.expression?.trim() ?? '';
    const path = `${at}.${own}.expression`;
    return [
      ...(given === undefined
        ? [required(`${at}.${own}`, `must be specified when patchType is ${patchType}`)]
        : source === ''
          ? [required(path)]
          : compileErrors(path, source, own, declared)),
      ...(mutation[other] === undefined
        ? []
        : [invalid(`${at}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`)]),
    ];
  });
}
