import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** One proto3 message or enum, as `tools/generate-cri.ts` writes it. */
export type MessageTable =
  | { readonly fields: readonly FieldRow[] }
  | { readonly enum: Readonly<Record<string, number>> };
export type FieldRow = readonly [number: number, name: string, shape: 'single' | 'repeated' | 'map', type: string];

/** What may be given to encode `T`: any part of it, and plain numbers where 64-bit integers are meant. */
export type Init<T> = T extends bigint
  ? bigint | number
  : T extends Uint8Array | string | number | boolean
    ? T
    : T extends readonly (infer E)[]
      ? readonly Init<E>[]
      : { readonly [K in keyof T]?: Init<T[K]> | undefined };

type Plain = Record<string, unknown>;
type Scalar = {
  readonly wire: WireType;
  readonly zero: unknown;
  readonly write: (w: BinaryWriter, v: never) => unknown;
  readonly read: (r: BinaryReader) => unknown;
};

const scalars: Readonly<Record<string, Scalar>> = {
  string: { wire: WireType.LengthDelimited, zero: '', write: (w, v: string) => w.string(v), read: (r) => r.string() },
  bytes: {
    wire: WireType.LengthDelimited,
    zero: new Uint8Array(),
    write: (w, v: Uint8Array) => w.bytes(v),
    read: (r) => r.bytes(),
  },
  bool: { wire: WireType.Varint, zero: false, write: (w, v: boolean) => w.bool(v), read: (r) => r.bool() },
  int32: { wire: WireType.Varint, zero: 0, write: (w, v: number) => w.int32(v), read: (r) => r.int32() },
  uint32: { wire: WireType.Varint, zero: 0, write: (w, v: number) => w.uint32(v), read: (r) => r.uint32() },
  int64: { wire: WireType.Varint, zero: 0n, write: (w, v: bigint) => w.int64(v), read: (r) => BigInt(r.int64()) },
  uint64: { wire: WireType.Varint, zero: 0n, write: (w, v: bigint) => w.uint64(v), read: (r) => BigInt(r.uint64()) },
  double: { wire: WireType.Bit64, zero: 0, write: (w, v: number) => w.double(v), read: (r) => r.double() },
};

function enumScalar(values: Readonly<Record<string, number>>): Scalar {
  const names = new Map(Object.entries(values).map(([name, number]) => [number, name]));
  return {
    wire: WireType.Varint,
    zero: names.get(0) ?? '',
    write: (w, v: string) => w.int32(values[v] ?? 0),
    // A value newer than our table keeps its number, so that it equals no name we act on.
    read: (r) => {
      const number = r.int32();
      return names.get(number) ?? String(number);
    },
  };
}

/**
 * Encodes and decodes proto3 messages by tables: plain objects in, plain objects out, with every scalar, list and
 * map present after decoding (absent ones hold proto3's zero) and absent sub-messages left out. Unknown fields are
 * skipped. Enums are their names, 64-bit integers are bigints.
 */
export class Codec {
  readonly #tables: Readonly<Record<string, MessageTable>>;
  readonly #scalars = new Map<string, Scalar>(Object.entries(scalars));
  readonly #byNumber = new Map<string, ReadonlyMap<number, FieldRow>>();

  constructor(tables: Readonly<Record<string, MessageTable>>) {
    this.#tables = tables;
    for (const [name, table] of Object.entries(tables)) {
      if ('enum' in table) this.#scalars.set(name, enumScalar(table.enum));
      else this.#byNumber.set(name, new Map(table.fields.map((row) => [row[0], row])));
    }
  }

  encode(message: string, value: object): Uint8Array {
    const writer = new BinaryWriter();
    this.#write(writer, message, value as Plain);
    return writer.finish();
  }

  decode(message: string, bytes: Uint8Array): unknown {
    return this.#read(new BinaryReader(bytes), message, bytes.length);
  }

  #write(writer: BinaryWriter, message: string, value: Plain): void {
    for (const row of this.#fields(message)) {
      const [number, name, shape] = row;
      const given = value[name];
      if (given === undefined) continue;
      if (shape === 'map') {
        for (const [key, text] of Object.entries(given as Record<string, string>)) {
          writer.tag(number, WireType.LengthDelimited).fork();
          writer.tag(1, WireType.LengthDelimited).string(key).tag(2, WireType.LengthDelimited).string(text).join();
        }
      } else if (shape === 'repeated') {
        this.#writeList(writer, row, given as readonly unknown[]);
      } else this.#writeOne(writer, row, given, false);
    }
  }

  #writeList(writer: BinaryWriter, row: FieldRow, values: readonly unknown[]): void {
    const scalar = this.#scalars.get(row[3]);
    if (scalar === undefined || scalar.wire === WireType.LengthDelimited) {
      for (const value of values) this.#writeOne(writer, row, value, true);
    } else if (values.length > 0) {
      writer.tag(row[0], WireType.LengthDelimited).fork();
      for (const value of values) scalar.write(writer, value as never);
      writer.join();
    }
  }

  #writeOne(writer: BinaryWriter, [number, , , type]: FieldRow, value: unknown, keepZero: boolean): void {
    const scalar = this.#scalars.get(type);
    if (scalar === undefined) {
      writer.tag(number, WireType.LengthDelimited).fork();
      this.#write(writer, type, value as Plain);
      writer.join();
    } else if (keepZero || (value !== scalar.zero && value !== 0)) {
      scalar.write(writer.tag(number, scalar.wire), value as never);
    }
  }

  #read(reader: BinaryReader, message: string, end: number): Plain {
    const out: Plain = {};
    for (const [, name, shape, type] of this.#fields(message)) {
      if (shape === 'map') out[name] = Object.create(null);
      else if (shape === 'repeated') out[name] = [];
      else {
        const scalar = this.#scalars.get(type);
        if (scalar !== undefined) out[name] = scalar.zero;
      }
    }
    const rows = this.#byNumber.get(message);
    while (reader.pos < end) {
      const [number, wire] = reader.tag();
      const row = rows?.get(number);
      if (row === undefined) reader.skip(wire, number);
      else this.#readField(reader, out, row, wire);
    }
    return out;
  }

  #readField(reader: BinaryReader, out: Plain, [, name, shape, type]: FieldRow, wire: WireType): void {
    if (shape === 'map') {
      const entry = this.#readEntry(reader);
      (out[name] as Record<string, string>)[entry.key] = entry.value;
      return;
    }
    const scalar = this.#scalars.get(type);
    if (shape === 'repeated') {
      const list = out[name] as unknown[];
      if (scalar !== undefined && wire === WireType.LengthDelimited && scalar.wire !== WireType.LengthDelimited) {
        const end = reader.uint32() + reader.pos;
        while (reader.pos < end) list.push(scalar.read(reader));
      } else list.push(scalar === undefined ? this.#readMessage(reader, type) : scalar.read(reader));
    } else out[name] = scalar === undefined ? this.#readMessage(reader, type) : scalar.read(reader);
  }

  #readMessage(reader: BinaryReader, type: string): Plain {
    const length = reader.uint32();
    return this.#read(reader, type, reader.pos + length);
  }

  #readEntry(reader: BinaryReader): { key: string; value: string } {
    const entry = { key: '', value: '' };
    const length = reader.uint32();
    const end = reader.pos + length;
    while (reader.pos < end) {
      const [number, wire] = reader.tag();
      if (number === 1) entry.key = reader.string();
      else if (number === 2) entry.value = reader.string();
      else reader.skip(wire, number);
    }
    return entry;
  }

  #fields(message: string): readonly FieldRow[] {
    const table = this.#tables[message];
    if (table === undefined || !('fields' in table)) throw new Error(`No protobuf message ${message}`);
    return table.fields;
  }
}
