import type { PolicyRule } from '#api/rbac/types.generated.ts';

export const read = 'get list watch';
export const write = 'create update patch delete deletecollection';
export const readWrite = `${read} ${write}`;

const words = (text: string): readonly string[] => text.split(' ').toSorted();

/** Verbs on resources of one API group (or several), all as words; `names` narrows it to objects of these names. */
export function may(
  verbs: string,
  groups: string | readonly string[],
  resources: string,
  ...names: readonly string[]
): PolicyRule {
  return {
    apiGroups: [groups].flat(),
    ...(names.length === 0 ? {} : { resourceNames: names }),
    resources: words(resources),
    verbs: words(verbs),
  };
}

/** GET of paths that are no resources. */
export function mayVisit(...urls: readonly string[]): PolicyRule {
  return { nonResourceURLs: urls, verbs: ['get'] };
}

/** What everybody needs who records events. */
export const mayRecordEvents = may('create update patch', ['', 'events.k8s.io'], 'events');
