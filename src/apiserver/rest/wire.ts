import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Listing } from '../registry/resource.ts';
import type { StoredObject } from '../registry/stored-object.ts';

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

function itemPart(item: StoredObject): Part {
  return { length: item.wireLength, writeTo: (target, offset) => item.writeTo(target, offset) };
}

/** The opening of a list, up to and with `"items":[`. */
export function listHead(
  kind: Kind,
  listKind: string,
  { revision, continue: token, remaining }: Omit<Listing<ApiObject>, 'items'>,
): string {
  const metadata = {
    resourceVersion: String(revision),
    ...(token === undefined ? {} : { continue: token }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
  };
  return `{"kind":${JSON.stringify(listKind)},"apiVersion":${JSON.stringify(apiVersionOf(kind))},"metadata":${JSON.stringify(metadata)},"items":[`;
}

/** A list out of the cached bytes: nothing is parsed or encoded. */
export function listParts<T extends ApiObject>(kind: Kind<T>, listing: Listing<T>): readonly Part[] {
  const parts: Part[] = [textPart(listHead(kind as unknown as Kind, `${kind.kind}List`, listing))];
  for (const [index, item] of listing.items.entries()) {
    if (index > 0) parts.push(comma);
    parts.push(itemPart(item as unknown as StoredObject));
  }
  parts.push(textPart(']}\n'));
  return parts;
}

export const lengthOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.length, 0);
