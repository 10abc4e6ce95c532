import { definition } from '#api/definitions.ts';
import { apiVersionOf, listKindOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { encodeProtobuf, hasProtobuf } from '#machinery/protobuf.ts';
import type { Status } from '#machinery/status-error.ts';
import { formatYaml } from '#machinery/yaml.ts';
import { unreachable } from '#lib/unreachable.ts';
import type { Listing } from '../registry/resource.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import type { Exchange } from './exchange.ts';
import { negotiate, protobufType, yamlType, type Encoding, type Representation, type Shape } from './negotiation.ts';
import { listMetadata, partialMetadata, partialMetadataList } from './partial-metadata.ts';
import { piecesOf, send, sendJson, sendPieces, wantsPretty } from './reply.ts';
import { includeObjectOf, tableOf } from './table.ts';
import { lengthOf, listParts } from './wire.ts';

const objectShapes = new Set<Shape>(['object', 'Table', 'PartialObjectMetadata']);
const listShapes = new Set<Shape>(['object', 'Table', 'PartialObjectMetadataList']);
const plainShapes = new Set<Shape>(['object']);
const statusSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';

/** What objects of a kind can be written in. */
export function encodingsOf(kind: Kind): readonly Encoding[] {
  return hasProtobuf(kind.schema) ? ['json', 'yaml', 'protobuf'] : ['json', 'yaml'];
}

/** How one object of a kind goes out. Throws NotAcceptable: call it before anything is done. */
export function negotiateObject({ req }: Exchange, kind: Kind, { tables = true } = {}): Representation {
  return negotiate(req.headers.accept, { shapes: tables ? objectShapes : plainShapes, encodings: encodingsOf(kind) });
}

/** How a list goes out. Throws NotAcceptable. */
export function negotiateList({ req }: Exchange, kind: Kind): Representation {
  return negotiate(req.headers.accept, { shapes: listShapes, encodings: encodingsOf(kind) });
}

/** Sends an object out of its cached bytes where that is what was asked for. */
export async function sendStored(
  exchange: Exchange,
  representation: Representation,
  kind: Kind,
  item: Pick<StoredObject, 'whole' | 'toBuffer'>,
  now: number,
): Promise<void> {
  if (representation.encoding === 'json' && representation.shape === 'object' && !wantsPretty(exchange)) {
    exchange.context.audit?.response?.(() => item.whole);
    return send(exchange, 200, 'application/json', item.toBuffer());
  }
  return sendObject(exchange, 200, representation, kind, item.whole, now);
}

export async function sendObject(
  exchange: Exchange,
  code: number,
  { encoding, shape, version }: Representation,
  kind: Kind,
  object: ApiObject,
  now: number,
): Promise<void> {
  exchange.context.audit?.response?.(() => object);
  switch (shape) {
    case 'Table': {
      const include = includeObjectOf(exchange.query);
      const metadata = { resourceVersion: object.metadata?.resourceVersion ?? '' };
      return sendJson(exchange, code, tableOf(kind, [object], metadata, { version, include, now }));
    }
    case 'PartialObjectMetadata':
    case 'PartialObjectMetadataList':
      return sendJson(exchange, code, partialMetadata(object, version));
    case 'object':
      return sendEncoded(exchange, code, encoding, object, () => encodeProtobuf(kind.schema, object));
    default:
      return unreachable(shape);
  }
}

/** A Status as the whole answer. */
export async function sendStatus(
  exchange: Exchange,
  code: number,
  { encoding }: Representation,
  status: Status,
): Promise<void> {
  exchange.context.audit?.response?.(() => status);
  return sendEncoded(exchange, code, encoding, status, () => encodeProtobuf(definition(statusSchema), status));
}

async function sendEncoded(
  exchange: Exchange,
  code: number,
  encoding: Encoding,
  value: unknown,
  protobuf: () => Uint8Array,
): Promise<void> {
  switch (encoding) {
    case 'json':
      return sendJson(exchange, code, value);
    case 'yaml':
      return send(exchange, code, yamlType, Buffer.from(formatYaml(value)));
    case 'protobuf':
      return send(exchange, code, protobufType, Buffer.from(protobuf()));
    default:
      return unreachable(encoding);
  }
}

export async function sendList(
  exchange: Exchange,
  { encoding, shape, version }: Representation,
  kind: Kind,
  listing: Listing<ApiObject>,
  now: number,
): Promise<void> {
  exchange.context.audit?.response?.(() => ({
    kind: listKindOf(kind),
    apiVersion: apiVersionOf(kind),
    metadata: listMetadata(listing),
    items: listing.items.map(({ object }) => object),
  }));
  switch (shape) {
    case 'Table': {
      const include = includeObjectOf(exchange.query);
      const objects = listing.items.map(({ whole }) => whole);
      return sendJson(exchange, 200, tableOf(kind, objects, listMetadata(listing), { version, include, now }));
    }
    case 'PartialObjectMetadata':
    case 'PartialObjectMetadataList':
      return sendJson(exchange, 200, partialMetadataList(listing, version));
    case 'object':
      break;
    default:
      return unreachable(shape);
  }
  if (encoding === 'json' && !wantsPretty(exchange)) {
    const parts = listParts(kind, listing);
    return sendPieces(exchange, 200, 'application/json', lengthOf(parts), piecesOf(parts));
  }
  const list = {
    kind: listKindOf(kind),
    apiVersion: apiVersionOf(kind),
    metadata: listMetadata(listing),
    items: listing.items.map(({ whole }) => whole),
  };
  return sendEncoded(exchange, 200, encoding, list, () =>
    encodeProtobuf(definition(`${kind.schema.name ?? ''}List`), list),
  );
}
