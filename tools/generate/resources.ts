import { subresourcesNotServed } from './names.ts';
import type { GroupVersionKind, Oracle } from './oracle.ts';

/** What the paths of a document say about one kind. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Sorted, as discovery prints them. */
  readonly verbs: readonly string[];
  readonly subresources: ReadonlyMap<string, { verbs: readonly string[]; kind: GroupVersionKind }>;
}

const verbOf: Readonly<Record<string, string>> = {
  post: 'create',
  put: 'update',
  list: 'list',
  get: 'get',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'deletecollection',
};

/** All resources of a group version, by kind. */
export function resourcesOf(groupVersion: string, oracle: Oracle): Map<string, Resource> {
  const slash = groupVersion.indexOf('/');
  const group = slash < 0 ? '' : groupVersion.slice(0, slash);
  const version = groupVersion.slice(slash + 1);
  const root = group === '' ? `/api/${version}/` : `/apis/${groupVersion}/`;
  const main = new Map<string, { kind: string; namespaced: boolean; verbs: Set<string> }>();
  const subs = new Map<string, Map<string, { verbs: Set<string>; kind: GroupVersionKind }>>();
  for (const [path, operations] of Object.entries(oracle.documents.get(groupVersion)!.paths)) {
    if (!path.startsWith(root) || path.includes('/watch/')) continue;
    const rest = path.slice(root.length).replace(/^namespaces\/\{namespace\}\//, '');
    const namespaced = path.includes('/namespaces/{namespace}/');
    const [plural = '', , sub, tail] = rest.split('/');
    if (plural === '' || tail !== undefined) continue;
    for (const [method, operation] of Object.entries(operations)) {
      const action = operation['x-kubernetes-action'];
      const kind = operation['x-kubernetes-group-version-kind'];
      if (action === undefined || kind === undefined) continue;
      if (sub === undefined) {
        if (!main.has(plural)) main.set(plural, { kind: kind.kind, namespaced: false, verbs: new Set() });
        const entry = main.get(plural)!;
        entry.namespaced ||= namespaced;
        entry.verbs.add(verbOf[action]!);
        if (action === 'list') entry.verbs.add('watch');
      } else {
        if (!subs.has(plural)) subs.set(plural, new Map());
        const entries = subs.get(plural)!;
        if (!entries.has(sub)) entries.set(sub, { verbs: new Set(), kind });
        entries.get(sub)!.verbs.add(verbOf[action] ?? verbOf[method]!);
      }
    }
  }
  const resources = new Map<string, Resource>();
  for (const [plural, { kind, namespaced, verbs }] of main) {
    const subresources = new Map(
      [...(subs.get(plural) ?? [])]
        .filter(([name]) => !subresourcesNotServed.has(name))
        .map(([name, each]) => [name, { verbs: [...each.verbs].toSorted(), kind: each.kind }] as const),
    );
    resources.set(kind, { group, version, kind, plural, namespaced, verbs: [...verbs].toSorted(), subresources });
  }
  return resources;
}
