import type { Metrics } from '#lib/metrics.ts';
import type { WorkQueueMetrics } from '#lib/work-queue.ts';

const bounds = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];

/** What work queues tell of themselves. Source of names and buckets: k8s.io/component-base/metrics/prometheus/workqueue. */
export function queueMetrics(metrics: Metrics): (name: string) => WorkQueueMetrics {
  const names = ['name'];
  const depth = metrics.gauge('workqueue_depth', 'Current depth of workqueue', names);
  const adds = metrics.counter('workqueue_adds_total', 'Total number of adds handled by workqueue', names);
  const waits = metrics.histogram(
    'workqueue_queue_duration_seconds',
    'How long in seconds an item stays in workqueue before being requested.',
    names,
    bounds,
  );
  const works = metrics.histogram(
    'workqueue_work_duration_seconds',
    'How long in seconds processing an item from workqueue takes.',
    names,
    bounds,
  );
  const retries = metrics.counter('workqueue_retries_total', 'Total number of retries handled by workqueue', names);
  return (name) => {
    const [now, added, waited, worked, retried] = [
      depth.of(name),
      adds.of(name),
      waits.of(name),
      works.of(name),
      retries.of(name),
    ];
    return {
      added(count) {
        now.value = count;
        added.value++;
      },
      started(queuedMs, count) {
        now.value = count;
        waited.observe(queuedMs / 1000);
      },
      finished: (tookMs) => worked.observe(tookMs / 1000),
      retried: () => void retried.value++,
    };
  };
}
