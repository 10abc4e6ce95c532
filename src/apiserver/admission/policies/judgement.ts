/** What a validating policy says of one request. Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating (validator.go). */
import type { CompiledAnnotation, CompiledValidatingPolicy, CompiledValidation } from './validation-policy.ts';
import { Evaluation, policyCostMax, type Inputs, type Outcome } from './evaluation.ts';
import { conditionsMet } from './match-conditions.ts';
import { OutOfBudget } from './out-of-budget.ts';

const messageBytesMax = 5 * 1024;

export interface Denial {
  /** Of the validation, in the policy's order. */
  readonly index: number;
  readonly message: string;
  readonly reason: string | undefined;
  readonly seconds: number;
}

export interface Judgement {
  readonly denials: readonly Denial[];
  /** Validations that failed, of a policy that lets that pass. */
  readonly ignored: readonly Denial[];
  readonly annotations: readonly { readonly key: string; readonly value: string }[];
  /** Annotations that could not be made, where that is a failure: refused whatever the binding's actions are. */
  readonly annotationErrors: readonly string[];
}

const nothing: Judgement = { denials: [], ignored: [], annotations: [], annotationErrors: [] };

export async function judge(
  policy: CompiledValidatingPolicy,
  inputs: Inputs,
  failurePolicy: string | undefined,
): Promise<Judgement> {
  const fails = failurePolicy !== 'Ignore';
  const failed = (message: string): Judgement => ({
    ...nothing,
    [fails ? 'denials' : 'ignored']: [{ index: 0, message, reason: undefined, seconds: 0 }],
  });
  const conditions = await conditionsMet(policy.matchConditions, inputs, failurePolicy);
  if (conditions.is === 'failed') return failed(conditions.message);
  if (conditions.is === 'unmet') return nothing;
  try {
    const judged = await denialsOf(policy.validations, inputs, fails);
    return { ...judged, ...(await annotationsOf(policy.annotations, inputs, fails)) };
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return failed(error.message);
  }
}

async function denialsOf(
  validations: readonly CompiledValidation[],
  inputs: Inputs,
  fails: boolean,
): Promise<Pick<Judgement, 'denials' | 'ignored'>> {
  const evaluation = new Evaluation(inputs, policyCostMax);
  const outcomes: Outcome[] = [];
  for (const { check } of validations) outcomes.push(await evaluation.run(check));
  // Messages may not ask the authorizer, and share what is left.
  let telling: Evaluation | undefined;
  const denials: Denial[] = [];
  const ignored: Denial[] = [];
  const failed = fails ? denials : ignored;
  let outOfBudget: string | undefined;
  for (const [index, validation] of validations.entries()) {
    const outcome = outcomes[index]!;
    const { seconds } = outcome;
    if ('error' in outcome) {
      failed.push({ index, message: outcome.error, reason: undefined, seconds });
      continue;
    }
    if (outcome.value === true) continue;
    let told: Outcome | undefined;
    if (validation.messageExpression !== undefined && outOfBudget === undefined) {
      try {
        telling ??= new Evaluation({ ...inputs, answers: undefined }, evaluation.left);
        told = await telling.run(validation.messageExpression);
      } catch (error) {
        if (!(error instanceof OutOfBudget)) throw error;
        outOfBudget = `failed messageExpression: ${error.message}`;
      }
    }
    if (outOfBudget === undefined) {
      denials.push({ index, message: messageOf(validation, told), reason: validation.reason, seconds });
    } else failed.push({ index, message: outOfBudget, reason: undefined, seconds });
  }
  return { denials, ignored };
}

function messageOf({ check, message }: CompiledValidation, told: Outcome | undefined): string {
  const value = told !== undefined && 'value' in told ? told.value : undefined;
  const text = typeof value === 'string' ? value.trim() : '';
  if (text !== '' && Buffer.byteLength(text) <= messageBytesMax && !text.includes('\n')) return text;
  return message.trim() === '' ? `failed expression: ${check.source.trim()}` : message.trim();
}

async function annotationsOf(
  annotations: readonly CompiledAnnotation[],
  inputs: Inputs,
  fails: boolean,
): Promise<Pick<Judgement, 'annotations' | 'annotationErrors'>> {
  if (annotations.length === 0) return { annotations: [], annotationErrors: [] };
  const evaluation = new Evaluation(inputs, policyCostMax);
  const made: { key: string; value: string }[] = [];
  const errors: string[] = [];
  for (const { key, value: expression } of annotations) {
    const outcome = await evaluation.run(expression);
    if ('error' in outcome) {
      if (fails) errors.push(outcome.error);
    } else if (typeof outcome.value === 'string' && outcome.value.trim() !== '') {
      made.push({ key, value: outcome.value.trim() });
    }
  }
  return { annotations: made, annotationErrors: errors };
}
