import { allVerbs, type Kind, type Subresource } from '#machinery/kind.ts';

/** One line of discovery: a resource, or a subresource of one. */
export interface DiscoveredResource {
  /** `pods`, or `pods/log`. */
  readonly name: string;
  readonly kind: Kind;
  /** What its body is, where that is another kind. */
  readonly response: { readonly group: string; readonly version: string; readonly kind: string };
  readonly verbs: readonly string[];
}

const statusVerbs = ['get', 'patch', 'update'];
const proxyVerbs = ['create', 'delete', 'get', 'patch', 'update'];
const proxy = (kind: string): Subresource => ({ group: '', version: 'v1', kind, verbs: proxyVerbs });

/** Subresources that the server itself answers, whatever the kind says. */
const serverSubresources: Readonly<Record<string, Readonly<Record<string, Subresource>>>> = {
  '/pods': { proxy: proxy('PodProxyOptions'), resize: { group: '', version: 'v1', kind: 'Pod', verbs: statusVerbs } },
  '/services': { proxy: proxy('ServiceProxyOptions') },
};

/** The verbs of a subresource; undefined if the kind has none of that name. */
export function subresourceVerbs(kind: Kind, subresource: string): readonly string[] | undefined {
  return discoveredResources(kind).find(({ name }) => name === `${kind.plural}/${subresource}`)?.verbs;
}

/** A kind and everything below it, sorted by name. */
export function discoveredResources(kind: Kind): readonly DiscoveredResource[] {
  const own = { group: kind.group, version: kind.version, kind: kind.kind };
  const below: DiscoveredResource[] = [];
  const add = (name: string, response: DiscoveredResource['response'], verbs: readonly string[]) =>
    below.push({ name: `${kind.plural}/${name}`, kind, response, verbs });
  if (kind.subresources?.status === true) add('status', own, statusVerbs);
  if (kind.subresources?.scale !== undefined)
    add('scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' }, statusVerbs);
  const more = { ...serverSubresources[`${kind.group}/${kind.plural}`], ...kind.subresources?.more };
  for (const [name, { verbs, ...response }] of Object.entries(more)) add(name, response, verbs);
  return [
    { name: kind.plural, kind, response: own, verbs: kind.verbs ?? allVerbs },
    ...below.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  ];
}
