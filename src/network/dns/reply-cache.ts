import type { Clock } from '#lib/clock.ts';
import type { Reply } from './wire.ts';

interface Kept {
  readonly reply: Reply;
  readonly since: number;
  readonly until: number;
}

/** Replies kept at once, the longest of them, and how long one is kept whatever it says of itself. */
const repliesMax = 2_048;
const replyBytesMax = 4_096;
const keepSecondsMax = 300;

/** Replies of other servers, until the first of their records expires. The one asked for longest ago goes first. */
export class ReplyCache {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The message with its times to live counted down; a copy that may be changed. */
  get(key: string): Buffer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    const now = this.#clock.now();
    if (now >= kept.until) return undefined;
    this.#kept.set(key, kept);
    const message = Buffer.from(kept.reply.message);
    const age = Math.floor((now - kept.since) / 1000);
    for (const at of kept.reply.ttlsAt) message.writeUInt32BE(Math.max(0, message.readUInt32BE(at) - age), at);
    return message;
  }

  put(key: string, reply: Reply): void {
    if (reply.keepSeconds === 0 || reply.message.length > replyBytesMax) return;
    const now = this.#clock.now();
    const until = now + Math.min(reply.keepSeconds, keepSecondsMax) * 1000;
    this.#kept.delete(key);
    this.#kept.set(key, { reply, since: now, until });
    if (this.#kept.size <= repliesMax) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}
