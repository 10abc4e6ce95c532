import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { optionalChoice } from '../rules/fields.ts';
import { webhookColumns } from './webhook-columns.ts';
import { loadConditions, webhooksErrors, withWebhookDefaults } from './webhook-rules.ts';
import type * as types from './types.generated.ts';

export type MutatingWebhookConfiguration = types.MutatingWebhookConfiguration;

/** Source of the rules: kubernetes pkg/apis/admissionregistration/validation and v1/defaults.go. */
export const MutatingWebhookConfiguration: Kind<MutatingWebhookConfiguration> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  singular: 'mutatingwebhookconfiguration',
  categories: ['api-extensions'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration');
  },
  hasGeneration: true,
  defaults(object) {
    const { webhooks } = object;
    return webhooks === undefined ? object : { ...object, webhooks: webhooks.map(withDefaults) };
  },
  load: loadConditions,
  validate: ({ webhooks }) =>
    webhooksErrors(webhooks, (at, { reinvocationPolicy }) =>
      optionalChoice(`${at}.reinvocationPolicy`, reinvocationPolicy, ['IfNeeded', 'Never']),
    ),
  columns: webhookColumns,
};

const withDefaults = (webhook: types.MutatingWebhook): types.MutatingWebhook => ({
  ...withWebhookDefaults(webhook),
  reinvocationPolicy: webhook.reinvocationPolicy ?? 'Never',
});
