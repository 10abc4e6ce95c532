import type { FlowSchema } from '#api/flowcontrol/flow-schema.ts';
import type { PriorityLevelConfiguration } from '#api/flowcontrol/priority-level-configuration.ts';
import type { UserInfo } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { tooManyRequests } from '#machinery/status-error.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { bootstrapLevels, bootstrapSchemas } from './bootstrap.ts';
import { flowOf, inOrder, type Flow } from './flow-matching.ts';
import { Level, limitsOf, type Queue, type Waiting } from './level.ts';

/** How long a request may wait for a seat. Source: a quarter of the request's own time, as upstream. */
export const queueMsMax = 15_000;
const retryAfterSeconds = 1;
/**
 * Most requests are answered within the turn of the event loop that reads them, so that seats alone would never be
 * short: whoever has most connections would have most of each turn. Beyond so many a turn, requests wait for the next
 * one, in the order of fairness.
 */
const begunPerTurnMax = 8;

export type Rejection = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** Told of what happens; the metrics of fairness. */
export interface FairnessObserver {
  dispatched(level: string, schema: string, waitedMs: number): void;
  rejected(level: string, schema: string, why: Rejection): void;
  finished(level: string, schema: string, ms: number): void;
}

export interface FairnessOptions {
  /** Requests that run at once, over all levels that are limited. */
  readonly seats: number;
  /** Requests that begin in one turn of the event loop; see `begunPerTurnMax`. */
  readonly begunPerTurn?: number;
  readonly clock: Clock;
}

/** Which flow a request is of, and which level governs it. */
export interface Place {
  readonly flow: Flow;
  readonly level: Level;
}

/** A seat among the requests that run. Must be released once, or more often: only the first counts. */
export interface Seat {
  /** Frees it, after `extraMs` if the request leaves work behind. */
  release(extraMs?: number): void;
}

/** Shares the server out among flows, by FlowSchemas and PriorityLevelConfigurations that may change at any time. */
export class Fairness {
  readonly #options: FairnessOptions;
  /** Set by whoever shows what happens. */
  observer: FairnessObserver | undefined;
  #schemas: readonly FlowSchema[] = [];
  #levels = new Map<string, Level>();
  #begunThisTurn = 0;

  constructor(options: FairnessOptions) {
    this.#options = options;
    this.configure(bootstrapSchemas, bootstrapLevels);
  }

  get levels(): Iterable<Level> {
    return this.#levels.values();
  }

  /** From now on. What waits in a level that goes is let in at once; its queues have bounded it. */
  configure(schemas: readonly FlowSchema[], levels: readonly PriorityLevelConfiguration[]): void {
    const limits = limitsOf(levels, this.#options.seats);
    this.#schemas = inOrder(schemas.filter(({ spec }) => limits.has(spec.priorityLevelConfiguration.name)));
    const next = new Map<string, Level>();
    for (const { metadata } of levels) {
      const name = metadata?.name ?? '';
      const known = this.#levels.get(name);
      const own = limits.get(name)!;
      if (known !== undefined && known.uid === (metadata?.uid ?? '')) {
        known.limits = own;
        next.set(name, known);
      } else next.set(name, new Level(name, metadata?.uid ?? '', own));
    }
    const gone = [...this.#levels.values()].filter((level) => next.get(level.name) !== level);
    this.#levels = next;
    for (const level of gone) drain(level);
    this.#dispatch();
  }

  /** Where a request belongs. */
  placeOf(info: RequestInfo, user: UserInfo): Place {
    const found = flowOf(this.#schemas, info, user);
    const flow = found ?? { schema: 'catch-all', schemaUid: '', level: 'catch-all', distinguisher: user.username };
    const level = this.#levels.get(flow.level) ?? this.#levels.get('catch-all');
    if (level === undefined) throw new Error('there is no catch-all level'); // it is mandatory, and cannot be taken away
    return { flow, level };
  }

  /**
   * Resolves with a seat once the request may run. Throws TooManyRequests if it has to wait too long or behind too
   * many, and what `signal` aborts with.
   */
  async enter({ flow, level }: Place, width: (nominal: number) => number, signal: AbortSignal): Promise<Seat> {
    if (level.limits.exempt) {
      this.observer?.dispatched(level.name, flow.schema, 0);
      return { release: () => undefined };
    }
    const seats = Math.max(1, Math.min(width(level.limits.nominal), level.limits.max));
    const queue = level.queueFor(`${flow.schema}\0${flow.distinguisher}`);
    if (level.waitingCount === 0 && this.#fits(level, seats)) return this.#begin(level, queue, seats, flow, 0);
    const { queuing } = level.limits;
    if (queuing === undefined && !this.#hasSeats(level, seats + level.waitingCount))
      throw this.#refusal(level, flow, 'concurrency-limit');
    if (queuing !== undefined && queue.waiting.length >= queuing.lengthMax)
      throw this.#refusal(level, flow, 'queue-full');
    return this.#wait(level, queue, seats, flow, signal);
  }

  async #wait(level: Level, queue: Queue, width: number, flow: Flow, signal: AbortSignal): Promise<Seat> {
    const { clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Seat>();
    const waiting: Waiting = {
      width,
      arrived: clock.now(),
      start: () => resolve(this.#begin(level, queue, width, flow, clock.now() - waiting.arrived)),
    };
    const leave = (error: unknown) => {
      if (level.withdraw(queue, waiting)) reject(error);
    };
    const abort = () => {
      this.observer?.rejected(level.name, flow.schema, 'cancelled');
      leave(signal.reason);
    };
    signal.throwIfAborted();
    level.enqueue(queue, waiting);
    using _timer = clock.after(queueMsMax, () => leave(this.#refusal(level, flow, 'time-out')));
    signal.addEventListener('abort', abort, { once: true });
    try {
      this.#dispatch();
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #begin(level: Level, queue: Queue, width: number, flow: Flow, waitedMs: number): Seat {
    const { clock } = this.#options;
    const began = clock.now();
    level.begin(queue, width);
    if (this.#begunThisTurn++ === 0) setImmediate(() => this.#nextTurn());
    this.observer?.dispatched(level.name, flow.schema, waitedMs);
    let released = false;
    const end = () => {
      level.end(queue, width, clock.now() - began);
      this.#dispatch();
    };
    return {
      release: (extraMs = 0) => {
        if (released) return;
        released = true;
        this.observer?.finished(level.name, flow.schema, clock.now() - began);
        if (extraMs > 0) clock.after(extraMs, end);
        else end();
      },
    };
  }

  /**
   * A level may always use what is nominally its own. Beyond that it borrows what others lend: every other level keeps
   * at least its minimum free. A level alone on the server gets one request through, however wide.
   */
  #fits(level: Level, width: number): boolean {
    return this.#begunThisTurn < (this.#options.begunPerTurn ?? begunPerTurnMax) && this.#hasSeats(level, width);
  }

  #hasSeats(level: Level, width: number): boolean {
    const { nominal, max } = level.limits;
    const wanted = level.seats + width;
    if (wanted <= nominal || level.seats === 0) return true;
    if (wanted > max) return false;
    let taken = 0;
    for (const each of this.#levels.values()) {
      if (!each.limits.exempt) taken += each === level ? wanted : Math.max(each.seats, each.limits.min);
    }
    return taken <= this.#options.seats;
  }

  #nextTurn(): void {
    this.#begunThisTurn = 0;
    this.#dispatch();
  }

  /** Lets in who may be, one of each level after the other, so that no level has a whole turn to itself. */
  #dispatch(): void {
    for (let again = true; again;) {
      again = false;
      for (const level of this.#levels.values()) {
        const next = level.next();
        if (next === undefined || !this.#fits(level, next.waiting.width)) continue;
        level.withdraw(next.queue, next.waiting);
        next.waiting.start();
        again = true;
      }
    }
  }

  #refusal(level: Level, { schema }: Flow, why: Rejection): Error {
    this.observer?.rejected(level.name, schema, why);
    return tooManyRequests('Too many requests, please try again later.', retryAfterSeconds);
  }
}

function drain(level: Level): void {
  for (let next = level.next(); next !== undefined; next = level.next()) {
    level.withdraw(next.queue, next.waiting);
    next.waiting.start();
  }
}
