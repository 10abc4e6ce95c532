/**
 * Kubernetes' protobuf form of objects, `application/vnd.kubernetes.protobuf`: four magic bytes, then a
 * `runtime.Unknown` that names the kind and carries the object's own message. kubectl and client-go send it for
 * built-in kinds and fall back to nothing else.
 * Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf, pkg/util/framer.
 */
import type { ApiObject } from './object.ts';
import { readObject } from './protobuf-read.ts';
import { writeObject } from './protobuf-write.ts';
import { wireBytes, WireReader, WireWriter } from './protobuf-wire.ts';
import type { ObjectSchema } from './schema.ts';
import { badRequest, unsupportedMediaType } from './status-error.ts';

const magic = Buffer.from('k8s\0');

export interface Envelope {
  /** Both empty where the sender does not say. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Uint8Array;
}

/** False for kinds whose fields have no numbers: those of custom resources, and of APIs whose numbers we do not know. */
export function hasProtobuf({ name, fields }: ObjectSchema): boolean {
  return name !== undefined && Object.values(fields).some(({ number = 0 }) => number > 0);
}

/** True if `body` starts as an envelope does. */
export function isEnvelope(body: Uint8Array): boolean {
  return body.length >= magic.length && magic.equals(body.subarray(0, magic.length));
}

/** Opens the envelope. Throws `BadRequest` if it is none, `UnsupportedMediaType` if what it carries is encoded further. */
export function openEnvelope(body: Uint8Array): Envelope {
  if (!isEnvelope(body))
    throw badRequest('the body is not in Kubernetes\' protobuf form: it does not start with "k8s\\0"');
  const reader = new WireReader(body, magic.length);
  let apiVersion = '';
  let kind = '';
  let raw: Uint8Array = new Uint8Array();
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      const meta = reader.message();
      while (!meta.done) {
        const part = meta.tag();
        if (part === 0x0a) apiVersion = meta.string();
        else if (part === 0x12) kind = meta.string();
        else meta.skip(part);
      }
    } else if (tag === 0x12) raw = reader.bytes();
    else if (tag === 0x1a || tag === 0x22) {
      const encoding = reader.string();
      if (encoding !== '' && encoding !== 'application/vnd.kubernetes.protobuf') {
        throw unsupportedMediaType(`the protobuf envelope carries ${JSON.stringify(encoding)}, only protobuf is read`);
      }
    } else reader.skip(tag);
  }
  return { apiVersion, kind, raw };
}

/** The object as its JSON form would be, not yet conformed. Throws `BadRequest`; unknown fields are skipped. */
export function readMessage(schema: ObjectSchema, { apiVersion, kind, raw }: Envelope): Record<string, unknown> {
  const object = readObject(schema, new WireReader(raw));
  return { ...(kind === '' ? {} : { kind }), ...(apiVersion === '' ? {} : { apiVersion }), ...object };
}

/** The object in its envelope. It must conform to `schema`. */
export function encodeProtobuf(schema: ObjectSchema, object: Pick<ApiObject, 'apiVersion' | 'kind'>): Uint8Array {
  const writer = new WireWriter();
  writer.string(''); // contentType
  writer.tag(4, wireBytes);
  writer.string(''); // contentEncoding
  writer.tag(3, wireBytes);
  const beforeRaw = writer.length;
  writeObject(schema, { ...object }, writer);
  writer.varint(writer.length - beforeRaw);
  writer.tag(2, wireBytes);
  const beforeMeta = writer.length;
  writer.string(object.kind ?? '');
  writer.tag(2, wireBytes);
  writer.string(object.apiVersion ?? '');
  writer.tag(1, wireBytes);
  writer.varint(writer.length - beforeMeta);
  writer.tag(1, wireBytes);
  writer.raw(magic);
  return writer.finish();
}

/**
 * One frame of a watch: a length of four bytes, then a WatchEvent without an envelope, around `object`, which has one.
 */
export function encodeWatchFrame(type: string, object: Uint8Array): Uint8Array {
  const writer = new WireWriter();
  writer.bytes(object);
  writer.tag(1, wireBytes);
  writer.varint(writer.length);
  writer.tag(2, wireBytes);
  writer.string(type);
  writer.tag(1, wireBytes);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(writer.length);
  writer.raw(length);
  return writer.finish();
}
