import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Fairness, FairnessObserver } from './fairness.ts';
import type { Level } from './level.ts';

const waitBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];

/** What fairness tells of itself, under upstream's names. Labels are bounded by the objects that govern it. */
export function fairnessMetrics(registry: Registry, fairness: Fairness): FairnessObserver {
  const registers = [registry];
  const labelNames = ['priority_level', 'flow_schema'] as const;
  const prefix = 'apiserver_flowcontrol_';
  const dispatched = new Counter({
    name: `${prefix}dispatched_requests_total`,
    help: 'Requests that were let in.',
    labelNames,
    registers,
  });
  const rejected = new Counter({
    name: `${prefix}rejected_requests_total`,
    help: 'Requests that were turned away.',
    labelNames: [...labelNames, 'reason'] as const,
    registers,
  });
  const waited = new Histogram({
    name: `${prefix}request_wait_duration_seconds`,
    help: 'How long requests waited for a seat.',
    labelNames,
    buckets: waitBuckets,
    registers,
  });
  const executed = new Histogram({
    name: `${prefix}request_execution_duration_seconds`,
    help: 'How long requests held their seats.',
    labelNames,
    buckets: waitBuckets,
    registers,
  });
  const gauge = (name: string, help: string, value: (level: Level) => number) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      labelNames: ['priority_level'],
      registers,
      collect() {
        this.reset();
        for (const level of fairness.levels) this.set({ priority_level: level.name }, value(level));
      },
    });
  gauge('current_inqueue_requests', 'Requests that wait.', ({ waitingCount }) => waitingCount);
  gauge('current_executing_seats', 'Seats in use.', ({ seats }) => seats);
  gauge('nominal_limit_seats', 'Seats that are nominally its own.', ({ limits }) => limits.nominal);
  gauge('lower_limit_seats', 'Seats it keeps whatever others want.', ({ limits }) => limits.min);
  gauge('upper_limit_seats', 'Seats it may use at most.', ({ limits }) => limits.max);
  return {
    dispatched(priority_level, flow_schema, waitedMs) {
      dispatched.inc({ priority_level, flow_schema });
      waited.observe({ priority_level, flow_schema }, waitedMs / 1000);
    },
    rejected(priority_level, flow_schema, reason) {
      rejected.inc({ priority_level, flow_schema, reason });
    },
    finished(priority_level, flow_schema, ms) {
      executed.observe({ priority_level, flow_schema }, ms / 1000);
    },
  };
}
