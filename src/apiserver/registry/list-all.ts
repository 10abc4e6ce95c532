import type { ApiObject } from '#machinery/object.ts';
import type { Resource } from './resource.ts';

/** The objects of a namespace (all, if undefined) with everything that was acknowledged before the call. */
export async function listAll<T extends ApiObject>(
  resource: Resource<T>,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<readonly T[]> {
  return (await listStored(resource, namespace, signal)).map(({ object }) => object);
}

/** The same as they are stored. */
export async function listStored<T extends ApiObject>(
  resource: Resource<T>,
  namespace: string | undefined,
  signal: AbortSignal,
) {
  const { items } = await resource.list({
    namespace,
    selection: { all: true, matches: () => true, exact: undefined },
    freshness: { want: 'newest' },
    limit: 0,
    continue: undefined,
    signal,
  });
  return items;
}
