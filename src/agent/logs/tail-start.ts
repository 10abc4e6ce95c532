import { openLog } from './log-files.ts';

/** A place in a log of several files. */
export interface LogPlace {
  readonly file: number;
  readonly offset: number;
}

const blockBytes = 64 * 1024;
const newline = 10;

/** Where the last `lines` lines begin, searching backwards so that long logs cost no more than what is asked for. */
export async function tailStart(files: readonly string[], lines: number): Promise<LogPlace> {
  let left = lines;
  const block = Buffer.alloc(blockBytes);
  for (let index = files.length - 1; index >= 0; index--) {
    const file = await openLog(files[index] ?? '');
    if (file === undefined) continue;
    await using held = file;
    const { size } = await held.stat();
    if (lines === 0) return { file: index, offset: size };
    // The newline that ends the very last line begins no other.
    let end = size;
    while (end > 0) {
      const start = Math.max(0, end - blockBytes);
      const { bytesRead } = await held.read(block, 0, end - start, start);
      for (let at = bytesRead - 1; at >= 0; at--) {
        if (block[at] !== newline || start + at === size - 1) continue;
        if (--left === 0) return { file: index, offset: start + at + 1 };
      }
      end = start;
    }
    if (size > 0 && --left === 0) return { file: index, offset: 0 };
  }
  return { file: 0, offset: 0 };
}
