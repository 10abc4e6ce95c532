import { forbidden, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { clientConfigErrors, reviewVersionErrors } from '../rules/webhook-rules.ts';
import type { CustomResourceConversion } from './types.generated.ts';

/** Source: apiextensions-apiserver validateCustomResourceConversion, apiserver pkg/util/webhook/validation.go. */
export function conversionErrors(
  path: string,
  conversion: CustomResourceConversion | undefined,
): readonly FieldError[] {
  if (conversion === undefined) return [];
  const { strategy, webhook } = conversion;
  const config = webhook?.clientConfig;
  const versions = webhook?.conversionReviewVersions ?? [];
  const errors: FieldError[] = [];
  if (strategy === '') errors.push(required(`${path}.strategy`));
  else if (strategy !== 'None' && strategy !== 'Webhook') {
    errors.push(notSupported(`${path}.strategy`, strategy, ['None', 'Webhook']));
  }
  const configPath = `${path}.webhookClientConfig`;
  const versionsPath = `${path}.conversionReviewVersions`;
  if (strategy !== 'Webhook') {
    const words = 'should not be set when strategy is not set to Webhook';
    if (config !== undefined) errors.push(forbidden(configPath, words));
    if (versions.length > 0) errors.push(forbidden(versionsPath, words));
    return errors;
  }
  if (config === undefined) errors.push(required(configPath, 'required when strategy is set to Webhook'));
  else errors.push(...clientConfigErrors(configPath, config));
  return [...errors, ...reviewVersionErrors(versionsPath, versions)];
}
