/** Source: kubernetes pkg/apis/admissionregistration/validation (validateMutatingWebhook, validateValidatingWebhook) and v1/defaults.go. */
import { duplicate, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { each, optionalChoice } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { clientConfigErrors, reviewVersionErrors, reviewVersions } from '../rules/webhook-rules.ts';
import { loadedExpressions, loadExpressions } from './load-expressions.ts';
import { resourceRuleErrors } from './resource-rules.ts';
import type { MutatingWebhook, ValidatingWebhook } from './types.generated.ts';

/** Seconds. */
const [timeoutMin, timeoutMax, timeoutDefault] = [1, 30, 10];
const defaultPort = 443;
/** Names are domains of a team's own, so that two teams' webhooks differ. */
const nameSegmentsMin = 3;
const sideEffects = ['None', 'NoneOnDryRun'];

type Webhook = ValidatingWebhook | MutatingWebhook;

export function withWebhookDefaults<W extends Webhook>(webhook: W): W {
  const { rules, clientConfig } = webhook;
  const { service } = clientConfig;
  return {
    ...webhook,
    failurePolicy: webhook.failurePolicy ?? 'Fail',
    matchPolicy: webhook.matchPolicy ?? 'Equivalent',
    namespaceSelector: webhook.namespaceSelector ?? {},
    objectSelector: webhook.objectSelector ?? {},
    timeoutSeconds: webhook.timeoutSeconds ?? timeoutDefault,
    ...(service === undefined
      ? {}
      : { clientConfig: { ...clientConfig, service: { ...service, port: service.port ?? defaultPort } } }),
    ...(rules === undefined ? {} : { rules: rules.map((rule) => ({ ...rule, scope: rule.scope ?? '*' })) }),
  };
}

/** CEL is loaded only where a webhook has conditions. */
export const loadConditions = ({ webhooks = [] }: { readonly webhooks?: readonly Webhook[] }): Promise<void> =>
  webhooks.some(({ matchConditions = [] }) => matchConditions.length > 0) ? loadExpressions() : Promise.resolve();

export function webhooksErrors<W extends Webhook>(
  webhooks: readonly W[] | undefined,
  own: (path: string, webhook: W) => readonly FieldError[] = () => [],
): readonly FieldError[] {
  const seen = new Set<string>();
  return each('webhooks', webhooks, (at, webhook) => {
    const { name } = webhook;
    const repeated = name !== '' && seen.has(name);
    seen.add(name);
    return [
      ...webhookErrors(at, webhook),
      ...own(at, webhook),
      ...reviewVersionErrors(
        `${at}.admissionReviewVersions`,
        webhook.admissionReviewVersions ?? [],
        `must specify one of ${reviewVersions.join(', ')}`,
      ),
      ...(repeated ? [duplicate(`${at}.name`, name)] : []),
    ];
  });
}

function webhookErrors(at: string, webhook: Webhook): readonly FieldError[] {
  const { name, rules, failurePolicy, matchPolicy, timeoutSeconds, clientConfig } = webhook;
  const { namespaceSelector, objectSelector, matchConditions = [] } = webhook;
  const timeout = 'the timeout value must be between 1 and 30 seconds';
  const isOut = timeoutSeconds !== undefined && (timeoutSeconds < timeoutMin || timeoutSeconds > timeoutMax);
  return [
    ...fullyQualifiedErrors(`${at}.name`, name),
    ...each(`${at}.rules`, rules, resourceRuleErrors),
    ...optionalChoice(`${at}.failurePolicy`, failurePolicy, ['Fail', 'Ignore']),
    ...optionalChoice(`${at}.matchPolicy`, matchPolicy, ['Equivalent', 'Exact']),
    ...sideEffectErrors(`${at}.sideEffects`, webhook.sideEffects),
    ...(isOut ? [invalid(`${at}.timeoutSeconds`, timeoutSeconds, timeout)] : []),
    ...labelSelectorErrors(`${at}.namespaceSelector`, namespaceSelector),
    ...labelSelectorErrors(`${at}.objectSelector`, objectSelector),
    ...clientConfigErrors(`${at}.clientConfig`, clientConfig),
    ...(matchConditions.length === 0
      ? []
      : loadedExpressions().matchConditionErrors(`${at}.matchConditions`, matchConditions, { hasParams: false })),
  ];
}

function fullyQualifiedErrors(field: string, name: string): readonly FieldError[] {
  if (name === '') return [required(field)];
  const complaints = dns1123SubdomainComplaints(name);
  if (complaints.length > 0) return [invalid(field, name, complaints.join(','))];
  const words = 'should be a domain with at least three segments separated by dots';
  return name.split('.').length < nameSegmentsMin ? [invalid(field, name, words)] : [];
}

function sideEffectErrors(field: string, value: string | undefined): readonly FieldError[] {
  if (value === undefined) return [required(field, `must specify one of ${sideEffects.join(', ')}`)];
  return sideEffects.includes(value) ? [] : [notSupported(field, value, sideEffects)];
}
