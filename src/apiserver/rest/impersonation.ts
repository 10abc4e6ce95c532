import type { UserInfo } from '#client/client.ts';
import type { Kind } from '#machinery/kind.ts';
import { badRequest } from '#machinery/status-error.ts';
import type { Api } from '../api.ts';
import { headerValues, prefixedValues } from '../authentication/header-values.ts';
import { allAuthenticated } from '../authentication/union.ts';
import type { HttpRequest } from './exchange.ts';

const extraPrefix = 'impersonate-extra-';

/** What may be impersonated has no kind of its own; rights on it are granted by these names. */
function pseudoKind(group: string, plural: string, namespaced = false): Kind {
  return {
    group,
    version: 'v1',
    kind: plural,
    plural,
    singular: plural,
    namespaced,
    schema: { type: 'object', fields: {}, required: [] },
  };
}

const users = pseudoKind('', 'users');
const groups = pseudoKind('', 'groups');
const serviceAccounts = pseudoKind('', 'serviceaccounts', true);
const uids = pseudoKind('authentication.k8s.io', 'uids');
const extras = pseudoKind('authentication.k8s.io', 'userextras');

/**
 * As whom a request is to be served: its caller, or whom the `Impersonate-…` headers name if the caller may speak for
 * them. Throws Forbidden. Source: k8s.io/apiserver/pkg/endpoints/filters/impersonation.go.
 */
export async function effectiveUser(api: Api, caller: UserInfo, { rawHeaders }: HttpRequest): Promise<UserInfo> {
  const [name] = headerValues(rawHeaders, 'impersonate-user');
  const [uid] = headerValues(rawHeaders, 'impersonate-uid');
  const asked = {
    groups: headerValues(rawHeaders, 'impersonate-group'),
    uid,
    extra: prefixedValues(rawHeaders, extraPrefix),
  };
  if (name === undefined) {
    if (asked.groups.length > 0 || asked.uid !== undefined || Object.keys(asked.extra).length > 0) {
      throw badRequest('requested [groups, uid or extra] for impersonation without requesting a user');
    }
    return caller;
  }
  const check = (kind: Kind, about: { namespace?: string; name: string; subresource?: string }) =>
    api.authorize({
      user: caller,
      verb: 'impersonate',
      kind,
      namespace: about.namespace,
      name: about.name,
      subresource: about.subresource,
      path: '',
    });

  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account === null) await check(users, { name });
  else await check(serviceAccounts, { namespace: account[1]!, name: account[2]! });
  for (const group of asked.groups) await check(groups, { name: group });
  if (asked.uid !== undefined) await check(uids, { name: asked.uid });
  const { extra } = asked;
  for (const [field, values] of Object.entries(extra)) {
    for (const value of values) await check(extras, { subresource: field, name: value });
  }
  return {
    username: name,
    groups: [...new Set(groupsOf(name, account?.[1], asked.groups))],
    ...(asked.uid === undefined ? {} : { uid: asked.uid }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

function groupsOf(name: string, namespace: string | undefined, asked: readonly string[]): readonly string[] {
  if (name === 'system:anonymous') return asked.length === 0 ? ['system:unauthenticated'] : asked;
  if (namespace !== undefined && asked.length === 0) {
    return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, allAuthenticated];
  }
  return [...asked, allAuthenticated];
}
