import { badRequest, invalidObject } from '#machinery/status-error.ts';
import { forbidden, notSupported } from '#machinery/field-error.ts';
import { revision, type Revision } from '#store/store.ts';

/**
 * How new an answer must be. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
 * - `newest`: everything acknowledged before the request;
 * - `any`: whatever the cache holds;
 * - `not-older`: at least that revision;
 * - `exact`: that very revision.
 */
export type Freshness =
  | { readonly want: 'newest' }
  | { readonly want: 'any' }
  | { readonly want: 'not-older'; readonly than: Revision }
  | { readonly want: 'exact'; readonly at: Revision };

export function parseVersion(text: string): Revision {
  if (!/^\d{1,19}$/.test(text)) {
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  return revision(text);
}

export function freshnessOfGet(resourceVersion: string | undefined): Freshness {
  if (resourceVersion === undefined || resourceVersion === '') return { want: 'newest' };
  const than = parseVersion(resourceVersion);
  return than === 0n ? { want: 'any' } : { want: 'not-older', than };
}

/** Throws Invalid for combinations without a meaning. */
export function freshnessOfList(options: {
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
}): Freshness {
  const { resourceVersionMatch: match = '', resourceVersion = '' } = options;
  const refuse = (detail: string) =>
    invalidObject({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [forbidden('resourceVersionMatch', detail)]);
  if (match !== '') {
    if (options.continue !== undefined && options.continue !== '') {
      throw refuse('resourceVersionMatch is forbidden when continue is provided');
    }
    if (resourceVersion === '') throw refuse('resourceVersionMatch is forbidden unless resourceVersion is provided');
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      throw invalidObject({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
        notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']),
      ]);
    }
    if (match === 'Exact' && resourceVersion === '0') {
      throw refuse('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
    }
  }
  if (resourceVersion === '') return { want: 'newest' };
  const at = parseVersion(resourceVersion);
  if (at === 0n) return { want: 'any' };
  if (match === 'Exact' || (match === '' && (options.limit ?? 0) > 0)) return { want: 'exact', at };
  return { want: 'not-older', than: at };
}
