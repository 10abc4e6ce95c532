import type { Deployment } from '#api/apps/deployment.ts';

/** How far a rollout may stray from the count asked for. */
export interface RollingLimits {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/**
 * The limits in pods. Percentages are of the replicas: surge rounds up, unavailable down, and as both zero would
 * let nothing move, one may then be unavailable. A strategy other than RollingUpdate has none.
 */
export function rollingLimits({ spec }: Deployment): RollingLimits {
  if (!isRolling(spec)) return { maxSurge: 0, maxUnavailable: 0 };
  const { maxSurge: surge = '25%', maxUnavailable: unavailable = '25%' } = spec.strategy?.rollingUpdate ?? {};
  const maxSurge = resolve(surge, spec.replicas, Math.ceil);
  const floor = resolve(unavailable, spec.replicas, Math.floor);
  const maxUnavailable = maxSurge === 0 && floor === 0 ? 1 : floor;
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, spec.replicas) };
}

export function isRolling(spec: Deployment['spec']): boolean {
  return (spec.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
}

/** A whole number, or a percentage of `total`. */
export function resolve(value: number | string, total: number, round: (n: number) => number): number {
  if (typeof value === 'number') return value;
  const percent = Number(value.replace(/%$/, ''));
  return Number.isNaN(percent) ? 0 : round((percent * total) / 100);
}
