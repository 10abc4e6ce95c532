import { newerVersionFirst } from '../catalog.ts';

/** A resource as `APIResourceList` describes it. */
interface Resource {
  readonly name: string;
  readonly singularName?: string;
  readonly namespaced: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

/** A group version that another server serves, as far as it has told what there is. */
export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  readonly resources: readonly Resource[];
  readonly isCurrent: boolean;
}

export interface RemoteGroup {
  readonly name: string;
  readonly priority: number;
  readonly versions: readonly RemoteVersion[];
}

/** By group, the most important first, and so are the versions of each. */
export function remoteGroups(versions: readonly RemoteVersion[]): readonly RemoteGroup[] {
  return [...Map.groupBy(versions, ({ group }) => group)]
    .map(([name, all]) => ({
      name,
      priority: Math.max(...all.map(({ groupPriority }) => groupPriority)),
      versions: all.toSorted(
        (a, b) => b.versionPriority - a.versionPriority || newerVersionFirst(a.version, b.version),
      ),
    }))
    .toSorted((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
}

interface NamedVersions {
  readonly name: string;
  readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
}

/** A group as `APIGroup` shows it; `local` is what this server has of it. */
export function groupWith(local: NamedVersions | undefined, remote: RemoteGroup) {
  const there: NamedVersions['versions'] = remote.versions.map(({ group, version }) => ({
    groupVersion: `${group}/${version}`,
    version,
  }));
  const taken = new Set(there.map(({ version }) => version));
  const versions = [
    ...there,
    ...(local?.versions ?? []).flatMap(({ groupVersion, version }) =>
      taken.has(version) ? [] : [{ groupVersion, version }],
    ),
  ];
  return { name: remote.name, versions, preferredVersion: versions[0] };
}

interface Aggregated {
  readonly metadata: { readonly name?: string };
  readonly versions: readonly { readonly version: string }[];
}

/** The items of aggregated discovery with the remote groups among them. */
export function itemsWith(locals: readonly Aggregated[], remotes: readonly RemoteGroup[]): readonly unknown[] {
  const byName = new Map<string, RemoteGroup>(remotes.map((remote) => [remote.name, remote]));
  const merged = locals.map((local) => {
    const remote = byName.get(local.metadata.name ?? '');
    if (remote === undefined) return local;
    byName.delete(remote.name);
    const taken = new Set(remote.versions.map(({ version }) => version));
    return {
      ...local,
      versions: [
        ...remote.versions.map(versionDiscovery),
        ...local.versions.filter(({ version }) => !taken.has(version)),
      ],
    };
  });
  const added = [...byName.values()].map((remote) => ({
    metadata: { name: remote.name },
    versions: remote.versions.map(versionDiscovery),
  }));
  return [...merged, ...added];
}

function versionDiscovery({ group, version, resources, isCurrent }: RemoteVersion) {
  const below = Map.groupBy(
    resources.filter(({ name }) => name.includes('/')),
    ({ name }) => name.slice(0, name.indexOf('/')),
  );
  const responseKind = ({ group: other = group, version: its = version, kind }: Resource) => ({
    group: other,
    version: its,
    kind,
  });
  return {
    version,
    resources: resources
      .filter(({ name }) => !name.includes('/'))
      .map((resource) => ({
        resource: resource.name,
        responseKind: responseKind(resource),
        scope: resource.namespaced ? 'Namespaced' : 'Cluster',
        singularResource: resource.singularName ?? '',
        verbs: resource.verbs,
        ...(resource.shortNames === undefined ? {} : { shortNames: resource.shortNames }),
        ...(resource.categories === undefined ? {} : { categories: resource.categories }),
        ...(below.has(resource.name)
          ? {
              subresources: below.get(resource.name)?.map((each) => ({
                subresource: each.name.slice(each.name.indexOf('/') + 1),
                responseKind: responseKind(each),
                verbs: each.verbs,
              })),
            }
          : {}),
      })),
    freshness: isCurrent ? 'Current' : 'Stale',
  };
}
