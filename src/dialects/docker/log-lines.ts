import type { StreamNumber } from './frames.ts';

/** A line, or a part of one that is very long, of what a container wrote. */
export interface LogPiece {
  readonly stream: StreamNumber;
  /** RFC 3339 with nanoseconds: when the line was begun. */
  readonly time: string;
  /** With its line end, if it has one. */
  readonly data: Buffer;
  /** False for what continues the piece before. */
  readonly isStart: boolean;
}

/** A line is handed on in parts once it is this long. */
const pieceBytesMax = 64 * 1024;
const newline = 10;
const space = 32;

/** Takes a log with timestamps apart. */
export async function* readPieces(source: AsyncIterable<Buffer>, stream: StreamNumber): AsyncGenerator<LogPiece> {
  let rest: Buffer = Buffer.alloc(0);
  let time: string | undefined;
  let isStart = true;
  for await (const chunk of source) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      if (time === undefined) {
        const at = rest.indexOf(space);
        if (at < 0) break;
        time = rest.toString('latin1', 0, at);
        rest = rest.subarray(at + 1);
        isStart = true;
      }
      const end = rest.indexOf(newline);
      if (end < 0 && rest.length < pieceBytesMax) break;
      const length = end < 0 ? rest.length : end + 1;
      yield { stream, time, data: rest.subarray(0, length), isStart };
      rest = rest.subarray(length);
      isStart = false;
      if (end >= 0) time = undefined;
    }
  }
  if (time !== undefined && rest.length > 0) yield { stream, time, data: rest, isStart };
}

/** For a log that goes on: what is written may be late, and nobody knows whether more will come. */
export interface Patience {
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** How long a line waits for an older one of the other stream, from the moment it was written. */
  readonly holdMs: number;
  /** How long the first line waits for the other stream to say anything at all. */
  readonly firstMs: number;
}

/**
 * Two streams of one container in the order of their lines' times: exactly, or with `patience` as far as can be known
 * without waiting longer than it says.
 */
export async function* mergeByTime(
  left: AsyncGenerator<LogPiece>,
  right: AsyncGenerator<LogPiece>,
  patience?: Patience,
): AsyncGenerator<LogPiece> {
  const [a, b] = [new Side(left), new Side(right)];
  const begun = patience?.now() ?? 0;
  try {
    for (;;) {
      if (a.head === undefined && b.head === undefined) {
        const waiting = [a, b].filter(({ ended }) => !ended).map(({ next }) => next);
        if (waiting.length === 0) return;
        await Promise.race(waiting);
        continue;
      }
      const [lone, silent] = a.head === undefined ? [b, a] : [a, b];
      if (silent.head === undefined && !silent.ended) {
        if (patience === undefined) await silent.next;
        else {
          const { now, sleep, holdMs, firstMs } = patience;
          const until = silent.hasSpoken ? Date.parse(lone.head?.time ?? '') + holdMs : begun + firstMs;
          // A node's clock may be off: no line waits longer than it would with clocks that agree.
          const waitMs = Math.min(until - now(), Math.max(holdMs, firstMs));
          if (waitMs > 0) await Promise.race([silent.next, sleep(waitMs)]);
        }
      }
      const isLater = silent.head !== undefined && compareTimes(lone.head?.time ?? '', silent.head.time) > 0;
      yield (isLater ? silent : lone).take();
    }
  } finally {
    // One that waits for its source ends with it.
    void left.return(undefined);
    void right.return(undefined);
  }
}

class Side {
  head: LogPiece | undefined;
  ended = false;
  hasSpoken = false;
  next: Promise<void>;
  readonly #source: AsyncGenerator<LogPiece>;

  constructor(source: AsyncGenerator<LogPiece>) {
    this.#source = source;
    this.next = this.#advance();
  }

  take(): LogPiece {
    const { head } = this;
    if (head === undefined) throw new Error('nothing to take');
    this.head = undefined;
    this.next = this.#advance();
    return head;
  }

  /** Whoever awaits `next` hears of a failure; nobody may. */
  #advance(): Promise<void> {
    const next = this.#read();
    next.catch(() => {});
    return next;
  }

  async #read(): Promise<void> {
    const { done, value } = await this.#source.next();
    this.hasSpoken = true;
    if (done === true) this.ended = true;
    else this.head = value;
  }
}

/** RFC 3339 in UTC; fractions may have any number of digits. */
export function compareTimes(a: string, b: string): number {
  const [left, right] = [a, b]
    .map((time) => /^(.{19})(?:\.(\d+))?/.exec(time))
    .map((parts) => `${parts?.[1] ?? ''}.${(parts?.[2] ?? '').padEnd(9, '0')}`) as [string, string];
  return left < right ? -1 : left > right ? 1 : 0;
}
