/**
 * What is the same wherever a webhook is named: custom resources that are converted, and admission.
 * Source: k8s.io/apiserver/pkg/util/webhook/validation.go.
 */
import { invalid, required, type FieldError } from '#machinery/field-error.ts';
import { dns1035LabelComplaints, dns1123SubdomainComplaints } from '#machinery/names.ts';

/** Forms of a review (ConversionReview, AdmissionReview) that are understood. */
export const reviewVersions = ['v1', 'v1beta1'] as const;

interface ClientConfig {
  readonly url?: string;
  readonly service?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly path?: string;
    readonly port?: number;
  };
}

/** Where a webhook is called. */
export function clientConfigErrors(path: string, { url, service }: ClientConfig): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [required(path, 'exactly one of url or service is required')];
  if (url !== undefined) return urlErrors(`${path}.url`, url);
  const errors: FieldError[] = [];
  const { name = '', namespace = '', path: at, port } = service ?? {};
  // Upstream takes the one for the other.
  if (namespace === '') errors.push(required(`${path}.service.name`));
  if (name === '') errors.push(required(`${path}.service.namespace`));
  if (port !== undefined && (port < 1 || port > 65535)) {
    const words = 'port is not valid: must be between 1 and 65535, inclusive';
    errors.push(invalid(`${path}.service.port`, port, words));
  }
  return [...errors, ...pathErrors(`${path}.service.path`, at)];
}

function pathErrors(field: string, path = ''): FieldError[] {
  if (path === '' || path === '/') return [];
  if (path === '//') return [invalid(field, path, 'segment[0] may not be empty')];
  const errors = path.startsWith('/') ? [] : [invalid(field, path, "must start with a '/'")];
  const steps = (path.endsWith('/') ? path.slice(0, -1) : path).slice(1).split('/');
  for (const [index, step] of steps.entries()) {
    if (step === '') errors.push(invalid(field, path, `segment[${index}] may not be empty`));
    else
      for (const each of dns1123SubdomainComplaints(step))
        errors.push(invalid(field, path, `segment[${index}]: ${each}`));
  }
  return errors;
}

function urlErrors(path: string, text: string): FieldError[] {
  const form = '; desired format: https://host[/path]';
  const {
    scheme = '',
    user,
    host = '',
    query = '',
    fragment = '',
  } = /^(?:(?<scheme>[a-z][a-z0-9+.-]*):)?(?:\/\/(?:(?<user>[^/?#]*)@)?(?<host>[^/?#]*))?[^?#]*(?:\?(?<query>[^#]*))?(?:#(?<fragment>.*))?$/isu.exec(
    text,
  )?.groups ?? {};
  const wrong = urlComplaint(text, host);
  if (wrong !== undefined) {
    return [required(path, `url must be a valid URL: parse ${JSON.stringify(text)}: ${wrong}${form}`)];
  }
  const errors: FieldError[] = [];
  if (scheme.toLowerCase() !== 'https') {
    errors.push(invalid(path, scheme.toLowerCase(), `'https' is the only allowed URL scheme${form}`));
  }
  if (host === '') errors.push(invalid(path, host, `host must be specified${form}`));
  if (user !== undefined) errors.push(invalid(path, user, 'user information is not permitted in the URL'));
  if (fragment !== '') errors.push(invalid(path, fragment, 'fragments are not permitted in the URL'));
  if (query !== '') errors.push(invalid(path, query, 'query parameters are not permitted in the URL'));
  return errors;
}

/** What keeps Go's net/url from parsing it at all. */
function urlComplaint(text: string, host: string): string | undefined {
  if (text.startsWith(':')) return 'missing protocol scheme';
  const odd = /[\s<>"`{}|\\^]/u.exec(host)?.[0];
  if (odd !== undefined) return `invalid character ${JSON.stringify(odd)} in host name`;
  const port = /:[^\]]*$/u.exec(host)?.[0];
  if (port !== undefined && !/^:\d*$/u.test(port)) return `invalid port ${JSON.stringify(port)} after host`;
  return undefined;
}

/** Which forms of its review a webhook understands. */
export function reviewVersionErrors(path: string, versions: readonly string[], whenNone = ''): FieldError[] {
  if (versions.length === 0) return [required(path, whenNone)];
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
