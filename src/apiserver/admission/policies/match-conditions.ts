import type { NamedExpression } from './compiled-policy.ts';
import { conditionsCostMax, Evaluation, type Inputs } from './evaluation.ts';
import { OutOfBudget } from './out-of-budget.ts';

export type ConditionResult =
  | { readonly is: 'met' }
  | { readonly is: 'unmet' }
  /** It cannot be told, and the policy says that this is a failure. */
  | { readonly is: 'failed'; readonly message: string };

/**
 * One condition that is false settles it, whatever the others are; otherwise an error counts as failurePolicy says.
 * Source: k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions.
 */
export async function conditionsMet(
  conditions: readonly NamedExpression[],
  inputs: Inputs,
  failurePolicy: string | undefined,
): Promise<ConditionResult> {
  if (conditions.length === 0) return { is: 'met' };
  const failed = (message: string): ConditionResult =>
    failurePolicy === 'Ignore' ? { is: 'unmet' } : { is: 'failed', message };
  const evaluation = new Evaluation({ ...inputs, namespace: undefined }, conditionsCostMax);
  const errors: string[] = [];
  try {
    for (const condition of conditions) {
      const outcome = await evaluation.run(condition);
      if ('error' in outcome) errors.push(outcome.error);
      else if (outcome.value === false) return { is: 'unmet' };
    }
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return failed(error.message);
  }
  if (errors.length === 0) return { is: 'met' };
  const distinct = [...new Set(errors)];
  return failed(distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`);
}
