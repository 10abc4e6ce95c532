import type { Readable } from 'node:stream';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { hasTty, refOf, type ContainerRecord } from './container-record.ts';
import { frame } from './frames.ts';
import { terminalLines } from './terminal-lines.ts';
import { compareTimes, mergeByTime, readPieces, type LogPiece, type Patience } from './log-lines.ts';

export interface OutputOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Lines from the end, of both streams together. */
  readonly tail?: number;
  /** RFC 3339. */
  readonly since?: string;
  readonly until?: string;
  readonly signal: AbortSignal;
}

const holdMs = 30;
const firstMs = 100;

/**
 * What the present run of a container wrote, from the node's log, as Docker's body: raw of a terminal, in frames
 * otherwise. With `follow` until the container ends. A line is shown once it is complete.
 */
export async function* outputOf(
  client: Client,
  clock: Clock,
  record: ContainerRecord,
  options: OutputOptions,
): AsyncGenerator<Buffer> {
  const { stdout, stderr, follow, timestamps, tail, since, until, signal } = options;
  const tty = hasTty(record);
  async function* shownUntil(source: Readable): AsyncGenerator<Buffer> {
    for await (const piece of readPieces(source, 1)) {
      if (until !== undefined && compareTimes(piece.time, until) > 0) return;
      yield shown(piece, timestamps);
    }
  }
  if (!stdout && !(stderr && !tty)) return;
  const open = (stream: 'All' | 'Stdout' | 'Stderr', withTimes: boolean): Promise<Readable> =>
    client.logs(refOf(record), {
      container: record.container.name,
      follow,
      timestamps: withTimes,
      stream,
      ...(tail === undefined ? {} : { tailLines: tail }),
      ...(since === undefined ? {} : { sinceTime: since }),
      signal,
    });
  if (tty) {
    yield* terminalLines(until === undefined ? await open('All', timestamps) : shownUntil(await open('All', true)));
    return;
  }
  const [out, err] = await Promise.all([
    stdout ? open('Stdout', true) : undefined,
    stderr ? open('Stderr', true) : undefined,
  ]);
  const pieces =
    out !== undefined && err !== undefined
      ? mergeByTime(readPieces(out, 1), readPieces(err, 2), follow ? patienceOf(clock, signal) : undefined)
      : readPieces(out ?? err ?? emptySource(), out === undefined ? 2 : 1);
  for await (const piece of pieces) {
    if (until !== undefined && compareTimes(piece.time, until) > 0) return;
    yield frame(piece.stream, shown(piece, timestamps));
  }
}

const patienceOf = (clock: Clock, signal: AbortSignal): Patience => ({
  now: () => clock.now(),
  sleep: (ms) => clock.sleep(ms, signal).catch(() => undefined),
  holdMs,
  firstMs,
});

async function* emptySource(): AsyncGenerator<Buffer> {}

function shown({ time, data, isStart }: LogPiece, timestamps: boolean): Buffer {
  return timestamps && isStart ? Buffer.concat([Buffer.from(`${time} `), data]) : data;
}
