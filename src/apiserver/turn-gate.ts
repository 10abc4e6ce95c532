import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

/** Requests of one connection that begin in one turn of the event loop. */
const begunPerTurnMax = 8;

interface Waiting {
  readonly req: Http2ServerRequest;
  readonly res: Http2ServerResponse;
}

/**
 * Takes the requests of each HTTP/2 connection a few a turn: hundreds of streams can come in one read, and whoever
 * opened them would have the whole turn. One that is cancelled while it waits costs nothing more. What waits is bounded
 * by the streams that a connection may have open.
 */
export class TurnGate {
  readonly #serve: (req: Http2ServerRequest, res: Http2ServerResponse) => void;
  readonly #begun = new Map<object, number>();
  readonly #waiting = new Map<object, Waiting[]>();
  #scheduled = false;

  constructor(serve: (req: Http2ServerRequest, res: Http2ServerResponse) => void) {
    this.#serve = serve;
  }

  add(connection: object, req: Http2ServerRequest, res: Http2ServerResponse): void {
    const begun = this.#begun.get(connection) ?? 0;
    const waiting = this.#waiting.get(connection);
    if (waiting !== undefined) waiting.push({ req, res });
    else if (begun >= begunPerTurnMax) this.#waiting.set(connection, [{ req, res }]);
    else {
      this.#begun.set(connection, begun + 1);
      this.#serve(req, res);
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    this.#begun.clear();
    for (const [connection, waiting] of this.#waiting) {
      let begun = 0;
      let next = 0;
      for (; next < waiting.length && begun < begunPerTurnMax; next++) {
        const { req, res } = waiting[next]!;
        if (req.stream.destroyed) continue;
        begun++;
        this.#serve(req, res);
      }
      if (next === waiting.length) this.#waiting.delete(connection);
      else waiting.splice(0, next);
      this.#begun.set(connection, begun);
    }
    if (this.#begun.size > 0) this.#schedule();
  }
}
