import type { Kind } from '#machinery/kind.ts';
import type { Catalog, CatalogGroup, CatalogVersion } from '../catalog.ts';
import { discoveredResources, type DiscoveredResource } from './subresources.ts';

export type AggregatedVersion = 'v2' | 'v2beta1';

/**
 * All of discovery in one document: `/api` has the core group, `/apis` the others. v2 and v2beta1 have the same
 * shape. Source: k8s.io/api/apidiscovery/v2 (types.go).
 */
export function groupDiscoveryList(catalog: Catalog, of: 'core' | 'groups', version: AggregatedVersion) {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: catalog.groups.filter(({ name }) => (name === '') === (of === 'core')).map(groupDiscovery),
  };
}

function groupDiscovery({ name, versions }: CatalogGroup) {
  return { metadata: name === '' ? {} : { name }, versions: versions.map(versionDiscovery) };
}

function versionDiscovery({ version, kinds }: CatalogVersion) {
  return { version, resources: kinds.map(resourceDiscovery), freshness: 'Current' };
}

function resourceDiscovery(kind: Kind) {
  const [own, ...below] = discoveredResources(kind);
  return {
    resource: kind.plural,
    responseKind: own!.response,
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: own!.verbs,
    ...(kind.shortNames === undefined ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories === undefined ? {} : { categories: kind.categories }),
    ...(below.length === 0 ? {} : { subresources: below.map(subresourceDiscovery) }),
  };
}

function subresourceDiscovery({ name, response, verbs }: DiscoveredResource) {
  return { subresource: name.slice(name.indexOf('/') + 1), responseKind: response, verbs };
}
