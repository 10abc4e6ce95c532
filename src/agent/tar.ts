import { createReadStream } from 'node:fs';

/** One member of a tar archive. Times and owners are the caller's: equal entries give equal bytes. */
export interface TarEntry {
  /** Relative, without a leading slash. */
  readonly path: string;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly body:
    | { readonly type: 'directory' }
    | { readonly type: 'symlink'; readonly target: string }
    | { readonly type: 'bytes'; readonly bytes: Uint8Array }
    | { readonly type: 'file'; readonly source: string; readonly size: number }
    | { readonly type: 'stream'; readonly size: number; readonly open: () => AsyncIterable<Uint8Array> };
}

const blockSize = 512;
const octalMax = 0o77777777777;

/**
 * The archive's bytes in POSIX ustar form (IEEE Std 1003.1, pax), in the order of `entries`, with a pax header where
 * a name is too long. Throws if a file is no longer as long as its entry says.
 */
export async function* writeTar(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    const { body } = entry;
    const name = body.type === 'directory' ? `${entry.path}/` : entry.path;
    const link = body.type === 'symlink' ? body.target : '';
    const size = body.type === 'bytes' ? body.bytes.length : 'size' in body ? body.size : 0;
    const split = splitName(name);
    if (split === undefined || Buffer.byteLength(link) > 100 || size > octalMax) {
      const records = [paxRecord('path', name), ...(link === '' ? [] : [paxRecord('linkpath', link)])];
      if (size > octalMax) records.push(paxRecord('size', String(size)));
      const pax = Buffer.concat(records);
      yield header({ name: 'pax', prefix: '', type: 'x', mode: 0o644, size: pax.length, link: '', uid: 0, gid: 0 });
      yield* padded([pax], pax.length, name);
    }
    const { prefix, base } = split ?? { prefix: '', base: Buffer.from(name).subarray(0, 100).toString('latin1') };
    const type = body.type === 'directory' ? '5' : body.type === 'symlink' ? '2' : '0';
    const { mode, uid = 0, gid = 0 } = entry;
    yield header({ name: base, prefix, type, mode, size: Math.min(size, octalMax), link, uid, gid });
    if (body.type === 'bytes') yield* padded([body.bytes], size, name);
    else if (body.type === 'file') yield* padded(createReadStream(body.source), size, name);
    else if (body.type === 'stream') yield* padded(body.open(), size, name);
  }
  yield Buffer.alloc(blockSize * 2);
}

async function* padded(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  size: number,
  name: string,
): AsyncGenerator<Uint8Array> {
  let written = 0;
  for await (const chunk of chunks) {
    written += chunk.length;
    yield chunk;
  }
  if (written !== size) throw new Error(`Cannot archive "${name}": its size changed from ${size} to ${written} bytes`);
  const rest = written % blockSize;
  if (rest !== 0) yield Buffer.alloc(blockSize - rest);
}

function splitName(name: string): { prefix: string; base: string } | undefined {
  if (Buffer.byteLength(name) <= 100) return { prefix: '', base: name };
  for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) {
    const [prefix, base] = [name.slice(0, at), name.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(base) <= 100 && base !== '') return { prefix, base };
  }
  return undefined;
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

interface Header {
  readonly name: string;
  readonly prefix: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly link: string;
  readonly uid: number;
  readonly gid: number;
}

function header({ name, prefix, type, mode, size, link, uid, gid }: Header): Buffer {
  const block = Buffer.alloc(blockSize);
  const octal = (value: number, at: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  block.write(name, 0, 100);
  octal(mode & 0o7777, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  if (Buffer.byteLength(link) <= 100) block.write(link, 157, 100);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345, 155);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
