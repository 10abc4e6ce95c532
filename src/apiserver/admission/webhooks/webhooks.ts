import { MutatingWebhookConfiguration } from '#api/admissionregistration/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration/validating-webhook-configuration.ts';
import type { Metrics } from '#lib/metrics.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import type { PolicyDependencies } from '../policies/occasion.ts';
import { webhookMetrics, type WebhookMetrics } from './metrics.ts';
import { WebhookIndex } from './webhook-index.ts';

export interface WebhookDependencies extends PolicyDependencies {
  readonly metrics: WebhookMetrics;
}

/** Whoever is locked out by a webhook must be able to change it. Source: rules.IsExemptAdmissionConfigurationResource. */
const isExempt = ({ attributes: { kind } }: AdmissionRequest) =>
  kind === undefined || kind.group === 'admissionregistration.k8s.io';

/**
 * Other people's servers that have a say in what is stored: they may change it, then refuse it. Where none is
 * configured nothing is loaded and nothing done.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export function admissionWebhooks(
  from: PolicyDependencies & { readonly metrics: Metrics | undefined },
): readonly AdmissionPlugin[] {
  const dependencies: WebhookDependencies = { ...from, metrics: webhookMetrics(from.metrics) };
  const mutating = new WebhookIndex(from.registry, MutatingWebhookConfiguration);
  const validating = new WebhookIndex(from.registry, ValidatingWebhookConfiguration);
  return [
    {
      name: 'MutatingAdmissionWebhook',
      async mutate(request, context) {
        const { object } = request;
        if (isExempt(request) || object === undefined) return object!;
        const hooks = await mutating.hooks(context.signal);
        if (hooks.length === 0) return object;
        const { mutateByWebhooks } = await import('./mutating.ts');
        return mutateByWebhooks(hooks, { ...request, object }, context, dependencies);
      },
      // A deletion or a connection has nothing that could be changed, but mutating webhooks are asked about it, too.
      async validate(request, context) {
        if (isExempt(request) || (request.operation !== 'DELETE' && request.operation !== 'CONNECT')) return;
        const hooks = await mutating.hooks(context.signal);
        if (hooks.length === 0) return;
        const { askMutating } = await import('./mutating.ts');
        await askMutating(hooks, request, context, dependencies);
      },
    },
    {
      name: 'ValidatingAdmissionWebhook',
      async validate(request, context) {
        if (isExempt(request)) return;
        const hooks = await validating.hooks(context.signal);
        if (hooks.length === 0) return;
        const { validateByWebhooks } = await import('./validating.ts');
        await validateByWebhooks(hooks, request, context, dependencies);
      },
    },
  ];
}
