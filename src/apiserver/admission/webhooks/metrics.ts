import type { Metrics } from '#lib/metrics.ts';

export type WebhookType = 'admit' | 'validating';

/** Source of names: k8s.io/apiserver/pkg/admission/metrics. */
export interface WebhookMetrics {
  answered(type: WebhookType, name: string, operation: string, seconds: number, isRejected: boolean): void;
  rejected(
    type: WebhookType,
    name: string,
    operation: string,
    error: 'calling_webhook_error' | 'no_error',
    code: number,
  ): void;
  failedOpen(type: WebhookType, name: string): void;
}

const seconds = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
/** Names of webhooks are their owners'; only so many are told apart. */
const namesMax = 200;
/** Source: metrics.go: codes above are one. */
const codeMax = 600;

export function webhookMetrics(metrics: Metrics | undefined): WebhookMetrics {
  if (metrics === undefined) return { answered() {}, rejected() {}, failedOpen() {} };
  const duration = metrics.histogram(
    'apiserver_admission_webhook_admission_duration_seconds',
    'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    ['name', 'type', 'operation', 'rejected'],
    seconds,
  );
  const rejections = metrics.counter(
    'apiserver_admission_webhook_rejection_count',
    'Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation.',
    ['name', 'type', 'operation', 'error_type', 'rejection_code'],
  );
  const open = metrics.counter(
    'apiserver_admission_webhook_fail_open_count',
    'Admission webhook fail open count, identified by name and broken out for each admission type (validating or admit).',
    ['name', 'type'],
  );
  const known = new Set<string>();
  const named = (name: string) => {
    if (known.size < namesMax) known.add(name);
    return known.has(name) ? name : 'other';
  };
  return {
    answered(type, name, operation, took, isRejected) {
      duration.of(named(name), type, operation, String(isRejected)).observe(took);
    },
    rejected(type, name, operation, error, code) {
      rejections.of(named(name), type, operation, error, String(Math.min(code, codeMax))).value++;
    },
    failedOpen(type, name) {
      open.of(named(name), type).value++;
    },
  };
}
