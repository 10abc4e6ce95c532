import { setTimeout } from 'node:timers/promises';

/** The log before an attachment is looked at no further back than this for where the two meet. */
const overlapBytesMax = 64 * 1024;

/** How many bytes at the start of `live` the log ends with: the largest overlap. Pure. */
export function overlapOf(log: Buffer, live: Buffer): number {
  for (let length = Math.min(log.length, live.length, overlapBytesMax); length > 0; length--) {
    if (log.subarray(log.length - length).equals(live.subarray(0, length))) return length;
  }
  return 0;
}

/**
 * A terminal's output from its beginning, of which an attachment saw only what came after it: the log's lines first,
 * then what `live` has beyond them. Both are collected for `settleMs`. A line that was begun before the attachment and
 * ended after it may lack its beginning.
 */
export async function* joinOutput(
  live: AsyncIterable<Buffer>,
  log: () => AsyncIterable<Buffer>,
  settleMs: number,
): AsyncGenerator<Buffer> {
  const source = live[Symbol.asyncIterator]();
  const early: Buffer[] = [];
  let ended = false;
  const pull = () => {
    const next = source.next();
    next.catch(() => {}); // told to whoever awaits it
    return next;
  };
  let next = pull();
  const settled = setTimeout(settleMs, undefined, { ref: false });
  for (;;) {
    const got = await Promise.race([next, settled]);
    if (got === undefined) break;
    if (got.done === true) {
      ended = true;
      break;
    }
    early.push(got.value);
    next = pull();
  }
  const before: Buffer[] = [];
  for await (const chunk of log()) before.push(chunk);
  const [logged, seen] = [Buffer.concat(before), Buffer.concat(early)];
  if (logged.length > 0) yield logged;
  const rest = seen.subarray(overlapOf(logged, seen));
  if (rest.length > 0) yield rest;
  while (!ended) {
    const { done, value } = await next;
    if (done === true) return;
    yield value;
    next = pull();
  }
}
