import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { webhookColumns } from './webhook-columns.ts';
import { loadConditions, webhooksErrors, withWebhookDefaults } from './webhook-rules.ts';
import type * as types from './types.generated.ts';

export type ValidatingWebhookConfiguration = types.ValidatingWebhookConfiguration;

/** Source of the rules: kubernetes pkg/apis/admissionregistration/validation and v1/defaults.go. */
export const ValidatingWebhookConfiguration: Kind<ValidatingWebhookConfiguration> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  singular: 'validatingwebhookconfiguration',
  categories: ['api-extensions'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration');
  },
  hasGeneration: true,
  defaults(object) {
    const { webhooks } = object;
    return webhooks === undefined ? object : { ...object, webhooks: webhooks.map(withWebhookDefaults) };
  },
  load: loadConditions,
  validate: ({ webhooks }) => webhooksErrors(webhooks),
  columns: webhookColumns,
};
