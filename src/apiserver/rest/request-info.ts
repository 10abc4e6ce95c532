import type { RequestPath } from './request-path.ts';
import { flagOf } from './parameters.ts';

/** What a request is about, as audit and fairness see it: before anything is known of the kind. */
export interface RequestInfo {
  readonly verb: string;
  readonly path: string;
  /** Undefined for paths that are no resource. */
  readonly resource:
    | {
        readonly group: string;
        readonly version: string;
        readonly plural: string;
        readonly subresource: string | undefined;
        readonly namespace: string | undefined;
        readonly name: string | undefined;
      }
    | undefined;
}

const writeVerbs: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Source: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go. */
export function requestInfoOf(method: string, query: URLSearchParams, path: string, parsed: RequestPath): RequestInfo {
  if (parsed.is !== 'resource') return { verb: method.toLowerCase(), path, resource: undefined };
  const { groupVersion, namespace, plural, name, subresource } = parsed.resource;
  const slash = groupVersion.indexOf('/');
  const group = slash < 0 ? '' : groupVersion.slice(0, slash);
  const resource = {
    group,
    version: groupVersion.slice(slash + 1),
    plural,
    subresource,
    // A namespace is in itself.
    namespace: group === '' && plural === 'namespaces' ? name : namespace,
    name,
  };
  return { verb: verbOf(method, query, name), path, resource };
}

function verbOf(method: string, query: URLSearchParams, name: string | undefined): string {
  if (method === 'GET' || method === 'HEAD') {
    if (flagOf(query, 'watch') === true) return 'watch';
    return name === undefined ? 'list' : 'get';
  }
  if (method === 'DELETE' && name === undefined) return 'deletecollection';
  return writeVerbs[method] ?? method.toLowerCase();
}
