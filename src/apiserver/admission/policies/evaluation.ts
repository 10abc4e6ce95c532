/**
 * Runs the expressions of a policy on one request, within its budgets.
 * Source: k8s.io/apiserver/pkg/admission/plugin/cel (activation.go, composition.go, condition.go).
 */
import { setImmediate } from 'node:timers/promises';
import { costPerCallMax } from '#machinery/cel/environment.ts';
import { CelBudget, CostExceeded, type Bindings } from '#machinery/cel/evaluate.ts';
import { AuthorizerValue, ResourceCheck, Unanswered } from '#machinery/cel/library/authorizer.ts';
import { CelError, fromJson, type CelValue } from '#machinery/cel/values.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Attributes } from '../../request.ts';
import type { Expression, NamedExpression } from './compiled-policy.ts';
import { OutOfBudget } from './out-of-budget.ts';
import type { SeenRequest } from './seen-request.ts';
import type { AuthorizerAnswers } from './verdicts.ts';

/** What the expressions of one binding may cost together. Source: k8s.io/apiserver/pkg/apis/cel (config.go). */
export const policyCostMax = 10_000_000;
export const conditionsCostMax = 2_500_000;
/** Questions for the authorizer that one expression may wait for; what they cost bounds them before. */
const questionsMax = 64;

/** What may be spent in one turn of the event loop: some 50 ms. Others have theirs in between. */
const costPerTurnMax = 250_000;

export interface Inputs extends SeenRequest {
  readonly attributes: Attributes;
  /** Undefined where the policy has no params, null where there are none. */
  readonly params: ApiObject | null | undefined;
  readonly namespace: ApiObject | undefined;
  readonly variables: readonly NamedExpression[];
  /** Undefined where expressions may not ask. */
  readonly answers: AuthorizerAnswers | undefined;
}

/** How long it took goes with it, waits for the authorizer included. */
export type Outcome = { readonly seconds: number } & ({ readonly value: CelValue } | { readonly error: string });

/** Expressions evaluated one after the other; the variables of the policy are evaluated once for all of them. */
export class Evaluation {
  readonly #bindings: Bindings;
  readonly #answers: AuthorizerAnswers | undefined;
  readonly #variables = new Map<string, { readonly value: CelValue } | { readonly failure: CelError }>();
  #left: number;
  #spentThisTurn = 0;

  constructor(inputs: Inputs, costMax: number) {
    this.#left = costMax;
    this.#answers = inputs.answers;
    this.#bindings = {
      ...bindingsOf(inputs),
      ...Object.fromEntries(
        inputs.variables.map((variable) => [`variables.${variable.name}`, () => this.#variable(variable)] as const),
      ),
    };
  }

  /** What is left of the budget. */
  get left(): number {
    return this.#left;
  }

  /** Throws OutOfBudget. */
  async run({ source, program, problem }: Expression): Promise<Outcome> {
    if (program === undefined) return { error: `compilation error: ${problem ?? ''}`, seconds: 0 };
    const started = performance.now();
    for (let asked = 0; ; asked++) {
      const limit = Math.min(costPerCallMax, this.#left);
      const budget = new CelBudget(limit);
      let outcome: { readonly value: CelValue } | { readonly error: string };
      try {
        outcome = { value: program.evaluate(this.#bindings, budget) };
      } catch (error) {
        if (error instanceof Unanswered && this.#answers !== undefined && asked < questionsMax) {
          await this.#answers.answer(error.question);
          continue;
        }
        if (!(error instanceof CelError)) throw error;
        outcome = { error: `expression '${source}' resulted in error: ${error.message}` };
      }
      this.#spend(budget, limit);
      const seconds = (performance.now() - started) / 1000;
      if (this.#spentThisTurn > costPerTurnMax) {
        this.#spentThisTurn = 0;
        await setImmediate();
      }
      return { ...outcome, seconds };
    }
  }

  #spend(budget: CelBudget, limit: number): void {
    const exceeded = budget.left < 0 && limit < costPerCallMax;
    const cost = limit - Math.max(budget.left, 0);
    this.#left -= cost;
    this.#spentThisTurn += cost;
    if (exceeded || this.#left < 0) throw new OutOfBudget();
  }

  #variable({ name, program, problem }: NamedExpression): CelValue {
    const known = this.#variables.get(name);
    if (known !== undefined) {
      if ('failure' in known) throw known.failure;
      return known.value;
    }
    if (program === undefined) {
      throw new CelError(`composited variable ${JSON.stringify(name)} fails to compile: ${problem ?? ''}`);
    }
    const limit = Math.min(costPerCallMax, this.#left);
    const budget = new CelBudget(limit);
    let result: { readonly value: CelValue } | { readonly failure: CelError };
    try {
      result = { value: program.evaluate(this.#bindings, budget) };
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      result = {
        failure: new CelError(`composited variable ${JSON.stringify(name)} fails to evaluate: ${error.message}`),
      };
      if (error instanceof CostExceeded && limit < costPerCallMax) throw new OutOfBudget();
    }
    this.#spend(budget, limit);
    this.#variables.set(name, result);
    if ('failure' in result) throw result.failure;
    return result.value;
  }
}

/** Objects are read without their schema, as upstream does: times are texts, bytes are base64. */
function bindingsOf({ object, oldObject, request, attributes, params, namespace, answers }: Inputs): Bindings {
  const read = (json: object | null | undefined) => {
    let value: CelValue | undefined;
    return () => (value ??= json === null || json === undefined ? null : fromJson(json));
  };
  const bindings: Record<string, CelValue | (() => CelValue)> = {
    object: read(object),
    oldObject: read(oldObject),
    request: read(request),
    namespaceObject: read(namespace),
    ...(params === undefined ? {} : { params: read(params) }),
  };
  if (answers !== undefined) {
    const authorizer = new AuthorizerValue(answers.known);
    const { kind, subresource = '', namespace: within = '', name = '' } = attributes;
    bindings['authorizer'] = authorizer;
    bindings['authorizer.requestResource'] = new ResourceCheck(authorizer, {
      group: kind?.group ?? '',
      resource: kind?.plural ?? '',
      subresource,
      namespace: within,
      name,
      fieldSelector: '',
      labelSelector: '',
    });
  }
  return bindings;
}
