/**
 * Protobuf's wire format, as much of it as Kubernetes uses: varints, 64-bit floats and length-delimited values.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
import { badRequest } from './status-error.ts';

export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireBytes = 2;
export const wireFixed32 = 5;

const malformed = (detail: string) => badRequest(`the protobuf body is malformed: ${detail}`);
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Reads a message from front to back. Every method throws `BadRequest` at the end of the bytes. */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** The next field's number × 8 + wire type. */
  tag(): number {
    const tag = this.varint();
    if (tag < 8 || tag > 0xffff_ffff) throw malformed(`field tag ${tag}`);
    return tag;
  }

  /** An unsigned value; those above 2^53 that are negative integers come back as such, others are refused. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= this.#end) throw malformed('it ends within a number');
      const byte = this.#bytes[this.#at++]!; // within the bounds just checked
      if (count >= 7) return this.#wideVarint(count, byte, value);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed('a number has more than ten bytes');
  }

  /** The eighth byte and later: exact arithmetic, for a double no longer is. */
  #wideVarint(count: number, first: number, low: number): number {
    let value = BigInt(low);
    let byte = first;
    for (let index = count; ; index++) {
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) break;
      if (index >= 9) throw malformed('a number has more than ten bytes');
      if (this.#at >= this.#end) throw malformed('it ends within a number');
      byte = this.#bytes[this.#at++]!; // within the bounds just checked
    }
    const number = Number(BigInt.asIntN(64, value));
    if (!Number.isSafeInteger(number))
      throw badRequest(`the integer ${BigInt.asIntN(64, value)} cannot be kept exactly`);
    return number;
  }

  fixed64(): number {
    if (this.#at + 8 > this.#end) throw malformed('it ends within a number');
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  /** A reader of the length-delimited value that comes next. */
  message(): WireReader {
    const [start, end] = this.#span();
    return new WireReader(this.#bytes, start, end);
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const [start, end] = this.#span();
    return this.#bytes.subarray(start, end);
  }

  string(): string {
    const [start, end] = this.#span();
    const text = this.#bytes.toString('utf8', start, end);
    if (!text.includes('\ufffd')) return text;
    try {
      return decoder.decode(this.#bytes.subarray(start, end));
    } catch (error) {
      throw badRequest('the protobuf body has a string that is not valid UTF-8', error);
    }
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case wireVarint:
        while (this.#at < this.#end) if (this.#bytes[this.#at++]! < 0x80) return;
        throw malformed('it ends within a number');
      case wireFixed64:
        this.#advance(8);
        return;
      case wireBytes:
        this.#span();
        return;
      case wireFixed32:
        this.#advance(4);
        return;
      default:
        throw malformed(`field ${tag >>> 3} has wire type ${tag & 7}`);
    }
  }

  #span(): readonly [number, number] {
    const length = this.varint();
    const start = this.#at;
    if (length < 0) throw malformed('a length is negative');
    this.#advance(length);
    return [start, this.#at];
  }

  #advance(count: number): void {
    if (this.#at + count > this.#end) throw malformed('it ends within a value');
    this.#at += count;
  }
}

const initialBytes = 1024;

/**
 * Writes a message from back to front, so that lengths are known when they are written: callers write the last field
 * first, and within a field the value before its tag.
 */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(initialBytes);
  #at = initialBytes;

  /** Everything written so far, counted from the end. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  finish(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  /** Any safe integer; negative ones take ten bytes, as int32 and int64 do. */
  varint(value: number): void {
    if (value < 0 || value > 0xffff_ffff) {
      this.#wideVarint(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    const count = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    this.#reserve(count);
    let rest = value;
    for (let index = 0; index < count - 1; index++) {
      this.#bytes[this.#at + index] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at + count - 1] = rest;
  }

  #wideVarint(value: bigint): void {
    const septets: number[] = [];
    for (let rest = value; rest > 0n || septets.length === 0; rest >>= 7n) septets.push(Number(rest & 0x7fn));
    this.#reserve(septets.length);
    for (const [index, septet] of septets.entries()) {
      this.#bytes[this.#at + index] = index === septets.length - 1 ? septet : septet | 0x80;
    }
  }

  fixed64(value: number): void {
    this.#reserve(8);
    this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** With its length in front. */
  string(text: string): void {
    const count = Buffer.byteLength(text);
    this.#reserve(count);
    this.#bytes.write(text, this.#at, 'utf8');
    this.varint(count);
  }

  bytes(value: Uint8Array): void {
    this.raw(value);
    this.varint(value.length);
  }

  /** Without a length. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
  }

  #reserve(count: number): void {
    if (this.#at < count) {
      const used = this.length;
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, used + count));
      this.#bytes.copy(larger, larger.length - used, this.#at);
      this.#at = larger.length - used;
      this.#bytes = larger;
    }
    this.#at -= count;
  }
}
