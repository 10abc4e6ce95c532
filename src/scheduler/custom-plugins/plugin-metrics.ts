import type { Metrics } from '#lib/metrics.ts';
import type { PluginPoint } from './plugin-protocol.ts';

/** Counts what one plugin is asked. Source of names and buckets: k8s.io/kubernetes/pkg/scheduler/metrics. */
export interface PluginMetrics {
  /** `count` nodes were filtered or scored, or one call was made. */
  evaluated(point: PluginPoint, profile: string, status: 'Success' | 'error', tookMs: number, count: number): void;
  /** It took more of its time than is good. */
  slow(): void;
}

const pointNames: Readonly<Record<PluginPoint, string>> = {
  filter: 'Filter',
  score: 'Score',
  reserve: 'Reserve',
  unreserve: 'Unreserve',
  permit: 'Permit',
  bind: 'Bind',
};
const firstBoundSeconds = 0.00001;
const bounds = Array.from({ length: 20 }, (_, index) => firstBoundSeconds * 1.5 ** index);

/** Makes the metrics of plugins by name; without `metrics` they count nothing. */
export function pluginMetrics(metrics: Metrics | undefined): (plugin: string) => PluginMetrics {
  if (metrics === undefined) return () => ({ evaluated() {}, slow() {} });
  const durations = metrics.histogram(
    'scheduler_plugin_execution_duration_seconds',
    "Duration for running a plugin at a specific extension point; of up to 256 nodes at 'Filter' and 'Score'.",
    ['plugin', 'extension_point', 'status'],
    bounds,
  );
  const evaluations = metrics.counter(
    'scheduler_plugin_evaluation_total',
    'Number of attempts to schedule pods by each plugin and the extension point (available only in PreFilter, Filter, PreScore, and Score).',
    ['plugin', 'extension_point', 'profile'],
  );
  const slow = metrics.counter('tutti_scheduler_plugin_slow_total', 'Answers that took more than half of their time', [
    'plugin',
  ]);
  return (plugin) => ({
    evaluated(point, profile, status, tookMs, count) {
      durations.of(plugin, pointNames[point], status).observe(tookMs / 1000);
      evaluations.of(plugin, pointNames[point], profile).value += count;
    },
    slow: () => void slow.of(plugin).value++,
  });
}
