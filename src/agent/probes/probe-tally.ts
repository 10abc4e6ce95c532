import type * as core from '#api/core/types.generated.ts';

/** Consecutive results of one probe; the verdict changes at a threshold. */
export interface ProbeTally {
  /** What counts now: `unknown` until a first verdict. */
  readonly verdict: 'unknown' | 'success' | 'failure';
  readonly last: 'success' | 'failure' | undefined;
  readonly run: number;
}

export const freshTally: ProbeTally = { verdict: 'unknown', last: undefined, run: 0 };

/** The tally after one more result. */
export function tallyAfter(tally: ProbeTally, ok: boolean, probe: core.Probe): ProbeTally {
  const last = ok ? 'success' : 'failure';
  const run = tally.last === last ? tally.run + 1 : 1;
  const threshold = ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  return { verdict: run >= threshold ? last : tally.verdict, last, run };
}
