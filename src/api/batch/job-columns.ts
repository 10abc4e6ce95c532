/** Source: kubernetes pkg/printers/internalversion (printJob). */
import { humanDuration } from '#machinery/human-duration.ts';
import type * as types from './types.generated.ts';

export function jobStatus({ metadata, status }: types.Job): string {
  const has = (wanted: string) => status?.conditions?.some((c) => c.type === wanted && c.status === 'True') === true;
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (metadata?.deletionTimestamp !== undefined) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(has) ?? 'Running';
}

export function completions({ spec, status }: types.Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

export function duration({ status }: types.Job, now: number): string {
  if (status?.startTime === undefined) return '';
  const end = status.completionTime === undefined ? now : Date.parse(status.completionTime);
  return humanDuration(end - Date.parse(status.startTime));
}
