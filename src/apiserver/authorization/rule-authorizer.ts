import { forbiddenRequest, StatusError } from '#machinery/status-error.ts';
import type { Attributes } from '../request.ts';
import type { Authorizer } from './authorizer.ts';
import { ruleAllows, type RuleSource } from './rules.ts';

/** Allows what a rule of any of `sources` allows, and nothing else. */
export function ruleAuthorizer(...sources: readonly RuleSource[]): Authorizer {
  return {
    async authorize(attributes) {
      for (const source of sources) {
        const rules = await source.rulesFor(attributes.user, attributes.namespace);
        if (rules.some((rule) => ruleAllows(rule, attributes))) return { allowed: true, reason: '' };
      }
      return { allowed: false, reason: '' };
    },
  };
}

/** The Forbidden a caller gets, in the words that kubectl users know. `reason` is the authorizer's, if it has one. */
export function forbiddenError(attributes: Attributes, reason = ''): StatusError {
  const { user, verb, kind, namespace, name, subresource, path } = attributes;
  const because = reason === '' ? '' : `: ${reason}`;
  if (kind === undefined) {
    return new StatusError('Forbidden', `forbidden: User "${user.username}" cannot ${verb} path "${path}"${because}`, {
      details: {},
    });
  }
  const resource = subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`;
  const scope = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return forbiddenRequest(
    { group: kind.group, plural: kind.plural },
    name ?? '',
    `User "${user.username}" cannot ${verb} resource "${resource}" in API group "${kind.group}" ${scope}${because}`,
  );
}
