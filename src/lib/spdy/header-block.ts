import { createInflate, type Inflate } from 'node:zlib';
import { dictionary } from './dictionary.ts';
import { SpdyProtocolError } from './frame.ts';

/** Header names are lower case; several values of one name are joined by NUL on the wire and are a list here. */
export type SpdyHeaders = ReadonlyMap<string, readonly string[]>;

const uncompressedBytesMax = 64 * 1024;
const headersMax = 100;

/**
 * Reads the compressed header blocks of one direction of a session. They are pieces of one zlib stream, so every block
 * must be read, in order, one at a time, even if its stream is of no interest.
 */
export class HeaderReader {
  readonly #inflate: Inflate = createInflate({ dictionary });
  #output: Buffer[] = [];
  #outputBytes = 0;
  #fail: ((error: Error) => void) | undefined;

  constructor() {
    this.#inflate.on('data', (chunk: Buffer) => {
      this.#outputBytes += chunk.length;
      if (this.#outputBytes > uncompressedBytesMax) {
        this.#fail?.(new SpdyProtocolError(`headers of more than ${uncompressedBytesMax} bytes`));
        this.close();
      } else {
        this.#output.push(chunk);
      }
    });
    this.#inflate.on('error', (cause) =>
      this.#fail?.(new SpdyProtocolError(`headers cannot be decompressed: ${cause.message}`)),
    );
  }

  async read(block: Buffer): Promise<SpdyHeaders> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#output = [];
    this.#outputBytes = 0;
    this.#fail = reject;
    this.#inflate.write(block, (error) => {
      if (error) return reject(new SpdyProtocolError(`headers cannot be decompressed: ${error.message}`));
      this.#inflate.read(); // what has not yet come as an event comes now
      resolve();
    });
    await promise;
    return parseHeaders(Buffer.concat(this.#output));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

/** Reads the uncompressed form: a count, then names and values, each with its length. Throws SpdyProtocolError. */
export function parseHeaders(bytes: Buffer): SpdyHeaders {
  let offset = 0;
  const number = () => {
    if (offset + 4 > bytes.length) throw new SpdyProtocolError('headers end too early');
    offset += 4;
    return bytes.readUInt32BE(offset - 4);
  };
  const text = () => {
    const length = number();
    if (offset + length > bytes.length) throw new SpdyProtocolError('headers end too early');
    offset += length;
    return bytes.toString('utf8', offset - length, offset);
  };
  const headers = new Map<string, readonly string[]>();
  const count = number();
  if (count > headersMax) throw new SpdyProtocolError(`${count} headers`);
  for (let index = 0; index < count; index++) {
    const name = text();
    headers.set(name.toLowerCase(), text().split('\0'));
  }
  return headers;
}

export function encodeHeaders(headers: SpdyHeaders): Buffer {
  const parts: Buffer[] = [];
  const number = (value: number) => {
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32BE(value);
    parts.push(buffer);
  };
  const text = (value: string) => {
    const buffer = Buffer.from(value);
    number(buffer.length);
    parts.push(buffer);
  };
  number(headers.size);
  for (const [name, values] of headers) {
    text(name.toLowerCase());
    text(values.join('\0'));
  }
  return Buffer.concat(parts);
}

/** An empty stored block, as a sync flush ends with. Go's inflater hands out what it has only when it meets one. */
const flush = Buffer.of(0, 0, 0, 0xff, 0xff);

/**
 * Writes the header blocks of one direction. Ours are short and few, so they go out as stored (uncompressed) deflate
 * blocks of a valid zlib stream: no compressor to keep, nothing asynchronous, nothing for CRIME to measure.
 */
export class HeaderWriter {
  #started = false;

  write(headers: SpdyHeaders): Buffer {
    const content = encodeHeaders(headers);
    if (content.length > 0xffff) throw new RangeError(`headers of ${content.length} bytes`);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(content.length, 1);
    stored.writeUInt16LE(content.length ^ 0xffff, 3);
    const start = this.#started ? Buffer.alloc(0) : Buffer.of(0x78, 0x01); // zlib: deflate, 32 KiB window, no dictionary
    this.#started = true;
    return Buffer.concat([start, stored, content, flush]);
  }
}
