import { badRequest, invalidObject } from '#machinery/status-error.ts';
import { notSupported } from '#machinery/field-error.ts';
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

/** `dryRun=All`; any other value is refused. */
export function isDryRun(values: readonly string[]): boolean {
  const wrong = values.find((value) => value !== 'All' && value !== '');
  if (wrong !== undefined) {
    throw invalidObject({ group: 'meta.k8s.io', kind: 'CreateOptions' }, '', [notSupported('dryRun', wrong, ['All'])]);
  }
  return values.includes('All');
}
