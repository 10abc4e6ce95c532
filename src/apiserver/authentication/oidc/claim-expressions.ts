import { compileCel } from '#machinery/cel/compile.ts';
import { costPerCallMax, kubernetesFunctions } from '#machinery/cel/environment.ts';
import { CelBudget } from '#machinery/cel/evaluate.ts';
import { dyn, listOf, mapOf, types, type Type } from '#machinery/cel/types.ts';
import { fromJson, toJson } from '#machinery/cel/values.ts';

/** What an expression must give: a decision, a text, or a text or several. */
export type Wanted = 'decision' | 'text' | 'texts';

const results: Readonly<Record<Wanted, readonly Type[]>> = {
  decision: [types.bool],
  text: [types.string],
  texts: [types.string, listOf(types.string), types.null],
};

/** An expression over `claims`, or over the `user` that they make. */
export interface ClaimExpression {
  readonly source: string;
  /** JSON in, JSON out. Throws an Error, also for work beyond a bound. */
  evaluate(value: unknown): unknown;
}

const any = mapOf(types.string, dyn);

/** Throws an Error that says where the expression is wrong. */
export function compileClaimExpression(source: string, variable: 'claims' | 'user', wanted: Wanted): ClaimExpression {
  const environment = { variables: { [variable]: any }, functions: kubernetesFunctions };
  const program = compileCel(source, environment, results[wanted]);
  return {
    source,
    evaluate: (value) => toJson(program.evaluate({ [variable]: fromJson(value) }, new CelBudget(costPerCallMax))),
  };
}
