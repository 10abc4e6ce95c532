/**
 * SPDY/3.1 on the wire. Facts: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ §2.2 and §2.6.
 * Header blocks stay compressed here: they share one compression state per direction, see `header-block.ts`.
 */
export type Frame =
  | { readonly type: 'data'; readonly stream: number; readonly data: Buffer; readonly fin: boolean }
  | {
      readonly type: 'syn-stream';
      readonly stream: number;
      readonly block: Buffer;
      readonly fin: boolean;
      readonly unidirectional: boolean;
    }
  | { readonly type: 'syn-reply' | 'headers'; readonly stream: number; readonly block: Buffer; readonly fin: boolean }
  | { readonly type: 'rst-stream'; readonly stream: number; readonly status: number }
  | { readonly type: 'settings' }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway'; readonly lastStream: number; readonly status: number }
  | { readonly type: 'window-update'; readonly stream: number; readonly delta: number };

/** The peer has broken the protocol; the session cannot go on. */
export class SpdyProtocolError extends Error {
  override readonly name = 'SpdyProtocolError';
}

/** Status codes of RST_STREAM. */
export const resetStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
} as const;

const types = { synStream: 1, synReply: 2, rstStream: 3, settings: 4, ping: 6, goaway: 7, headers: 8, windowUpdate: 9 };
const version = 3;
const headerBytes = 8;
const finFlag = 1;
const unidirectionalFlag = 2;
/** Longest control frame taken from a peer. Kubernetes' are under 1 KiB. */
const controlBytesMax = 64 * 1024;

/**
 * Cuts a byte stream into frames, whatever the sizes it arrives in. Data is handed on as it comes: one long data frame
 * becomes several, the last with `fin` if the frame had it. Throws SpdyProtocolError; then the parser is of no more use.
 */
export class FrameParser {
  /** Bytes of an unfinished frame header or control frame. */
  #rest: Buffer = Buffer.alloc(0);
  /** The data frame whose bytes are arriving. */
  #data: { readonly stream: number; readonly fin: boolean; left: number } | undefined;

  *push(chunk: Buffer): Generator<Frame> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    for (;;) {
      if (this.#data !== undefined) {
        const { stream, fin, left } = this.#data;
        if (bytes.length === 0 && left > 0) return;
        const data = bytes.subarray(0, left);
        bytes = bytes.subarray(data.length);
        const isLast = data.length === left;
        this.#data = isLast ? undefined : { stream, fin, left: left - data.length };
        yield { type: 'data', stream, data, fin: fin && isLast };
        continue;
      }
      if (bytes.length < headerBytes) break;
      const word = bytes.readUInt32BE(0);
      const flags = bytes.readUInt8(4);
      const length = bytes.readUIntBE(5, 3);
      if (word < 0x8000_0000) {
        if (word === 0) throw new SpdyProtocolError('data for stream 0');
        this.#data = { stream: word, fin: (flags & finFlag) !== 0, left: length };
        bytes = bytes.subarray(headerBytes);
        continue;
      }
      if (((word >>> 16) & 0x7fff) !== version) throw new SpdyProtocolError('not SPDY version 3');
      if (length > controlBytesMax) throw new SpdyProtocolError(`control frame of ${length} bytes`);
      if (bytes.length < headerBytes + length) break;
      const frame = parseControl(word & 0xffff, flags, bytes.subarray(headerBytes, headerBytes + length));
      bytes = bytes.subarray(headerBytes + length);
      if (frame !== undefined) yield frame;
    }
    // A copy, so that a few waiting bytes do not keep a large chunk alive.
    this.#rest = Buffer.from(bytes);
  }
}

/** Undefined for frame types that SPDY says to skip. */
function parseControl(type: number, flags: number, body: Buffer): Frame | undefined {
  const need = (bytes: number) => {
    if (body.length < bytes) throw new SpdyProtocolError(`control frame of type ${type} is too short`);
  };
  const id = (offset: number) => body.readUInt32BE(offset) & 0x7fff_ffff;
  const fin = (flags & finFlag) !== 0;
  switch (type) {
    case types.synStream:
      need(10);
      return {
        type: 'syn-stream',
        stream: id(0),
        block: body.subarray(10),
        fin,
        unidirectional: (flags & unidirectionalFlag) !== 0,
      };
    case types.synReply:
    case types.headers:
      need(4);
      return { type: type === types.synReply ? 'syn-reply' : 'headers', stream: id(0), block: body.subarray(4), fin };
    case types.rstStream:
      need(8);
      return { type: 'rst-stream', stream: id(0), status: body.readUInt32BE(4) };
    case types.settings:
      return { type: 'settings' };
    case types.ping:
      need(4);
      return { type: 'ping', id: body.readUInt32BE(0) };
    case types.goaway:
      need(8);
      return { type: 'goaway', lastStream: id(0), status: body.readUInt32BE(4) };
    case types.windowUpdate:
      need(8);
      return { type: 'window-update', stream: id(0), delta: id(4) };
    default:
      return undefined;
  }
}

/** The eight bytes before `length` bytes of data. */
export function dataHeader(stream: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(stream, 0);
  header.writeUInt8(fin ? finFlag : 0, 4);
  header.writeUIntBE(length, 5, 3);
  return header;
}

/** The bytes of a control frame; for data see `dataHeader()`. */
export function encodeControl(frame: Exclude<Frame, { type: 'data' | 'settings' }>): Buffer {
  switch (frame.type) {
    case 'syn-stream': {
      const fixed = Buffer.alloc(10);
      fixed.writeUInt32BE(frame.stream, 0);
      return control(types.synStream, flagsOf(frame.fin, frame.unidirectional), [fixed, frame.block]);
    }
    case 'syn-reply':
      return control(types.synReply, flagsOf(frame.fin), [words(frame.stream), frame.block]);
    case 'headers':
      return control(types.headers, flagsOf(frame.fin), [words(frame.stream), frame.block]);
    case 'rst-stream':
      return control(types.rstStream, 0, [words(frame.stream, frame.status)]);
    case 'ping':
      return control(types.ping, 0, [words(frame.id)]);
    case 'goaway':
      return control(types.goaway, 0, [words(frame.lastStream, frame.status)]);
    case 'window-update':
      return control(types.windowUpdate, 0, [words(frame.stream, frame.delta)]);
  }
}

function flagsOf(fin: boolean, unidirectional = false): number {
  return (fin ? finFlag : 0) | (unidirectional ? unidirectionalFlag : 0);
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) buffer.writeUInt32BE(value, 4 * index);
  return buffer;
}

function control(type: number, flags: number, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE((0x8000_0000 | (version << 16) | type) >>> 0, 0);
  header.writeUInt8(flags, 4);
  header.writeUIntBE(length, 5, 3);
  return Buffer.concat([header, ...parts]);
}
