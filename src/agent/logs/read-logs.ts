import { watch } from 'node:fs';
import { stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import { logFiles, openLog } from './log-files.ts';
import { parseLogLine } from './cri-log-line.ts';
import { tailStart } from './tail-start.ts';

export interface ReadLogOptions {
  readonly dir: string;
  readonly attempt: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly stream: 'All' | 'Stdout' | 'Stderr';
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Whether more may come; asked at the end of what there is. */
  readonly isRunning: () => boolean;
}

const blockBytes = 64 * 1024;
/** Lines of the runtime are shorter; what is longer is no log. */
const lineBytesMax = 256 * 1024;
/** Whoever waits for a command's output waits this long for its end at most. */
const lookEveryMs = 200;
const newline = 10;

/** A container's log as it wrote it, from all files that rotation left, and as it goes on. */
export async function* readLogs(options: ReadLogOptions): AsyncGenerator<Buffer> {
  const { limitBytes = Number.POSITIVE_INFINITY } = options;
  let left = limitBytes;
  const format = formatter(options);
  for await (const line of rawLines(options)) {
    const text = format(line);
    if (text === undefined) continue;
    if (text.length >= left) {
      yield text.subarray(0, left);
      return;
    }
    left -= text.length;
    yield text;
  }
}

/** Turns a line of the file into what the container wrote, or undefined if it was not asked for. */
function formatter({ timestamps, stream, since }: ReadLogOptions): (line: Buffer) => Buffer | undefined {
  let isStart = true;
  return (line) => {
    const parsed = parseLogLine(line.toString('latin1', 0, Math.min(line.length, 100)));
    if (parsed === undefined) return undefined;
    if (stream !== 'All' && parsed.stream !== stream.toLowerCase()) return undefined;
    if (since !== undefined && Date.parse(parsed.time) < since) return undefined;
    const head = Math.min(line.length, 100) - Buffer.byteLength(parsed.text, 'latin1');
    const body = line.subarray(head);
    const prefix = timestamps && isStart ? `${parsed.time} ` : '';
    isStart = !parsed.isPartial;
    return Buffer.concat([Buffer.from(prefix), body, parsed.isPartial ? empty : lineEnd]);
  };
}

const empty = Buffer.alloc(0);
const lineEnd = Buffer.from('\n');

async function* rawLines(options: ReadLogOptions): AsyncGenerator<Buffer> {
  const { dir, attempt, tailLines, follow, isRunning, signal } = options;
  using changes = follow ? watchDir(dir, options) : undefined;
  let files = await logFiles(dir, attempt);
  while (files.length === 0) {
    if (changes === undefined || !isRunning()) return;
    await changes.next();
    if (signal.aborted) return;
    files = await logFiles(dir, attempt);
  }
  const start = tailLines === undefined ? { file: 0, offset: 0 } : await tailStart(files, tailLines);
  let rest: Buffer = empty;
  let offset = start.offset;
  for (let index = start.file; index < files.length; index++) {
    const path = files[index] ?? '';
    const file = await openLog(path);
    if (file === undefined) continue;
    await using held = file;
    for (;;) {
      // Asked before the read: what a container wrote before it ended is then sure to be seen.
      const wasRunning = isRunning();
      const wasRotated = await isRotated(held, dirname(path), attempt);
      for await (const block of blocks(held, offset)) {
        if (signal.aborted) return;
        offset += block.length;
        rest = rest.length === 0 ? block : Buffer.concat([rest, block]);
        let from = 0;
        for (let at = rest.indexOf(newline); at >= 0; at = rest.indexOf(newline, from)) {
          yield rest.subarray(from, at);
          from = at + 1;
        }
        rest = rest.subarray(from);
        if (rest.length > lineBytesMax) rest = empty;
      }
      if (index < files.length - 1) break;
      if (wasRotated) {
        // Ours is an older part by now: what follows is in the files after it.
        const now = await logFiles(dir, attempt);
        const at = await indexOf(held, now);
        files = [...files.slice(0, index + 1), ...now.slice(at + 1)];
        if (files.length > index + 1) break;
      }
      if (changes === undefined || !wasRunning || signal.aborted) return;
      await changes.next();
    }
    offset = 0;
  }
}

async function* blocks(file: FileHandle, from: number): AsyncGenerator<Buffer> {
  let offset = from;
  for (;;) {
    const block = Buffer.allocUnsafe(blockBytes);
    const { bytesRead } = await file.read(block, 0, blockBytes, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield block.subarray(0, bytesRead);
  }
}

async function isRotated(file: FileHandle, dir: string, attempt: number): Promise<boolean> {
  const current = await stat(`${dir}/${attempt}.log`).catch(() => undefined);
  return current === undefined ? false : current.ino !== (await file.stat()).ino;
}

async function indexOf(file: FileHandle, paths: readonly string[]): Promise<number> {
  const { ino } = await file.stat();
  const inodes = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        (found) => found.ino,
        () => -1,
      ),
    ),
  );
  return inodes.indexOf(ino);
}

/** Wakes at every change in the directory, and at a beat for what a watch cannot tell. */
function watchDir(dir: string, { clock, signal }: ReadLogOptions): { next(): Promise<void> } & Disposable {
  let wake: () => void = () => {};
  let changed = false;
  const note = () => {
    changed = true;
    wake();
  };
  let watcher: ReturnType<typeof watch> | undefined;
  const open = () => {
    try {
      watcher ??= watch(dir, note);
      watcher.on('error', () => {});
    } catch {
      // Not there yet: the beat finds it.
    }
  };
  open();
  return {
    async next() {
      open();
      if (changed) {
        changed = false;
        return;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      using timer = clock.after(lookEveryMs, resolve);
      signal.addEventListener('abort', note, { once: true });
      await promise;
      signal.removeEventListener('abort', note);
      void timer;
      changed = false;
    },
    [Symbol.dispose]() {
      watcher?.close();
    },
  };
}
