/**
 * Runs what was put off once the events at hand are dealt with, all in one turn: a burst of changes then reaches each
 * watcher as one write.
 */
export class FlushQueue {
  #queue: (() => void)[] = [];

  /** Usable as a plain function. */
  readonly add = (fn: () => void): void => {
    if (this.#queue.push(fn) === 1) setImmediate(this.#run);
  };

  readonly #run = (): void => {
    const queue = this.#queue;
    this.#queue = [];
    for (const fn of queue) fn();
  };
}
