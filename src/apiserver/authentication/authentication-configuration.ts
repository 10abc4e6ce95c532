/**
 * The file that says whom a server knows beside those of the cluster itself: `AuthenticationConfiguration` of
 * `apiserver.config.k8s.io/v1`. Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/
 */
import { invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { compileClaimExpression, type ClaimExpression, type Wanted } from './oidc/claim-expressions.ts';
import { parseYaml } from '#machinery/yaml.ts';

/** A claim, and what stands before its value in our names. */
export interface PrefixedClaim {
  readonly claim: string;
  readonly prefix: string;
}

/** Where a value comes from: a claim, or an expression over all of them. */
export type ClaimSource = PrefixedClaim | { readonly expression: ClaimExpression };

/** What must hold, or the message is what is said. */
export interface Requirement {
  readonly expression: ClaimExpression;
  readonly message: string;
}

export interface JwtIssuer {
  readonly url: string;
  readonly discoveryUrl: string | undefined;
  readonly authority: string | undefined;
  readonly audiences: readonly string[];
  readonly requiredClaims: readonly { readonly claim: string; readonly requiredValue: string }[];
  /** Over `claims`, and over the `user` that comes of them. */
  readonly claimRules: readonly Requirement[];
  readonly userRules: readonly Requirement[];
  readonly username: ClaimSource;
  readonly groups: ClaimSource | undefined;
  readonly uid: ClaimSource | undefined;
  readonly extra: readonly { readonly key: string; readonly expression: ClaimExpression }[];
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
  const rules = listOf(errors, `${path}.claimValidationRules`, fields['claimValidationRules']);
  const mappings = fieldsOf(fields['claimMappings']);
  known(errors, `${path}.claimMappings`, mappings, ['username', 'groups', 'uid', 'extra']);
  const extra = listOf(errors, `${path}.claimMappings.extra`, mappings['extra']).flatMap((each, index) =>
    readExtra(errors, `${path}.claimMappings.extra[${index}]`, fieldsOf(each)),
  );
  const username = readClaim(errors, `${path}.claimMappings.username`, mappings['username'], 'text');
  if (username === undefined) errors.push(required(`${path}.claimMappings.username`));
  const uid = readClaim(errors, `${path}.claimMappings.uid`, mappings['uid'], 'text', false);
  const claimRules = readRules(errors, `${path}.claimValidationRules`, rules, 'claims');
  checkEmail(errors, `${path}.claimMappings.username.expression`, username, [...claimRules, ...extra]);
  return {
    url,
    discoveryUrl,
    authority: textOf(errors, `${path}.issuer.certificateAuthority`, issuer['certificateAuthority']),
    audiences,
    requiredClaims: rules.flatMap((rule, index) =>
      readRequired(errors, `${path}.claimValidationRules[${index}]`, fieldsOf(rule)),
    ),
    claimRules,
    userRules: readRules(
      errors,
      `${path}.userValidationRules`,
      listOf(errors, `${path}.userValidationRules`, fields['userValidationRules']),
      'user',
    ),
    username: username ?? { claim: '', prefix: '' },
    groups: readClaim(errors, `${path}.claimMappings.groups`, mappings['groups'], 'texts'),
    uid,
    extra,
  };
}

function readRequired(errors: FieldError[], path: string, rule: Fields) {
  known(errors, path, rule, ['claim', 'requiredValue', 'expression', 'message']);
  const claim = textOf(errors, `${path}.claim`, rule['claim']) ?? '';
  if (rule['expression'] !== undefined) {
    if (claim !== '') errors.push(invalid(path, claim, "claim and expression can't both be set"));
    return [];
  }
  if (claim === '') errors.push(required(path, 'claim or expression is required'));
  return [{ claim, requiredValue: textOf(errors, `${path}.requiredValue`, rule['requiredValue']) ?? '' }];
}

function readRules(errors: FieldError[], path: string, rules: readonly unknown[], variable: 'claims' | 'user') {
  return rules.flatMap((each, index): readonly Requirement[] => {
    const rule = fieldsOf(each);
    if (variable === 'user') known(errors, `${path}[${index}]`, rule, ['expression', 'message']);
    else if (rule['expression'] === undefined) return [];
    const expression = readExpression(errors, `${path}[${index}].expression`, rule['expression'], variable, 'decision');
    const message = textOf(errors, `${path}[${index}].message`, rule['message']) ?? '';
    return expression === undefined ? [] : [{ expression, message }];
  });
}

function readExtra(errors: FieldError[], path: string, extra: Fields) {
  known(errors, path, extra, ['key', 'valueExpression']);
  const key = textOf(errors, `${path}.key`, extra['key']) ?? '';
  if (!/^[a-z0-9.-]+\/\S+$/.test(key) || key !== key.toLowerCase()) {
    errors.push(invalid(`${path}.key`, key, 'must be a domain-prefixed path in lower case (such as "acme.io/foo")'));
  } else if (/(^|\.)(kubernetes|k8s)\.io\//.test(key)) {
    errors.push(
      invalid(`${path}.key`, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'),
    );
  }
  const expression = readExpression(errors, `${path}.valueExpression`, extra['valueExpression'], 'claims', 'texts');
  return expression === undefined ? [] : [{ key, expression }];
}

function readExpression(
  errors: FieldError[],
  field: string,
  value: unknown,
  variable: 'claims' | 'user',
  wanted: Wanted,
): ClaimExpression | undefined {
  const source = textOf(errors, field, value) ?? '';
  if (source === '') {
    errors.push(required(field, 'expression is required'));
    return undefined;
  }
  try {
    return compileClaimExpression(source, variable, wanted);
  } catch (error) {
    errors.push(invalid(field, source, `compilation failed: ${(error as Error).message}`));
    return undefined;
  }
}

/** Whoever goes by an email address must look whether it is one's own. */
function checkEmail(
  errors: FieldError[],
  field: string,
  username: ClaimSource | undefined,
  others: readonly { readonly expression: ClaimExpression }[],
): void {
  if (username === undefined || !('expression' in username)) return;
  const sources = [username.expression.source, ...others.map(({ expression }) => expression.source)];
  if (!/\bclaims(\.email\b|\[['"]email['"]\])/.test(username.expression.source)) return;
  if (sources.some((source) => source.includes('email_verified'))) return;
  errors.push(
    invalid(
      field,
      username.expression.source,
      'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
    ),
  );
}

function readClaim(
  errors: FieldError[],
  path: string,
  value: unknown,
  wanted: Wanted,
  needsPrefix = true,
): ClaimSource | undefined {
  if (value === undefined) return undefined;
  const fields = fieldsOf(value);
  known(errors, path, fields, ['claim', 'expression', ...(needsPrefix ? ['prefix'] : [])]);
  if (fields['expression'] !== undefined) {
    if (fields['claim'] !== undefined) errors.push(invalid(path, '…', "claim and expression can't both be set"));
    if (fields['prefix'] !== undefined) errors.push(invalid(path, '…', "prefix can't be set when expression is set"));
    const expression = readExpression(errors, `${path}.expression`, fields['expression'], 'claims', wanted);
    return expression === undefined ? undefined : { expression };
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
