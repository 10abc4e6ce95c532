import type { Clock } from './clock.ts';

/** A signal with a time limit; disposing it stops the timer and lets go of the outer signal. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * A signal that aborts with `signal`, or once `ms` of `clock`'s time have passed, with the reason `late()` makes.
 * Unlike `AbortSignal.any()` it leaves nothing behind on a long-lived signal once disposed.
 */
export function deadline(clock: Clock, ms: number, signal: AbortSignal, late: () => Error): Deadline {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const timer = clock.after(ms, () => controller.abort(late()));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      signal.removeEventListener('abort', abort);
    },
  };
}
