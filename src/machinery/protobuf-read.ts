import { parseExact } from './json.ts';
import { setOwn } from '#lib/set-own.ts';
import { nestingMax } from './json.ts';
import { layoutOf, type Layout } from './protobuf-layout.ts';
import { unions, wrappedLists, type Union } from './protobuf-special.ts';
import { wireBytes, wireFixed64, wireVarint, type WireReader } from './protobuf-wire.ts';
import type { Field, ObjectSchema, Schema } from './schema.ts';
import { badRequest } from './status-error.ts';
import { formatMicroTime, formatTime, isPrintable } from './timestamp.ts';
import { zeroOf } from './zero.ts';

type Target = Record<string, unknown>;

/** Reads one message into the object JSON would have. Throws `BadRequest`; fields of later versions are skipped. */
export function readObject(schema: ObjectSchema, reader: WireReader, depth = 0): Target {
  if (depth > nestingMax) throw badRequest(`the protobuf body is nested deeper than ${nestingMax} levels`);
  const target: Target = {};
  readFields(layoutOf(schema), reader, target, schema, depth);
  return target;
}

function readFields(layout: Layout, reader: WireReader, target: Target, owner: ObjectSchema, depth: number): void {
  while (!reader.done) {
    const tag = reader.tag();
    const slot = layout.byNumber.get(tag >>> 3);
    if (slot === undefined) reader.skip(tag);
    else if (slot.inline !== undefined) {
      expectWire(tag, wireBytes);
      readFields(slot.inline, reader.message(), target, owner, depth);
    } else readField(slot.name, slot.field, tag, reader, target, owner, depth);
  }
}

function readField(
  name: string,
  { schema, pointer }: Field,
  tag: number,
  reader: WireReader,
  target: Target,
  owner: ObjectSchema,
  depth: number,
): void {
  if (schema.type === 'array') {
    const list = (target[name] ??= []) as unknown[]; // only this function sets it
    if (!wrappedLists.has(`${owner.name}.${name}`)) list.push(readValue(schema.items, tag, reader, owner, depth));
    else {
      expectWire(tag, wireBytes);
      list.push(...readWrapped(schema.items, reader.message(), owner, depth));
    }
  } else if (schema.type === 'map') {
    expectWire(tag, wireBytes);
    const entry = reader.message();
    let key = '';
    let value: unknown;
    while (!entry.done) {
      const part = entry.tag();
      if (part >>> 3 === 1) {
        expectWire(part, wireBytes);
        key = entry.string();
      } else if (part >>> 3 === 2) value = readMapValue(schema.values, part, entry, owner, depth);
      else entry.skip(part);
    }
    setOwn((target[name] ??= {}) as Target, key, value ?? zeroOf(schema.values)); // only this function sets it
  } else {
    const value = readValue(schema, tag, reader, owner, depth);
    if (value !== undefined && (pointer === true || !isZero(schema, value) || owner.zeroIsAbsent !== true))
      target[name] = value;
  }
}

/** An empty text is no zero where a number might stand: Go's zero is the number there. */
const isZero = (schema: Schema, value: unknown) =>
  value === 0 || value === false || (value === '' && schema.type !== 'int-or-string');

/** A list as a map's value is a message of its own. */
function readMapValue(schema: Schema, tag: number, reader: WireReader, owner: ObjectSchema, depth: number): unknown {
  if (schema.type !== 'array') return readValue(schema, tag, reader, owner, depth);
  expectWire(tag, wireBytes);
  return readWrapped(schema.items, reader.message(), owner, depth);
}

function readWrapped(items: Schema, reader: WireReader, owner: ObjectSchema, depth: number): unknown[] {
  const list: unknown[] = [];
  while (!reader.done) {
    const tag = reader.tag();
    if (tag >>> 3 === 1) list.push(readValue(items, tag, reader, owner, depth));
    else reader.skip(tag);
  }
  return list;
}

/** Undefined for a zero time, and for free-form values that are not there. */
function readValue(schema: Schema, tag: number, reader: WireReader, owner: ObjectSchema, depth: number): unknown {
  switch (schema.type) {
    case 'string':
      expectWire(tag, wireBytes);
      if (schema.format === 'byte') return reader.bytes().toString('base64');
      if (schema.format === 'date-time') return readTime(reader.message(), false);
      if (schema.format === 'micro-time') return readTime(reader.message(), true);
      return reader.string();
    case 'boolean':
      expectWire(tag, wireVarint);
      return reader.varint() !== 0;
    case 'integer':
      expectWire(tag, wireVarint);
      return schema.format === 'int32' ? asInt32(reader.varint()) : reader.varint();
    case 'number':
      expectWire(tag, wireFixed64);
      return reader.fixed64();
    case 'quantity':
      expectWire(tag, wireBytes);
      return readFirstString(reader.message());
    case 'int-or-string':
      expectWire(tag, wireBytes);
      return readIntOrString(reader.message());
    case 'any': {
      expectWire(tag, wireBytes);
      const union = unions[schema.name ?? ''];
      return union === undefined ? readRaw(reader.message()) : readUnion(union, reader.message(), owner, depth);
    }
    case 'object':
      expectWire(tag, wireBytes);
      return readObject(schema, reader.message(), depth + 1);
    case 'array':
    case 'map':
      throw badRequest('a list of lists has no protobuf form');
  }
}

/** Go keeps the low 32 bits of an int32, whatever the length of the varint. */
const asInt32 = (value: number) => (value === (value | 0) ? value : Number(BigInt.asIntN(32, BigInt(value))));

function readTime(reader: WireReader, micro: boolean): string | undefined {
  let seconds: number | undefined;
  let nanos = 0;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 0x08) seconds = reader.varint();
    else if (tag === 0x10) nanos = asInt32(reader.varint());
    else reader.skip(tag);
  }
  if (seconds === undefined) return undefined;
  if (!isPrintable({ seconds, nanos }))
    throw badRequest(`the time ${seconds} s after 1970 cannot be written as RFC 3339`);
  if (nanos < 0 || nanos > 999_999_999) throw badRequest(`a time has ${nanos} nanoseconds`);
  return micro ? formatMicroTime({ seconds, nanos }) : formatTime({ seconds, nanos });
}

function readFirstString(reader: WireReader): string {
  let text = '0';
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 0x0a) text = reader.string() || '0';
    else reader.skip(tag);
  }
  return text;
}

function readIntOrString(reader: WireReader): number | string {
  let isString = false;
  let number = 0;
  let text = '';
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 0x08) isString = reader.varint() !== 0;
    else if (tag === 0x10) number = asInt32(reader.varint());
    else if (tag === 0x1a) text = reader.string();
    else reader.skip(tag);
  }
  return isString ? text : number;
}

/** RawExtension, FieldsV1 and JSON carry JSON text as bytes. */
function readRaw(reader: WireReader): unknown {
  let value: unknown;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag !== 0x0a) {
      reader.skip(tag);
      continue;
    }
    const text = reader.string();
    if (text === '') continue;
    try {
      value = parseExact(text);
    } catch (error) {
      throw badRequest('the protobuf body embeds what is not JSON', error);
    }
  }
  return value ?? undefined; // null is absence
}

function readUnion(union: Union, reader: WireReader, owner: ObjectSchema, depth: number): unknown {
  let single: unknown;
  let list: unknown[] | undefined;
  let allows = false;
  while (!reader.done) {
    const tag = reader.tag();
    switch (tag >>> 3) {
      case union.schema:
        expectWire(tag, wireBytes);
        single = readObject(owner, reader.message(), depth + 1);
        break;
      case union.schemas:
        expectWire(tag, wireBytes);
        (list ??= []).push(readObject(owner, reader.message(), depth + 1));
        break;
      case union.strings:
        expectWire(tag, wireBytes);
        (list ??= []).push(reader.string());
        break;
      case union.allows:
        expectWire(tag, wireVarint);
        allows = reader.varint() !== 0;
        break;
      default:
        reader.skip(tag);
    }
  }
  return single ?? list ?? (union.allows === undefined ? undefined : allows);
}

function expectWire(tag: number, wireType: number): void {
  if ((tag & 7) !== wireType) {
    throw badRequest(
      `the protobuf body is malformed: field ${tag >>> 3} has wire type ${tag & 7}, expected ${wireType}`,
    );
  }
}
