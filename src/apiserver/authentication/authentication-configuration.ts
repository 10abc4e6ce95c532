/**
 * The file that says whom a server knows beside those of the cluster itself: `AuthenticationConfiguration` of
 * `apiserver.config.k8s.io/v1`. Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/
 */
import { invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { parseYaml } from '#machinery/yaml.ts';

/** A claim, and what stands before its value in our names. */
export interface PrefixedClaim {
  readonly claim: string;
  readonly prefix: string;
}

export interface JwtIssuer {
  readonly url: string;
  readonly discoveryUrl: string | undefined;
  readonly authority: string | undefined;
  readonly audiences: readonly string[];
  readonly requiredClaims: readonly { readonly claim: string; readonly requiredValue: string }[];
  readonly username: PrefixedClaim;
  readonly groups: PrefixedClaim | undefined;
  readonly uid: { readonly claim: string } | undefined;
}

export interface AuthenticationConfiguration {
  readonly jwt: readonly JwtIssuer[];
  /** The paths that strangers may ask for, as far as roles allow it; health unless given. */
  readonly anonymousPaths: readonly string[] | 'all' | undefined;
}

const versions = ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1'];
const issuersMax = 64;

type Fields = Readonly<Record<string, unknown>>;

/** Throws an Error that names every field that is wrong. */
export function parseAuthenticationConfiguration(text: string): AuthenticationConfiguration {
  const errors: FieldError[] = [];
  const root = fieldsOf(parseYaml(text).value);
  known(errors, '', root, ['apiVersion', 'kind', 'jwt', 'anonymous']);
  if (!versions.includes(shown(root['apiVersion']))) {
    errors.push(notSupported('apiVersion', shown(root['apiVersion']), versions));
  }
  if (root['kind'] !== 'AuthenticationConfiguration') {
    errors.push(notSupported('kind', shown(root['kind']), ['AuthenticationConfiguration']));
  }
  const list = listOf(errors, 'jwt', root['jwt']);
  if (list.length > issuersMax) errors.push(invalid('jwt', list.length, `at most ${issuersMax} issuers`));
  const jwt = list.map((each, index) => readIssuer(errors, `jwt[${index}]`, fieldsOf(each)));
  for (const [index, { url }] of jwt.entries()) {
    if (jwt.findIndex((each) => each.url === url) < index) {
      errors.push(invalid(`jwt[${index}].issuer.url`, url, 'another issuer has this URL'));
    }
  }
  const anonymousPaths = readAnonymous(errors, root['anonymous']);
  if (errors.length > 0) {
    throw new Error(errors.map(({ field, message }) => `${field}: ${message}`).join('\n'));
  }
  return { jwt, anonymousPaths };
}

function readIssuer(errors: FieldError[], path: string, fields: Fields): JwtIssuer {
  known(errors, path, fields, ['issuer', 'claimValidationRules', 'claimMappings', 'userValidationRules']);
  const issuer = fieldsOf(fields['issuer']);
  known(errors, `${path}.issuer`, issuer, [
    'url',
    'discoveryURL',
    'certificateAuthority',
    'audiences',
    'audienceMatchPolicy',
  ]);
  const url = textOf(errors, `${path}.issuer.url`, issuer['url']) ?? '';
  if (url === '') errors.push(required(`${path}.issuer.url`));
  else checkUrl(errors, `${path}.issuer.url`, url);
  const discoveryUrl = textOf(errors, `${path}.issuer.discoveryURL`, issuer['discoveryURL']);
  if (discoveryUrl !== undefined) checkUrl(errors, `${path}.issuer.discoveryURL`, discoveryUrl);
  const audiences = listOf(errors, `${path}.issuer.audiences`, issuer['audiences']).map(String);
  if (audiences.length === 0) errors.push(required(`${path}.issuer.audiences`, 'at least one of them'));
  const policy = issuer['audienceMatchPolicy'] ?? 'MatchAny';
  if (policy !== 'MatchAny')
    errors.push(notSupported(`${path}.issuer.audienceMatchPolicy`, shown(policy), ['MatchAny']));
  if (listOf(errors, `${path}.userValidationRules`, fields['userValidationRules']).length > 0) {
    errors.push(expressions(`${path}.userValidationRules`));
  }
  const rules = listOf(errors, `${path}.claimValidationRules`, fields['claimValidationRules']);
  const mappings = fieldsOf(fields['claimMappings']);
  known(errors, `${path}.claimMappings`, mappings, ['username', 'groups', 'uid', 'extra']);
  if (listOf(errors, `${path}.claimMappings.extra`, mappings['extra']).length > 0) {
    errors.push(expressions(`${path}.claimMappings.extra`));
  }
  const username = readClaim(errors, `${path}.claimMappings.username`, mappings['username']);
  if (username === undefined) errors.push(required(`${path}.claimMappings.username`));
  const uid = readClaim(errors, `${path}.claimMappings.uid`, mappings['uid'], false);
  return {
    url,
    discoveryUrl,
    authority: textOf(errors, `${path}.issuer.certificateAuthority`, issuer['certificateAuthority']),
    audiences,
    requiredClaims: rules.map((rule, index) =>
      readRule(errors, `${path}.claimValidationRules[${index}]`, fieldsOf(rule)),
    ),
    username: username ?? { claim: '', prefix: '' },
    groups: readClaim(errors, `${path}.claimMappings.groups`, mappings['groups']),
    uid,
  };
}

function readRule(errors: FieldError[], path: string, rule: Fields) {
  known(errors, path, rule, ['claim', 'requiredValue', 'expression', 'message']);
  if (rule['expression'] !== undefined) errors.push(expressions(`${path}.expression`));
  const claim = textOf(errors, `${path}.claim`, rule['claim']) ?? '';
  if (claim === '' && rule['expression'] === undefined) errors.push(required(`${path}.claim`));
  return { claim, requiredValue: textOf(errors, `${path}.requiredValue`, rule['requiredValue']) ?? '' };
}

function readClaim(errors: FieldError[], path: string, value: unknown, needsPrefix = true): PrefixedClaim | undefined {
  if (value === undefined) return undefined;
  const fields = fieldsOf(value);
  known(errors, path, fields, ['claim', 'expression', ...(needsPrefix ? ['prefix'] : [])]);
  if (fields['expression'] !== undefined) {
    errors.push(expressions(`${path}.expression`));
    return undefined;
  }
  const claim = textOf(errors, `${path}.claim`, fields['claim']) ?? '';
  const prefix = textOf(errors, `${path}.prefix`, fields['prefix']);
  if (claim === '') {
    if (prefix !== undefined) errors.push(required(`${path}.claim`));
    return undefined;
  }
  if (needsPrefix && prefix === undefined) {
    errors.push(
      required(
        `${path}.prefix`,
        'prefix is required when claim is set. It can be set to an empty string to disable prefixing',
      ),
    );
  }
  return { claim, prefix: prefix ?? '' };
}

function readAnonymous(errors: FieldError[], value: unknown): AuthenticationConfiguration['anonymousPaths'] {
  if (value === undefined) return undefined;
  const anonymous = fieldsOf(value);
  known(errors, 'anonymous', anonymous, ['enabled', 'conditions']);
  const { enabled } = anonymous;
  if (typeof enabled !== 'boolean') {
    errors.push(invalid('anonymous.enabled', enabled ?? null, 'must be true or false'));
  }
  const conditions = listOf(errors, 'anonymous.conditions', anonymous['conditions']);
  if (enabled !== true) {
    if (conditions.length > 0) {
      errors.push(
        invalid('anonymous.conditions', conditions.length, 'enabled should be set to true when conditions are defined'),
      );
    }
    return [];
  }
  if (conditions.length === 0) return 'all';
  return conditions.map((condition, index) => {
    const path = textOf(errors, `anonymous.conditions[${index}].path`, fieldsOf(condition)['path']) ?? '';
    if (!path.startsWith('/')) errors.push(invalid(`anonymous.conditions[${index}].path`, path, 'must begin with /'));
    return path;
  });
}

const expressions = (field: string): FieldError =>
  invalid(field, '…', 'expressions are not understood by this server; name a claim instead');

function checkUrl(errors: FieldError[], field: string, text: string): void {
  if (!URL.canParse(text)) {
    errors.push(invalid(field, text, 'must be a URL'));
    return;
  }
  const url = new URL(text);
  if (url.protocol !== 'https:') errors.push(invalid(field, text, 'URL scheme must be https'));
  if (url.username !== '' || url.password !== '') {
    errors.push(invalid(field, '…', 'URL must not contain a username or password'));
  }
  if (url.search !== '') errors.push(invalid(field, text, 'URL must not contain a query'));
  if (url.hash !== '') errors.push(invalid(field, text, 'URL must not contain a fragment'));
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(errors: FieldError[], field: string, value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  errors.push(invalid(field, typeof value, 'must be a list'));
  return [];
}

function textOf(errors: FieldError[], field: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  errors.push(invalid(field, typeof value, 'must be a text'));
  return undefined;
}

/** A field that nobody reads would be a rule that nobody enforces. */
function known(errors: FieldError[], path: string, fields: Fields, names: readonly string[]): void {
  for (const name of Object.keys(fields)) {
    if (!names.includes(name)) errors.push(invalid(path === '' ? name : `${path}.${name}`, '…', 'unknown field'));
  }
}
