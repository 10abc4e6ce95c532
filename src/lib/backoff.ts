/** How long to wait before trying again: `initialMs`, then `factor` times longer each time, never above `maxMs`. */
export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  /** 2 unless given. */
  readonly factor?: number;
  /** Share of the delay that chance takes away, 0 to 1, so that many waiters do not return together. 0 unless given. */
  readonly jitter?: number;
}

/**
 * The delay in milliseconds before the next try, after `failures` failures in a row (1 is the first). `random`
 * returns numbers in [0, 1).
 */
export function backoffMs(policy: BackoffPolicy, failures: number, random: () => number = Math.random): number {
  const { initialMs, maxMs, factor = 2, jitter = 0 } = policy;
  // A huge exponent gives Infinity, which Math.min() brings back under the bound.
  const delay = Math.min(maxMs, initialMs * factor ** Math.max(0, failures - 1));
  return jitter === 0 ? delay : delay * (1 - jitter * random());
}

/** One series of tries: counts failures in a row and says how long to wait. */
export class Backoff {
  readonly #policy: BackoffPolicy;
  readonly #random: () => number;
  #failures = 0;

  constructor(policy: BackoffPolicy, random: () => number = Math.random) {
    this.#policy = policy;
    this.#random = random;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Notes one more failure and returns the wait in milliseconds. */
  next(): number {
    this.#failures++;
    return backoffMs(this.#policy, this.#failures, this.#random);
  }

  reset(): void {
    this.#failures = 0;
  }
}
