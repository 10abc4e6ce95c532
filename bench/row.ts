/** One measured figure beside its budget. */
export interface Row {
  /** `area.figure`: `boot.readyz`, `api.create`. */
  readonly name: string;
  readonly value: number;
  /** `ms`, `MB`, `% of a core`, `per second`, `requests`. */
  readonly unit: string;
  /** What docs/performance.md promises; absent where the figure is only kept in sight. */
  readonly budget?: number;
  /** The best that another project publishes of itself, on a machine of its own. */
  readonly peer?: number;
  /** How many measurements the value comes from. */
  readonly samples: number;
}

/** Names the rows it yields, so that `npm run bench -- NAME` runs only what is asked for. */
export interface Benchmark {
  readonly names: readonly string[];
  run(): Promise<readonly Row[]>;
}

/** The value below which `share` (0…1) of `samples` lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
