import { apiVersionOf, listKindOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Listing } from '../registry/resource.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { listMetadata } from './partial-metadata.ts';

/** A part of a body that knows its length and how to write itself. */
export interface Part {
  readonly length: number;
  writeTo(target: Buffer, offset: number): number;
}

export function textPart(text: string): Part {
  const bytes = Buffer.from(text);
  return {
    length: bytes.length,
    writeTo(target, offset) {
      target.set(bytes, offset);
      return offset + bytes.length;
    },
  };
}

const comma = textPart(',');

function itemPart(item: Pick<StoredObject, 'wireLength' | 'writeTo'>): Part {
  return { length: item.wireLength, writeTo: (target, offset) => item.writeTo(target, offset) };
}

function listHead(
  kind: Pick<Kind, 'group' | 'version' | 'kind' | 'listKind'>,
  listing: Omit<Listing<ApiObject>, 'items'>,
): string {
  const head = JSON.stringify({
    kind: listKindOf(kind),
    apiVersion: apiVersionOf(kind),
    metadata: listMetadata(listing),
  });
  return `${head.slice(0, -1)},"items":[`;
}

/** A list out of the cached bytes: nothing is parsed or encoded. */
export function listParts<T extends ApiObject>(kind: Kind<T>, listing: Listing<T>): readonly Part[] {
  const parts: Part[] = [textPart(listHead(kind, listing))];
  for (const [index, item] of listing.items.entries()) {
    if (index > 0) parts.push(comma);
    parts.push(itemPart(item));
  }
  parts.push(textPart(']}\n'));
  return parts;
}

export const lengthOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.length, 0);
