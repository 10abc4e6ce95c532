/** What something may at least and at most be: a size, or a cost. `Infinity` is unknown; sums and products saturate at it. */
export interface CostRange {
  readonly min: number;
  readonly max: number;
}

export const exactly = (value: number): CostRange => ({ min: value, max: value });
export const unknownSize: CostRange = { min: 0, max: Infinity };
export const nothing = exactly(0);

export const sum = (...ranges: readonly CostRange[]): CostRange => ({
  min: ranges.reduce((total, { min }) => total + min, 0),
  max: ranges.reduce((total, { max }) => total + max, 0),
});

/** Nothing times whatever is nothing. */
const times = (a: number, b: number) => (a === 0 || b === 0 ? 0 : a * b);
export const product = (a: CostRange, b: CostRange): CostRange => ({
  min: times(a.min, b.min),
  max: times(a.max, b.max),
});

/** Rounded up, as upstream does at each step. */
export const scaled = ({ min, max }: CostRange, factor: number): CostRange => ({
  min: Math.ceil(times(min, factor)),
  max: Math.ceil(times(max, factor)),
});

/** Whatever is in either. */
export const either = (a: CostRange, b: CostRange): CostRange => ({
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
});
