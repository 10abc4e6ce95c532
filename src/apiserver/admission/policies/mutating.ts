/**
 * Changes one request as the mutating policies that match it say.
 * Source: k8s.io/apiserver/pkg/admission/plugin/policy/mutating (dispatcher.go) and generic (policy_dispatcher.go).
 */
import { isDeepStrictEqual } from 'node:util';
import type { MutatingAdmissionPolicyBinding } from '#api/admissionregistration/mutating-admission-policy-binding.ts';
import type { MutatingAdmissionPolicy } from '#api/admissionregistration/mutating-admission-policy.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { forbiddenRequest, StatusError } from '#machinery/status-error.ts';
import type { RequestContext } from '../../request.ts';
import type { AdmissionRequest } from '../admission.ts';
import { changedObject, kindOf } from '../changed-object.ts';
import { CompiledPolicies } from './compiled-policy.ts';
import { Evaluation, policyCostMax } from './evaluation.ts';
import { conditionsMet } from './match-conditions.ts';
import { matchedKind } from './matching.ts';
import { compileMutating, type CompiledMutation } from './mutation-policy.ts';
import type { MeasuredDependencies } from './metrics.ts';
import { Occasion } from './occasion.ts';
import { collectParams, ConfigurationError, paramKindOf } from './params.ts';
import { OutOfBudget } from './out-of-budget.ts';
import { configured, jsonPatched, PatchError } from './patches.ts';
import type { Hook } from './policy-index.ts';
import { guiseOf, seenRequest } from './seen-request.ts';

export type MutatingHook = Hook<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding>;
type Mutable = AdmissionRequest & { readonly object: ApiObject };

const compiledPolicies = new CompiledPolicies(compileMutating);

/** One policy with one binding and one param. */
interface Invocation {
  readonly hook: MutatingHook;
  readonly bindingName: string;
  readonly matched: Kind;
  readonly param: ApiObject | undefined;
  readonly key: string;
}

interface Failure {
  readonly message: string;
  readonly reason: 'Invalid' | 'Forbidden';
}

/** What has run already, so that it runs again only where it may. */
interface Memory {
  readonly invoked: Set<string>;
  readonly again: Set<string>;
  last: ApiObject | undefined;
}

/** The object as the policies leave it. Throws what the first that failed says, naming the others as causes. */
export async function mutateByPolicies(
  hooks: readonly MutatingHook[],
  request: Mutable,
  context: RequestContext,
  from: MeasuredDependencies,
): Promise<ApiObject> {
  const occasion = new Occasion(request, context, from);
  const failures: Failure[] = [];
  const invocations: Invocation[] = [];
  for (const hook of hooks) await collect(hook, occasion, from, invocations, failures);
  const object = await invokeAll(invocations, request, occasion, from, failures);
  const [first] = failures;
  if (first === undefined) return object;
  const { kind = { group: '', plural: '' }, name = '' } = request.attributes;
  const { details } = forbiddenRequest(kind, request.object.metadata?.name ?? name, '');
  throw new StatusError(first.reason, first.message, {
    code: 403,
    details: { ...details, causes: failures.map(({ message }) => ({ message })) },
  });
}

async function collect(
  hook: MutatingHook,
  occasion: Occasion,
  from: MeasuredDependencies,
  invocations: Invocation[],
  failures: Failure[],
): Promise<void> {
  const { policy, name } = hook;
  const matched = await matchedKind(hook.matching, occasion.request, occasion);
  if (matched === undefined) return;
  const fails = policy.spec.failurePolicy !== 'Ignore';
  const failed = (message: string) => {
    if (fails) failures.push({ message, reason: 'Forbidden' });
  };
  let paramKind: Kind | undefined;
  try {
    paramKind = paramKindOf(from.catalog(), policy.spec.paramKind);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return failed(`policy ${JSON.stringify(name)} denied request: failed to configure policy: ${error.message}`);
  }
  for (const bound of hook.bindings) {
    if (bound.matching !== undefined && (await matchedKind(bound.matching, occasion.request, occasion)) === undefined) {
      continue;
    }
    try {
      const { namespace } = occasion.request.attributes;
      const ref = bound.binding.spec.paramRef;
      for (const param of await collectParams(from.registry, paramKind, ref, namespace, occasion.signal)) {
        const { namespace: within = '', name: named = '' } = param?.metadata ?? {};
        const key = JSON.stringify([name, bound.name, within, named]);
        invocations.push({ hook, bindingName: bound.name, matched, param, key });
      }
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      failed(`${denialBy(name, bound.name)}: failed to configure binding: ${error.message}`);
    }
  }
}

const denialBy = (policy: string, binding: string) => `policy '${policy}' with binding '${binding}' denied request`;

async function invokeAll(
  invocations: readonly Invocation[],
  request: Mutable,
  occasion: Occasion,
  from: MeasuredDependencies,
  failures: Failure[],
): Promise<ApiObject> {
  const { reinvocation } = request;
  const memory = reinvocation?.state<Memory>('MutatingAdmissionPolicy', () => ({
    invoked: new Set(),
    again: new Set(),
    last: undefined,
  }));
  const runEarlierAgain = () => {
    for (const key of memory?.invoked ?? []) memory?.again.add(key);
    memory?.invoked.clear();
  };
  const isSecond = reinvocation?.isSecond === true;
  let { object } = request;
  if (isSecond && !isDeepStrictEqual(memory?.last, object)) runEarlierAgain();
  for (const invocation of invocations) {
    if (isSecond && memory?.again.has(invocation.key) !== true) continue;
    const { spec } = invocation.hook.policy;
    const outcome = await invoke(invocation, { ...request, object }, occasion, from);
    if (outcome === undefined) continue;
    if (spec.failurePolicy !== 'Ignore') {
      for (const message of outcome.errors) {
        failures.push({
          message: `${denialBy(invocation.hook.name, invocation.bindingName)}: ${message}`,
          reason: 'Invalid',
        });
      }
    }
    if (!isDeepStrictEqual(outcome.object, object)) {
      runEarlierAgain();
      reinvocation?.want();
    }
    object = outcome.object;
    if (spec.reinvocationPolicy === 'IfNeeded') memory?.invoked.add(invocation.key);
  }
  if (memory !== undefined) memory.last = object;
  return object;
}

/** Undefined if its conditions are not met. */
async function invoke(
  { hook, bindingName, matched, param }: Invocation,
  request: Mutable,
  occasion: Occasion,
  from: MeasuredDependencies,
): Promise<{ readonly object: ApiObject; readonly errors: readonly string[] } | undefined> {
  const { policy } = hook;
  const compiled = compiledPolicies.of(policy);
  const guise = guiseOf(request, matched, from.registry, occasion.signal);
  const seen = await seenRequest(request, matched, guise);
  const inputs = {
    ...seen,
    attributes: request.attributes,
    params: policy.spec.paramKind === undefined ? undefined : (param ?? null),
    namespace: await occasion.namespaceObject(),
    variables: compiled.variables,
    answers: occasion.answers,
  };
  const conditions = await conditionsMet(compiled.matchConditions, inputs, policy.spec.failurePolicy);
  if (conditions.is === 'unmet') return undefined;
  if (conditions.is === 'failed') return { object: request.object, errors: [conditions.message] };
  const before = seen.object!; // a mutating request has an object
  const errors: string[] = [];
  let object = before;
  for (const mutation of compiled.mutations) {
    const started = performance.now();
    let failure: string | undefined;
    try {
      object = await mutated(mutation, object, new Evaluation({ ...inputs, object }, policyCostMax), matched);
    } catch (error) {
      if (!(error instanceof PatchError) && !(error instanceof OutOfBudget)) throw error;
      failure = error.message;
      errors.push(failure);
    }
    from.policyMetrics.mutated(hook.name, bindingName, failure, (performance.now() - started) / 1000);
  }
  return { object: object === before ? request.object : await guise.takeBack(object, request.object), errors };
}

async function mutated(
  { type, expression }: CompiledMutation,
  object: ApiObject,
  evaluation: Evaluation,
  matched: Kind,
): Promise<ApiObject> {
  const outcome = await evaluation.run(expression);
  if ('error' in outcome) throw new PatchError(outcome.error);
  const kind = kindOf(object, matched);
  const changed = type === 'jsonPatch' ? jsonPatched(object, outcome.value) : configured(object, outcome.value, kind);
  if (changed === object) return object;
  try {
    return changedObject(changed, object, matched, type === 'jsonPatch' ? 'Strict' : 'Ignore');
  } catch (error) {
    if (error instanceof StatusError) throw new PatchError(error.message);
    throw error;
  }
}
