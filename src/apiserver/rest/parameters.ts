import { badRequest, invalidObject } from '#machinery/status-error.ts';
import { forbidden, invalid, notSupported, required, tooLong, type FieldError } from '#machinery/field-error.ts';
import type { WatchParameters } from '../api.ts';

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: must be a whole number`);
  }
  return Number(text);
}

/** Go's `strconv.ParseBool`, and an empty value is true, as upstream reads `?watch`. */
export function flagOf(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  return !['false', '0', 'f', 'F', 'FALSE', 'False'].includes(text);
}

const textOf = (query: URLSearchParams, name: string) => query.get(name) ?? undefined;

export function listParameters(
  query: URLSearchParams,
): WatchParameters & { readonly timeoutSeconds: number | undefined } {
  return {
    labelSelector: textOf(query, 'labelSelector'),
    fieldSelector: textOf(query, 'fieldSelector'),
    limit: numberOf(query, 'limit'),
    continue: textOf(query, 'continue'),
    resourceVersion: textOf(query, 'resourceVersion'),
    resourceVersionMatch: textOf(query, 'resourceVersionMatch'),
    allowWatchBookmarks: flagOf(query, 'allowWatchBookmarks'),
    sendInitialEvents: flagOf(query, 'sendInitialEvents'),
    timeoutSeconds: numberOf(query, 'timeoutSeconds'),
  };
}

const managerBytesMax = 128;

/** The `fieldManager` parameter. Throws Invalid. Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation. */
export function fieldManagerOf(
  query: URLSearchParams,
  options: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
): string | undefined {
  const text = query.get('fieldManager') ?? '';
  if (text === '') return undefined;
  const refuse = (error: FieldError) => invalidObject({ group: 'meta.k8s.io', kind: options }, '', [error]);
  if (Buffer.byteLength(text) > managerBytesMax) throw refuse(tooLong('fieldManager', managerBytesMax));
  if (/[\p{C}]/u.test(text)) throw refuse(invalid('fieldManager', text, 'should only contain printable characters'));
  return text;
}

/** What an apply must say, and others must not. Throws Invalid. */
export function applyOptions(query: URLSearchParams, isApply: boolean): { readonly force: boolean } {
  const force = flagOf(query, 'force');
  const refuse = (error: FieldError) => invalidObject({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [error]);
  if (!isApply && force !== undefined) throw refuse(forbidden('force', 'may not be specified for non-apply patch'));
  if (isApply && (query.get('fieldManager') ?? '') === '') {
    throw refuse(required('fieldManager', 'is required for apply patch'));
  }
  return { force: force ?? false };
}

/** `dryRun=All`; any other value is refused. */
export function isDryRun(values: readonly string[]): boolean {
  const wrong = values.find((value) => value !== 'All' && value !== '');
  if (wrong !== undefined) {
    throw invalidObject({ group: 'meta.k8s.io', kind: 'CreateOptions' }, '', [notSupported('dryRun', wrong, ['All'])]);
  }
  return values.includes('All');
}
