import { MutatingAdmissionPolicyBinding } from '#api/admissionregistration/mutating-admission-policy-binding.ts';
import { MutatingAdmissionPolicy } from '#api/admissionregistration/mutating-admission-policy.ts';
import { ValidatingAdmissionPolicyBinding } from '#api/admissionregistration/validating-admission-policy-binding.ts';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import type { Metrics } from '#lib/metrics.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { policyMetrics, type MeasuredDependencies } from './metrics.ts';
import type { PolicyDependencies } from './occasion.ts';
import { PolicyIndex } from './policy-index.ts';
import { policyWriterRights } from './writer-rights.ts';

/** Whoever is locked out by a policy must be able to change it. */
const exempt = new Set([
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
]);

const isExempt = ({ attributes: { kind } }: AdmissionRequest) =>
  kind === undefined || (kind.group === 'admissionregistration.k8s.io' && exempt.has(kind.plural));

/**
 * Rules on what may be stored that users write in CEL. Where no policy is bound, nothing is loaded and nothing done.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 */
function validatingAdmissionPolicies(from: MeasuredDependencies): AdmissionPlugin {
  const kinds = { policies: ValidatingAdmissionPolicy, bindings: ValidatingAdmissionPolicyBinding };
  const index = new PolicyIndex(from.registry, kinds);
  return {
    name: 'ValidatingAdmissionPolicy',
    async validate(request, context) {
      if (isExempt(request)) return;
      const hooks = await index.hooks(context.signal);
      if (hooks.length === 0) return;
      const { validateByPolicies } = await import('./validating.ts');
      await validateByPolicies(hooks, request, context, from);
    },
  };
}

/** The same for changes to what is about to be stored. */
function mutatingAdmissionPolicies(from: MeasuredDependencies): AdmissionPlugin {
  const kinds = { policies: MutatingAdmissionPolicy, bindings: MutatingAdmissionPolicyBinding };
  const index = new PolicyIndex(from.registry, kinds);
  return {
    name: 'MutatingAdmissionPolicy',
    async mutate(request, context) {
      const { object } = request;
      if (isExempt(request) || object === undefined) return object!;
      const hooks = await index.hooks(context.signal);
      if (hooks.length === 0) return object;
      const { mutateByPolicies } = await import('./mutating.ts');
      return mutateByPolicies(hooks, { ...request, object }, context, from);
    },
  };
}

/** In upstream's order: what is changed is then judged. */
export function admissionPolicies(
  options: PolicyDependencies & { readonly metrics: Metrics | undefined },
): readonly AdmissionPlugin[] {
  const from = { ...options, policyMetrics: policyMetrics(options.metrics) };
  return [mutatingAdmissionPolicies(from), policyWriterRights(from), validatingAdmissionPolicies(from)];
}
