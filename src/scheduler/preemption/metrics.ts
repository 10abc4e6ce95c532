import type { Metrics } from '#lib/metrics.ts';

/** Source of names and buckets: k8s.io/kubernetes/pkg/scheduler/metrics. */
export interface PreemptionMetrics {
  /** A pod that fitted nowhere was looked at, and `victims` pods leave for it; undefined if preemption did not help. */
  attempted(victims: number | undefined): void;
}

const victimBounds = [1, 2, 4, 8, 16, 32, 64];

export function preemptionMetrics(metrics: Metrics | undefined): PreemptionMetrics {
  if (metrics === undefined) return { attempted() {} };
  const attempts = metrics.counter(
    'scheduler_preemption_attempts_total',
    'Total preemption attempts in the cluster till now',
  );
  const victims = metrics.histogram(
    'scheduler_preemption_victims',
    'Number of selected preemption victims',
    [],
    victimBounds,
  );
  const [count, chosen] = [attempts.of(), victims.of()];
  return {
    attempted(number) {
      count.value++;
      if (number !== undefined) chosen.observe(number);
    },
  };
}
