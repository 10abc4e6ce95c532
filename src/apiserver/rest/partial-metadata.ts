import type { ApiObject } from '#machinery/object.ts';
import { bookmarkMetadata } from '../watch-cache/watcher.ts';
import type { Listing } from '../registry/resource.ts';
import type { EventEncoder } from './watch-stream.ts';

/** An object reduced to its metadata: what metadata informers and the rows of tables carry. */
export function partialMetadata(object: ApiObject, version: string) {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata ?? {} };
}

/** `metadata` of a list. */
export function listMetadata({ revision, continue: token, remaining }: Omit<Listing<ApiObject>, 'items'>) {
  return {
    resourceVersion: String(revision),
    ...(token === undefined ? {} : { continue: token }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
  };
}

export function partialMetadataList<T extends ApiObject>(listing: Listing<T>, version: string) {
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: listMetadata(listing),
    items: listing.items.map(({ whole }) => partialMetadata(whole, version)),
  };
}

export function partialMetadataEncoder(version: string): EventEncoder {
  return {
    shared: true,
    object: (type, { whole }) => Buffer.from(`${JSON.stringify({ type, object: partialMetadata(whole, version) })}\n`),
    bookmark(resourceVersion, initial) {
      const object = partialMetadata({ metadata: bookmarkMetadata(resourceVersion, initial) }, version);
      return Buffer.from(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
    },
  };
}
