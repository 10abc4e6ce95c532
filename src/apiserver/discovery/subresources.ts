import { allVerbs, type Kind } from '#machinery/kind.ts';

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

/** A kind and everything below it, sorted by name. */
export function discoveredResources(kind: Kind): readonly DiscoveredResource[] {
  const own = { group: kind.group, version: kind.version, kind: kind.kind };
  const below: DiscoveredResource[] = [];
  const add = (name: string, response: DiscoveredResource['response'], verbs: readonly string[]) =>
    below.push({ name: `${kind.plural}/${name}`, kind, response, verbs });
  if (kind.subresources?.status === true) add('status', own, statusVerbs);
  if (kind.subresources?.scale !== undefined)
    add('scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' }, statusVerbs);
  for (const [name, { verbs, ...response }] of Object.entries(kind.subresources?.more ?? {}))
    add(name, response, verbs);
  return [
    { name: kind.plural, kind, response: own, verbs: kind.verbs ?? allVerbs },
    ...below.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  ];
}
