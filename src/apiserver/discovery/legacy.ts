import { createHash } from 'node:crypto';
import type { Kind } from '#machinery/kind.ts';
import type { Catalog, CatalogGroup, CatalogVersion } from '../catalog.ts';
import { discoveredResources } from './subresources.ts';

/**
 * Discovery as it was before it was aggregated: one document a group version. `kubectl auth can-i` and `drain` still
 * read these. Source: k8s.io/apimachinery/pkg/apis/meta/v1 (APIResourceList and the like).
 */
export function apiVersions(catalog: Catalog): unknown {
  const versions = catalog.group('')?.versions.map(({ version }) => version) ?? [];
  return { kind: 'APIVersions', versions, serverAddressByClientCIDRs: [] };
}

export function apiGroupList(catalog: Catalog): unknown {
  const groups = catalog.groups.filter(({ name }) => name !== '').map((group) => groupBody(group));
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

export function apiGroup(group: CatalogGroup): unknown {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupBody(group) };
}

function groupBody({ name, versions }: CatalogGroup) {
  const named = versions.map(({ groupVersion, version }) => ({ groupVersion, version }));
  return { name, versions: named, preferredVersion: named[0] };
}

export function apiResourceList({ groupVersion, kinds }: CatalogVersion): unknown {
  const resources = kinds.flatMap(discoveredResources).map(({ name, kind, response, verbs }) => {
    const isTop = name === kind.plural;
    const foreign = response.group !== kind.group || response.version !== kind.version;
    return {
      name,
      singularName: isTop ? kind.singular : '',
      namespaced: kind.namespaced,
      ...(foreign ? { group: response.group, version: response.version } : {}),
      kind: response.kind,
      verbs,
      ...(isTop && kind.shortNames !== undefined ? { shortNames: kind.shortNames } : {}),
      ...(isTop && kind.categories !== undefined ? { categories: kind.categories } : {}),
      ...(isTop && isStored(verbs) ? { storageVersionHash: storageVersionHash(kind) } : {}),
    };
  });
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
}

const isStored = (verbs: readonly string[]) => verbs.includes('get') && verbs.includes('create');

/** Changes when objects of the kind are stored in another version. Source: apiserver/pkg/endpoints/discovery. */
function storageVersionHash({ group, version, kind }: Kind): string {
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
}
