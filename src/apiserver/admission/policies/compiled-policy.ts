import type { MatchCondition, Variable } from '#api/admissionregistration/types.generated.ts';
import { compileAdmission, type AdmissionDeclarations, type ExpressionUse } from '#machinery/cel/admission.ts';
import { CelCompileError, type CelProgram } from '#machinery/cel/compile.ts';
import { dyn, type Type } from '#machinery/cel/types.ts';

/** An expression that runs, or why it cannot: what is stored was checked by whichever version took it. */
export interface Expression {
  readonly source: string;
  readonly program?: CelProgram;
  readonly problem?: string;
}

export interface NamedExpression extends Expression {
  readonly name: string;
}

export function compiled(source: string, use: ExpressionUse, declared: AdmissionDeclarations): Expression {
  try {
    return { source, program: compileAdmission(source, use, declared) };
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    return { source, problem: error.message };
  }
}

/** What all expressions of a policy share. */
export interface PolicyBase {
  readonly variables: readonly NamedExpression[];
  readonly matchConditions: readonly NamedExpression[];
  /** What its own expressions may use. */
  readonly declared: AdmissionDeclarations;
}

export function compiledBase(spec: {
  readonly paramKind?: unknown;
  readonly variables?: readonly Variable[];
  readonly matchConditions?: readonly MatchCondition[];
}): PolicyBase {
  const hasParams = spec.paramKind !== undefined;
  const base = { hasParams, hasAuthorizer: true };
  const typed = new Map<string, Type>();
  const variables = (spec.variables ?? []).map(({ name, expression }) => {
    const result = compiled(expression, 'variable', { ...base, variables: Object.fromEntries(typed) });
    typed.set(name, result.program?.type ?? dyn);
    return { name, ...result };
  });
  const declared = { ...base, ...(variables.length === 0 ? {} : { variables: Object.fromEntries(typed) }) };
  const matchConditions = (spec.matchConditions ?? []).map(({ name, expression }) => ({
    name,
    ...compiled(expression, 'condition', declared),
  }));
  return { variables, matchConditions, declared };
}

/** Keeps what was made of each policy for as long as the policy is what it was. */
export class CompiledPolicies<P extends object, C> {
  readonly #compile: (policy: P) => C;
  readonly #kept = new WeakMap<P, C>();

  constructor(compile: (policy: P) => C) {
    this.#compile = compile;
  }

  of(policy: P): C {
    let found = this.#kept.get(policy);
    if (found === undefined) this.#kept.set(policy, (found = this.#compile(policy)));
    return found;
  }
}
