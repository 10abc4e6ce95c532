import type { PolicyRule } from '#api/rbac/types.generated.ts';
import type {
  FieldSelectorAttributes,
  LabelSelectorAttributes,
  LocalSubjectAccessReview,
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '#api/authorization/types.generated.ts';
import type { SelfSubjectReview } from '#api/authentication/types.generated.ts';
import type { UserInfo } from '#client/client.ts';
import { forbidden, invalid, required, type FieldError } from '#machinery/field-error.ts';
import { FieldSelector, parseFieldSelector, type FieldTerm } from '#machinery/field-selector.ts';
import type { Kind } from '#machinery/kind.ts';
import { badRequest, invalidObject } from '#machinery/status-error.ts';
import type { Attributes } from '../request.ts';
import type { Authorizer } from './authorizer.ts';
import type { RuleSource } from './rules.ts';

/** `kubectl auth can-i`: may the caller itself do this? */
export async function reviewSelfAccess(
  review: SelfSubjectAccessReview,
  user: UserInfo,
  authorizer: Authorizer,
): Promise<SelfSubjectAccessReview> {
  const { resourceAttributes, nonResourceAttributes } = review.spec;
  checkAttributes('SelfSubjectAccessReview', resourceAttributes, nonResourceAttributes, []);
  return { ...review, status: await decide(user, resourceAttributes, nonResourceAttributes, authorizer) };
}

/** May somebody else do this? Only for those who are allowed to ask. */
export async function reviewAccess(review: SubjectAccessReview, authorizer: Authorizer): Promise<SubjectAccessReview> {
  return { ...review, status: await subjectStatus('SubjectAccessReview', review.spec, authorizer) };
}

/** The same within the namespace that the request was sent to. */
export async function reviewLocalAccess(
  review: LocalSubjectAccessReview,
  namespace: string,
  authorizer: Authorizer,
): Promise<LocalSubjectAccessReview> {
  if (review.spec.nonResourceAttributes !== undefined) {
    throw badRequest('spec.nonResourceAttributes: disallowed on this kind of request');
  }
  if (review.spec.resourceAttributes?.namespace !== namespace) {
    throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
  }
  return { ...review, status: await subjectStatus('LocalSubjectAccessReview', review.spec, authorizer) };
}

/** `kubectl auth can-i --list`. */
export async function reviewRules(
  review: SelfSubjectRulesReview,
  user: UserInfo,
  sources: readonly RuleSource[],
): Promise<SelfSubjectRulesReview> {
  const { namespace } = review.spec;
  if (namespace === undefined || namespace === '') throw badRequest('no namespace on request');
  const resolved = await Promise.all(sources.map((source) => source.rulesFor(user, namespace)));
  const rules = resolved.flatMap((each) => each.rules);
  const problems = [...new Set(resolved.flatMap((each) => each.problems))];
  return {
    ...review,
    status: {
      incomplete: resolved.some(({ incomplete }) => incomplete === true),
      ...(problems.length === 0
        ? {}
        : { evaluationError: problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]` }),
      resourceRules: rules.filter(({ resources = [] }) => resources.length > 0).map(resourceRule),
      nonResourceRules: rules
        .filter(({ nonResourceURLs = [] }) => nonResourceURLs.length > 0)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs: nonResourceURLs ?? [] })),
    },
  };
}

/** `kubectl auth whoami`. */
export function reviewSelf(review: SelfSubjectReview, user: UserInfo): SelfSubjectReview {
  return { ...review, status: { userInfo: user } };
}

function resourceRule({ verbs, apiGroups, resources, resourceNames }: PolicyRule) {
  return {
    verbs,
    apiGroups: apiGroups ?? [],
    resources: resources ?? [],
    ...(resourceNames === undefined || resourceNames.length === 0 ? {} : { resourceNames }),
  };
}

async function subjectStatus(
  kind: string,
  spec: SubjectAccessReviewSpec,
  authorizer: Authorizer,
): Promise<SubjectAccessReviewStatus> {
  const { user = '', groups = [], uid, extra, resourceAttributes, nonResourceAttributes } = spec;
  const nobody =
    user === '' && groups.length === 0
      ? [required('spec.user', 'at least one of user or group must be specified')]
      : [];
  checkAttributes(kind, resourceAttributes, nonResourceAttributes, nobody);
  const subject: UserInfo = {
    username: user,
    groups,
    ...(uid === undefined ? {} : { uid }),
    ...(extra === undefined ? {} : { extra }),
  };
  return decide(subject, resourceAttributes, nonResourceAttributes, authorizer);
}

function checkAttributes(
  kind: string,
  resource: ResourceAttributes | undefined,
  path: NonResourceAttributes | undefined,
  found: readonly FieldError[],
): void {
  const problems = [...found];
  if (resource !== undefined && path !== undefined) {
    problems.push(
      invalid('spec.nonResourceAttributes', path, 'cannot be specified in combination with resourceAttributes'),
    );
  }
  if (resource === undefined && path === undefined) {
    problems.push(
      invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    );
  }
  problems.push(...selectorProblems(resource));
  if (problems.length > 0) throw invalidObject({ group: 'authorization.k8s.io', kind }, '', problems);
}

/** Source: kubernetes pkg/apis/authorization/validation. */
function selectorProblems(resource: ResourceAttributes | undefined): readonly FieldError[] {
  const path = 'spec.resourceAttributes';
  const check = (field: string, selector: FieldSelectorAttributes | LabelSelectorAttributes | undefined) => {
    if (selector === undefined) return [];
    const { rawSelector = '', requirements = [] } = selector;
    if (rawSelector !== '' && requirements.length > 0) {
      return [invalid(`${field}.rawSelector`, rawSelector, 'may not specified at the same time as requirements')];
    }
    if (rawSelector === '' && requirements.length === 0) {
      return [required(`${field}.requirements`, `when ${field} is specified, requirements or rawSelector is required`)];
    }
    return requirements.flatMap(({ key, operator, values = [] }, index): readonly FieldError[] => {
      const at = `${field}.requirements[${index}]`;
      const needsValues = operator === 'In' || operator === 'NotIn';
      return [
        ...(key === '' ? [required(`${at}.key`, 'must be specified')] : []),
        ...(needsValues && values.length === 0
          ? [required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'")]
          : []),
        ...(!needsValues && values.length > 0
          ? [forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
          : []),
      ];
    });
  };
  return [
    ...check(`${path}.fieldSelector`, resource?.fieldSelector),
    ...check(`${path}.labelSelector`, resource?.labelSelector),
  ];
}

async function decide(
  user: UserInfo,
  resource: ResourceAttributes | undefined,
  path: NonResourceAttributes | undefined,
  authorizer: Authorizer,
): Promise<SubjectAccessReviewStatus> {
  const decision = await authorizer.authorize(
    resource === undefined ? pathAttributes(user, path ?? {}) : objectAttributes(user, resource),
  );
  return { allowed: decision.allowed, ...(decision.reason === '' ? {} : { reason: decision.reason }) };
}

function pathAttributes(user: UserInfo, { path = '', verb = '' }: NonResourceAttributes): Attributes {
  return { user, verb, path, kind: undefined, namespace: undefined, name: undefined, subresource: undefined };
}

/** A selector that cannot be read narrows nothing, as if it were not there: upstream's fallback. */
function fieldsOf(selector: FieldSelectorAttributes | undefined): FieldSelector | undefined {
  if (selector === undefined) return undefined;
  const { rawSelector = '', requirements = [] } = selector;
  if (rawSelector !== '') {
    try {
      return parseFieldSelector(rawSelector);
    } catch {
      return undefined;
    }
  }
  const terms = requirements.flatMap(({ key, operator, values = [] }): readonly FieldTerm[] => {
    const [value] = values;
    if (value === undefined || values.length > 1 || (operator !== 'In' && operator !== 'NotIn')) return [];
    return [{ field: key, equal: operator === 'In', value }];
  });
  return terms.length === 0 ? undefined : new FieldSelector(terms);
}

const given = (text: string | undefined) => (text === undefined || text === '' ? undefined : text);

/** What a review about a resource asks the authorizer. */
export function objectAttributes(user: UserInfo, asked: ResourceAttributes): Attributes {
  const fields = fieldsOf(asked.fieldSelector);
  return {
    user,
    verb: asked.verb ?? '',
    ...(fields === undefined ? {} : { fields }),
    kind: kindNamed(
      asked.group ?? '',
      asked.version ?? '*',
      asked.resource ?? '',
      given(asked.namespace) !== undefined,
    ),
    namespace: given(asked.namespace),
    name: given(asked.name),
    subresource: given(asked.subresource),
    path: '',
  };
}

/** Rights are about names, so one may ask about resources this server does not have, or all (`*`). */
function kindNamed(group: string, version: string, plural: string, namespaced: boolean): Kind {
  return {
    group,
    version,
    kind: plural,
    plural,
    singular: plural,
    namespaced,
    schema: { type: 'object', fields: {}, required: [] },
  };
}
