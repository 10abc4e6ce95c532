/** From so many on at once, what was put off waits for more: each then costs one write for several events. */
const manyMin = 128;
const gatherMs = 15;

/**
 * Runs what was put off once the events at hand are dealt with, all in one turn: a burst of changes then reaches each
 * watcher as one write. Where very many wait for every single change, a run is followed by a short pause, so that a
 * steady trickle of changes does not become as many writes to each of them.
 */
export class FlushQueue {
  #queue: (() => void)[] = [];
  #pauses = false;

  /** Usable as a plain function. */
  readonly add = (fn: () => void): void => {
    if (this.#queue.push(fn) === 1 && !this.#pauses) setImmediate(this.#run);
  };

  readonly #run = (): void => {
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length >= manyMin) {
      this.#pauses = true;
      setTimeout(this.#resume, gatherMs).unref();
    }
    for (const fn of queue) fn();
  };

  readonly #resume = (): void => {
    this.#pauses = false;
    if (this.#queue.length > 0) this.#run();
  };
}
