import { StatusError, forbiddenRequest } from '#machinery/status-error.ts';
import type { Attributes } from '../request.ts';

/** Whatever is refused, in upstream's words: `pods is forbidden: User "x" cannot list resource "pods" in API group "" …`. */
export function refusal(
  { user, verb, kind, namespace, name, subresource, path }: Attributes,
  reason: string,
): StatusError {
  const because = reason === '' ? '' : `: ${reason}`;
  const who = `User ${JSON.stringify(user.username)} cannot ${verb}`;
  if (kind === undefined)
    return new StatusError('Forbidden', `forbidden: ${who} path ${JSON.stringify(path)}${because}`);
  const resource = subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`;
  const where =
    namespace === undefined || namespace === ''
      ? 'at the cluster scope'
      : `in the namespace ${JSON.stringify(namespace)}`;
  return forbiddenRequest(
    kind,
    name ?? '',
    `${who} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(kind.group)} ${where}${because}`,
  );
}
