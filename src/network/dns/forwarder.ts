import type { Clock } from '#lib/clock.ts';
import type { Exchange, OutgoingQuestion } from './exchange.ts';
import { ReplyCache } from './reply-cache.ts';
import type { Upstream } from './upstreams.ts';
import { codes, keyOfQuestion, type Reply } from './wire.ts';

/** Questions to other servers under way at once; further ones are refused at once. */
const concurrentMax = 512;
/** How long one server is waited for before the next is asked as well, and the whole matter is given up. */
const serverTimeoutMs = 1_500;
const totalTimeoutMs = 4_500;

export interface ForwarderOptions {
  /** Read anew for every question: the host's resolv.conf changes as it roams. */
  readonly upstreams: () => readonly Upstream[];
  readonly exchange: Exchange;
  readonly clock: Clock;
}

/**
 * Asks the host's DNS servers what the cluster does not know. Equal questions share one exchange, which also ends
 * a loop: should a server send our question back to us, it waits for itself and fails when the time is up, instead
 * of going round ever more often.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: ReplyCache;
  readonly #underWay = new Map<string, Promise<Reply | undefined>>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new ReplyCache(options.clock);
  }

  /** A reply whose id and question are not the client's yet, in a buffer of its own; undefined if nobody answered. */
  async ask(question: OutgoingQuestion, signal: AbortSignal): Promise<Buffer | undefined> {
    const key = `${question.edns === undefined ? '' : question.edns.dnssecOk ? 'D' : 'E'}${keyOfQuestion(question.question)}`;
    const kept = this.#cache.get(key);
    if (kept !== undefined) return kept;
    let asking = this.#underWay.get(key);
    if (asking === undefined) {
      const servers = this.#options.upstreams();
      if (servers.length === 0 || this.#underWay.size >= concurrentMax) return undefined;
      // A turn later, so that the question counts as under way before anything is sent.
      asking = Promise.resolve()
        .then(() => this.#askInTurn(servers, question, signal))
        .finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, asking);
    }
    const reply = await asking;
    if (reply === undefined) return undefined;
    this.#cache.put(key, reply);
    return Buffer.from(reply.message);
  }

  /** One server after the other; a failure of one (SERVFAIL, REFUSED) is kept in case none does better. */
  async #askInTurn(
    servers: readonly Upstream[],
    question: OutgoingQuestion,
    signal: AbortSignal,
  ): Promise<Reply | undefined> {
    const { exchange, clock } = this.#options;
    const giveUpAt = clock.now() + totalTimeoutMs;
    let worst: Reply | undefined;
    // A packet may be lost: with a single server it is asked twice.
    for (const server of servers.length === 1 ? [...servers, ...servers] : servers) {
      const left = Math.min(serverTimeoutMs, giveUpAt - clock.now());
      if (left <= 0 || signal.aborted) break;
      const timeout = new AbortController();
      using _timer = clock.after(left, () => timeout.abort(new Error('no answer in time')));
      const reply = await exchange(server, question, AbortSignal.any([signal, timeout.signal])).catch(() => undefined);
      if (reply === undefined) continue;
      if (reply.code !== codes.serverFailure && reply.code !== codes.refused) return reply;
      worst = reply;
    }
    return worst;
  }
}
