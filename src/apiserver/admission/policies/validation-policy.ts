import type { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import { compiled, compiledBase, type Expression, type PolicyBase } from './compiled-policy.ts';

export interface CompiledValidation {
  readonly check: Expression;
  readonly messageExpression: Expression | undefined;
  /** The one to fall back to; empty if none was given. */
  readonly message: string;
  readonly reason: string | undefined;
}

export interface CompiledAnnotation {
  readonly key: string;
  readonly value: Expression;
}

export interface CompiledValidatingPolicy extends PolicyBase {
  readonly validations: readonly CompiledValidation[];
  readonly annotations: readonly CompiledAnnotation[];
}

export function compileValidating({ spec }: ValidatingAdmissionPolicy): CompiledValidatingPolicy {
  const base = compiledBase(spec);
  const { declared } = base;
  return {
    ...base,
    validations: (spec.validations ?? []).map(({ expression, message = '', messageExpression = '', reason }) => ({
      check: compiled(expression, 'condition', declared),
      messageExpression:
        messageExpression === ''
          ? undefined
          : compiled(messageExpression, 'message', { ...declared, hasAuthorizer: false }),
      message,
      reason,
    })),
    annotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }) => ({
      key,
      value: compiled(valueExpression, 'annotation', declared),
    })),
  };
}
