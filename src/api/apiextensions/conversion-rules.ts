import { forbidden, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { dns1035LabelComplaints } from '#machinery/names.ts';
import type { CustomResourceConversion, WebhookClientConfig } from './types.generated.ts';

/** Forms of ConversionReview that are understood. */
export const reviewVersions = ['v1', 'v1beta1'] as const;

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
  else errors.push(...configErrors(configPath, config));
  return [...errors, ...reviewErrors(versionsPath, versions)];
}

function configErrors(path: string, { url, service }: WebhookClientConfig): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [required(path, 'exactly one of url or service is required')];
  if (url !== undefined) return urlErrors(`${path}.url`, url);
  const errors: FieldError[] = [];
  const { name = '', namespace = '', path: at, port } = service ?? {};
  if (name === '') errors.push(required(`${path}.service.name`, 'service name is required'));
  if (namespace === '') errors.push(required(`${path}.service.namespace`, 'service namespace is required'));
  if (port !== undefined && (port < 1 || port > 65535)) {
    const words = 'port is not valid: must be between 1 and 65535, inclusive';
    errors.push(invalid(`${path}.service.port`, port, words));
  }
  if (at !== undefined && !at.startsWith('/')) {
    errors.push(invalid(`${path}.service.path`, at, `must start with a '/'`));
  }
  return errors;
}

function urlErrors(path: string, text: string): FieldError[] {
  const form = '; desired format: https://host[/path]';
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined)
    return [required(path, `url must be a valid URL: cannot parse ${JSON.stringify(text)}${form}`)];
  const errors: FieldError[] = [];
  if (parsed.protocol !== 'https:') {
    errors.push(invalid(path, parsed.protocol.slice(0, -1), `'https' is the only allowed URL scheme${form}`));
  }
  if (parsed.host === '') errors.push(invalid(path, parsed.host, `host must be specified${form}`));
  if (parsed.username !== '' || parsed.password !== '') {
    errors.push(invalid(path, '***', 'user information is not permitted in the URL'));
  }
  if (parsed.hash !== '') errors.push(invalid(path, parsed.hash, 'fragments are not permitted in the URL'));
  if (parsed.search !== '') errors.push(invalid(path, parsed.search, 'query parameters are not permitted in the URL'));
  return errors;
}

function reviewErrors(path: string, versions: readonly string[]): FieldError[] {
  if (versions.length === 0) return [required(path)];
  const errors: FieldError[] = [];
  for (const [index, version] of versions.entries()) {
    if (versions.indexOf(version) < index) errors.push(invalid(`${path}[${index}]`, version, 'duplicate version'));
    else for (const each of dns1035LabelComplaints(version)) errors.push(invalid(`${path}[${index}]`, version, each));
  }
  if (!versions.some((version) => reviewVersions.some((each) => each === version))) {
    errors.push(invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`));
  }
  return errors;
}
