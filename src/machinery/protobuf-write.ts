/**
 * Writes objects the way Kubernetes' generated Go code does, byte for byte: fields by ascending number, map entries by
 * ascending key, and what is no pointer in Go even when it is absent here. Values must conform to their schema.
 */
import { formatJson } from './json.ts';
import { layoutOf, type Layout } from './protobuf-layout.ts';
import { unions, wrappedLists, type Union } from './protobuf-special.ts';
import { wireBytes, wireFixed64, wireVarint, type WireWriter } from './protobuf-wire.ts';
import type { Field, ObjectSchema, Schema } from './schema.ts';
import { internalError } from './status-error.ts';
import { parseTimestamp } from './timestamp.ts';

type Source = Readonly<Record<string, unknown>>;
const nothing: Source = {};

/** Writes the fields of one message, the last first, without tag and length. */
export function writeObject(schema: ObjectSchema, value: Source, writer: WireWriter): void {
  writeFields(layoutOf(schema), value, schema, writer);
}

function writeFields(layout: Layout, value: Source, owner: ObjectSchema, writer: WireWriter): void {
  for (let index = layout.slots.length - 1; index >= 0; index--) {
    const slot = layout.slots[index]!; // within bounds
    if (slot.inline === undefined) writeField(slot.number, slot.name, slot.field, value[slot.name], owner, writer);
    else delimited(slot.number, writer, () => writeFields(slot.inline, value, owner, writer));
  }
}

function writeField(
  number: number,
  name: string,
  { schema, pointer }: Field,
  value: unknown,
  owner: ObjectSchema,
  writer: WireWriter,
): void {
  if (schema.type === 'array') {
    const list = (value ?? []) as readonly unknown[]; // conforms to the schema, as every assertion below
    if (wrappedLists.has(`${owner.name}.${name}`)) {
      if (value !== undefined) delimited(number, writer, () => writeList(1, schema.items, list, owner, writer));
    } else writeList(number, schema.items, list, owner, writer);
  } else if (schema.type === 'map') {
    const map = (value ?? {}) as Source;
    for (const key of Object.keys(map).toSorted(byUtf8).toReversed()) {
      delimited(number, writer, () => {
        const { values } = schema;
        if (values.type === 'array') {
          delimited(2, writer, () => writeList(1, values.items, map[key] as readonly unknown[], owner, writer));
        } else writeValue(2, values, map[key], owner, writer);
        writer.string(key);
        writer.tag(1, wireBytes);
      });
    }
  } else if (value !== undefined) writeValue(number, schema, value, owner, writer);
  else if (pointer !== true && owner.zeroIsAbsent === true) writeZero(number, schema, owner, writer);
}

function writeList(
  number: number,
  items: Schema,
  list: readonly unknown[],
  owner: ObjectSchema,
  writer: WireWriter,
): void {
  for (let index = list.length - 1; index >= 0; index--) writeValue(number, items, list[index], owner, writer);
}

function writeValue(number: number, schema: Schema, value: unknown, owner: ObjectSchema, writer: WireWriter): void {
  if (value === null) {
    writeZero(number, schema, owner, writer);
    return;
  }
  switch (schema.type) {
    case 'string':
      writeString(number, schema.format, value as string, writer);
      return;
    case 'boolean':
      writer.varint(value === true ? 1 : 0);
      writer.tag(number, wireVarint);
      return;
    case 'integer':
      writer.varint(value as number);
      writer.tag(number, wireVarint);
      return;
    case 'number':
      writer.fixed64(value as number);
      writer.tag(number, wireFixed64);
      return;
    case 'quantity':
      delimited(number, writer, () => {
        writer.string(value as string);
        writer.tag(1, wireBytes);
      });
      return;
    case 'int-or-string':
      delimited(number, writer, () => {
        writer.string(typeof value === 'string' ? value : '');
        writer.tag(3, wireBytes);
        writer.varint(typeof value === 'number' ? value : 0);
        writer.tag(2, wireVarint);
        writer.varint(typeof value === 'string' ? 1 : 0);
        writer.tag(1, wireVarint);
      });
      return;
    case 'any':
      writeAny(number, unions[schema.name ?? ''], value, owner, writer);
      return;
    case 'object':
      delimited(number, writer, () => writeObject(schema, value as Source, writer));
      return;
    case 'array':
    case 'map':
      throw internalError(`${owner.name ?? 'an object'} has a list of lists, which has no protobuf form`);
  }
}

function writeString(number: number, format: string | undefined, value: string, writer: WireWriter): void {
  if (format === 'byte') writer.bytes(Buffer.from(value, 'base64'));
  else if (format === 'date-time' || format === 'micro-time') {
    const { seconds, nanos } = parseTimestamp(value) ?? { seconds: 0, nanos: 0 };
    delimited(number, writer, () => {
      // A Time is in whole seconds; a MicroTime's nanoseconds are those of whole microseconds.
      writer.varint(format === 'micro-time' ? nanos - (nanos % 1000) : 0);
      writer.tag(2, wireVarint);
      writer.varint(seconds);
      writer.tag(1, wireVarint);
    });
    return;
  } else writer.string(value);
  writer.tag(number, wireBytes);
}

function writeAny(
  number: number,
  union: Union | undefined,
  value: unknown,
  owner: ObjectSchema,
  writer: WireWriter,
): void {
  delimited(number, writer, () => {
    if (union === undefined) {
      writer.string(formatJson(value));
      writer.tag(1, wireBytes);
      return;
    }
    if (Array.isArray(value)) {
      for (const each of value.toReversed() as readonly unknown[]) {
        if (typeof each === 'string') {
          writer.string(each);
          writer.tag(union.strings ?? 0, wireBytes);
        } else writeValue(union.schemas ?? 0, owner, each, owner, writer);
      }
    } else if (typeof value === 'object' && value !== null) writeValue(union.schema, owner, value, owner, writer);
    if (union.allows !== undefined) {
      writer.varint(value === false ? 0 : 1);
      writer.tag(union.allows, wireVarint);
    }
  });
}

/** What Go writes for a field that holds its type's zero value. */
function writeZero(number: number, schema: Schema, owner: ObjectSchema, writer: WireWriter): void {
  switch (schema.type) {
    case 'string':
      if (schema.format === 'byte') return;
      if (schema.format === 'date-time' || schema.format === 'micro-time') delimited(number, writer, () => {});
      else writeValue(number, schema, '', owner, writer);
      return;
    case 'integer':
    case 'number':
    case 'int-or-string':
      writeValue(number, schema, 0, owner, writer);
      return;
    case 'boolean':
      writeValue(number, schema, false, owner, writer);
      return;
    case 'quantity':
      writeValue(number, schema, '0', owner, writer);
      return;
    case 'any':
      delimited(number, writer, () => {});
      return;
    case 'object':
      writeValue(number, schema, nothing, owner, writer);
      return;
    case 'array':
    case 'map':
      return;
  }
}

function delimited(number: number, writer: WireWriter, content: () => void): void {
  const before = writer.length;
  content();
  writer.varint(writer.length - before);
  writer.tag(number, wireBytes);
}

/** Go sorts strings by their UTF-8 bytes; JavaScript's order differs where surrogates are involved. */
function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
