import { setMaxListeners } from 'node:events';

/**
 * Where every loop of Tutti gets its time from, so that the same code runs in real time in production and in
 * virtual time in tests. All durations are in milliseconds.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fn` once after `ms`; disposing the handle before that prevents the call. Keeps no process alive. */
  after(ms: number, fn: () => void): Disposable;
  /** Resolves after `ms`; rejects with the signal's reason as soon as `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Resolves after `ms` of `clock`'s time; the shared implementation of `Clock.sleep`. */
function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = () => {
      timer[Symbol.dispose]();
      reject(signal.reason);
    };
    const timer = clock.after(ms, () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    signal.addEventListener('abort', abort, { once: true });
  });
}

/** setTimeout() fires at once for delays above 2^31 - 1 ms, so longer ones are slept in pieces. */
const timeoutMsMax = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    let timer: NodeJS.Timeout;
    const arm = (left: number) => {
      timer = left > timeoutMsMax ? setTimeout(() => arm(left - timeoutMsMax), timeoutMsMax) : setTimeout(fn, left);
      timer.unref();
    };
    arm(Math.max(0, ms));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/**
 * A clock that moves only when told to. Alarms fire in the order of their time, and between two of them the
 * microtask queue and pending immediates are drained, so that loops which wait on each other make progress.
 */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #alarms = new Set<Alarm>();
  readonly #settle: () => Promise<void>;

  /** `settleAll` lets everything that is runnable without time moving run; a few turns of the event loop unless given. */
  constructor(start = Date.UTC(2026, 0, 1), settleAll: () => Promise<void> = settle) {
    this.#now = start;
    this.#settle = settleAll;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): Disposable {
    const alarm = { at: this.#now + Math.max(0, ms), order: this.#order++, fn };
    this.#alarms.add(alarm);
    return { [Symbol.dispose]: () => void this.#alarms.delete(alarm) };
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves time forward by `ms`, firing every alarm that becomes due on the way. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await this.#settle();
      let next: Alarm | undefined;
      for (const alarm of this.#alarms) {
        if (
          alarm.at <= until &&
          (next === undefined || alarm.at < next.at || (alarm.at === next.at && alarm.order < next.order))
        ) {
          next = alarm;
        }
      }
      if (next === undefined) break;
      this.#alarms.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
    }
    this.#now = until;
    await this.#settle();
  }
}

/** Lets everything that is already runnable run: a few turns of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** An AbortController whose signal many waiters may listen on without Node's leak warning. */
export function abortController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
