import { mix32 } from '../hash.ts';

/** A seeded source of chance for tests: the same seed gives the same clusters in every run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = mix32(seed + 0x9e3779b9);
  }

  /** A whole number from 0 to `end`, exclusive. */
  below(end: number): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    return mix32(this.#state) % end;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }
}
