/**
 * Holds one request against the validating policies that match it.
 * Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating (dispatcher.go).
 */
import type { ValidatingAdmissionPolicyBinding } from '#api/admissionregistration/validating-admission-policy-binding.ts';
import type { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import type { Kind } from '#machinery/kind.ts';
import { forbiddenRequest, StatusError, type StatusReason } from '#machinery/status-error.ts';
import type { RequestContext } from '../../request.ts';
import type { AdmissionRequest } from '../admission.ts';
import { CompiledPolicies } from './compiled-policy.ts';
import { judge, type Denial } from './judgement.ts';
import { matchedKind } from './matching.ts';
import type { MeasuredDependencies, PolicyMetrics } from './metrics.ts';
import { Occasion } from './occasion.ts';
import { collectParams, ConfigurationError, paramKindOf } from './params.ts';
import type { BoundTo, Hook } from './policy-index.ts';
import { guiseOf, seenRequest, type SeenRequest } from './seen-request.ts';
import { compileValidating } from './validation-policy.ts';

export type ValidatingHook = Hook<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding>;

const failureAnnotation = 'validation.policy.admission.k8s.io/validation_failure';
const annotationBytesMax = 10 * 1024;

const compiledPolicies = new CompiledPolicies(compileValidating);

/** Throws what the first policy that denies says, after all have been heard: they also warn and leave annotations. */
export async function validateByPolicies(
  hooks: readonly ValidatingHook[],
  request: AdmissionRequest,
  context: RequestContext,
  from: MeasuredDependencies,
): Promise<void> {
  const occasion = new Occasion(request, context, from);
  const refusals: { readonly message: string; readonly reason: string | undefined }[] = [];
  for (const hook of hooks) {
    const matched = await matchedKind(hook.matching, request, occasion);
    if (matched === undefined) continue;
    for (const refused of await heard(hook, matched, { occasion, context, from })) refusals.push(refused);
  }
  const [first] = refusals;
  if (first !== undefined) throw denied(request, first.message, first.reason);
}

interface Hearing {
  readonly occasion: Occasion;
  readonly context: RequestContext;
  readonly from: MeasuredDependencies;
}

type Refused = Pick<Denial, 'message' | 'reason'>;

async function heard(hook: ValidatingHook, matched: Kind, hearing: Hearing): Promise<readonly Refused[]> {
  const { policy, name } = hook;
  const { occasion, context, from } = hearing;
  const fails = policy.spec.failurePolicy !== 'Ignore';
  const refused: Refused[] = [];
  const annotations = new Map<string, Set<string>>();
  let paramKind: Kind | undefined;
  try {
    paramKind = paramKindOf(from.catalog(), policy.spec.paramKind);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const message = `ValidatingAdmissionPolicy '${name}' denied request: failed to configure policy: ${error.message}`;
    return fails ? [{ message, reason: undefined }] : [];
  }
  const guise = guiseOf(occasion.request, matched, from.registry, occasion.signal);
  let seen: SeenRequest | undefined;
  for (const bound of hook.bindings) {
    if (bound.matching !== undefined && (await matchedKind(bound.matching, occasion.request, occasion)) === undefined) {
      continue;
    }
    const by = `ValidatingAdmissionPolicy '${name}' with binding '${bound.name}' denied request`;
    try {
      const { namespace } = occasion.request.attributes;
      const ref = bound.binding.spec.paramRef;
      const params = await collectParams(from.registry, paramKind, ref, namespace, occasion.signal);
      for (const param of params) {
        seen ??= await seenRequest(occasion.request, matched, guise);
        const compiled = compiledPolicies.of(policy);
        const inputs = {
          ...seen,
          attributes: occasion.request.attributes,
          params: policy.spec.paramKind === undefined ? undefined : (param ?? null),
          namespace: await occasion.namespaceObject(),
          variables: compiled.variables,
          answers: occasion.answers,
        };
        const judgement = await judge(compiled, inputs, policy.spec.failurePolicy);
        for (const denial of judgement.denials) {
          act(bound, name, denial, context, from.policyMetrics);
          if (bound.binding.spec.validationActions?.includes('Deny') === true) {
            refused.push({ message: `${by}: ${denial.message}`, reason: denial.reason });
          }
        }
        for (const { message, seconds } of judgement.ignored) {
          from.policyMetrics.validated(name, bound.name, message, 'allow', seconds);
        }
        for (const message of judgement.annotationErrors) {
          from.policyMetrics.validated(name, bound.name, message, 'deny', 0);
          refused.push({ message: `${by}: ${message}`, reason: undefined });
        }
        for (const { key, value } of judgement.annotations) {
          const values = annotations.get(key) ?? new Set();
          annotations.set(key, values.add(cut(value)));
        }
      }
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      const message = `${by}: failed to configure binding: ${error.message}`;
      if (fails) refused.push({ message, reason: undefined });
    }
  }
  for (const [key, values] of annotations) context.audit?.annotate(`${name}/${key}`, [...values].join(', '));
  return refused;
}

/** What a binding does about a denial beside refusing. */
function act(
  { binding, name }: BoundTo<ValidatingAdmissionPolicyBinding>,
  policy: string,
  { index, message, seconds }: Denial,
  context: RequestContext,
  metrics: PolicyMetrics,
): void {
  const { validationActions = [] } = binding.spec;
  for (const action of ['Deny', 'Warn', 'Audit'] as const) {
    if (!validationActions.includes(action)) continue;
    metrics.validated(policy, name, message, action.toLowerCase() as Lowercase<typeof action>, seconds);
  }
  if (validationActions.includes('Warn')) {
    context.warn(`Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${name}': ${message}`);
  }
  if (validationActions.includes('Audit')) {
    const failure = { message, policy, binding: name, expressionIndex: index, validationActions };
    context.audit?.annotate(failureAnnotation, JSON.stringify([failure]));
  }
}

const codes: Readonly<Record<string, number>> = {
  Forbidden: 403,
  Unauthorized: 401,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

function denied({ attributes, object }: AdmissionRequest, message: string, reason = 'Invalid'): StatusError {
  const { kind = { group: '', plural: '' } } = attributes;
  const name = object?.metadata?.name ?? object?.metadata?.generateName ?? attributes.name ?? '';
  const plain = forbiddenRequest(kind, name, message);
  return new StatusError(reason as StatusReason, plain.message, {
    code: codes[reason] ?? 422,
    details: { ...plain.details, causes: [{ message }] },
  });
}

/** At most so many bytes, and whole characters. */
function cut(value: string): string {
  const bytes = Buffer.from(value);
  if (bytes.byteLength <= annotationBytesMax) return value;
  return new TextDecoder().decode(bytes.subarray(0, annotationBytesMax), { stream: true });
}
