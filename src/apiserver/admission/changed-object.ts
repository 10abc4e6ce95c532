import { builtinByKind } from '#api/kinds.ts';
import { invalid } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { invalidObject } from '#machinery/status-error.ts';
import { readObject } from '../codec.ts';

const names = ['name', 'namespace'] as const;
const serverOwned = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
] as const;

/**
 * What somebody made of `before` while it was admitted, read as an object of its kind; what only the server may set is
 * as it was. Throws BadRequest if it is none of that kind, Invalid if it is another one by its name.
 */
export function changedObject(
  changed: unknown,
  before: ApiObject,
  matched: Kind,
  validation: 'Strict' | 'Ignore',
): ApiObject {
  const kind = kindOf(before, matched);
  const object = readObject(kind, changed, { validation, warn: () => undefined });
  const metadata: Record<string, unknown> = { ...object.metadata };
  for (const field of names) {
    if ((metadata[field] ?? '') !== (before.metadata?.[field] ?? '')) {
      const error = invalid(`metadata.${field}`, metadata[field] ?? null, 'field is immutable');
      throw invalidObject(kind, before.metadata?.name ?? '', [error]);
    }
  }
  for (const field of serverOwned) {
    const own = before.metadata?.[field];
    if (own === undefined) delete metadata[field];
    else metadata[field] = own;
  }
  return { ...object, metadata };
}

/** Of the body: subresources have bodies of their own kinds. */
export function kindOf({ apiVersion = '', kind = '' }: ApiObject, matched: Kind): Kind {
  if (matched.kind === kind) return matched;
  const slash = apiVersion.indexOf('/');
  return builtinByKind(apiVersion.slice(0, Math.max(slash, 0)), apiVersion.slice(slash + 1), kind) ?? matched;
}
