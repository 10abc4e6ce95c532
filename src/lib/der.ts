/** Reads DER, the encoding of certificates and requests for them. Facts: ITU-T X.690. */
export interface DerNode {
  readonly tag: number;
  /** Everything, tag and length included. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
}

/** One element that fills `bytes` from `offset` on. Throws an Error for anything that is no DER. */
export function readDer(bytes: Uint8Array, offset = 0): DerNode {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new Error('malformed DER');
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new Error('malformed DER: length');
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? NaN);
    start += count;
  }
  const end = start + length;
  if (!(end <= bytes.length)) throw new Error('malformed DER: truncated');
  return { tag, bytes: bytes.subarray(offset, end), content: bytes.subarray(start, end) };
}

/** The elements inside a constructed one. */
export function childrenOf({ content }: DerNode): readonly DerNode[] {
  const children: DerNode[] = [];
  for (let offset = 0; offset < content.length;) {
    const child = readDer(content, offset);
    children.push(child);
    offset += child.bytes.length;
  }
  return children;
}

/** `1.2.840.…` */
export function oidOf({ content }: DerNode): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      parts.push(value);
      value = 0;
    }
  }
  const [head = 0, ...rest] = parts;
  const top = Math.min(2, Math.floor(head / 40));
  return [top, head - top * 40, ...rest].join('.');
}

/** The characters of any of the string types that names are written in. */
export function textOf({ tag, content }: DerNode): string {
  const buffer = Buffer.from(content);
  if (tag === 0x1e) return buffer.length % 2 === 0 ? buffer.swap16().toString('utf16le') : '';
  return buffer.toString(tag === 0x0c ? 'utf8' : 'latin1');
}
