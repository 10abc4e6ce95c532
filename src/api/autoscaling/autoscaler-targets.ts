/** What an autoscaler measures, as `kubectl` prints it. Source: kubernetes pkg/printers/internalversion (formatHPAMetrics). */
import type * as types from './types-v2.generated.ts';

const shownMax = 2;
const unknown = '<unknown>';

export function formatTargets({ spec, status }: types.HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  const texts = metrics.map((metric, index) => formatTarget(metric, status?.currentMetrics?.[index]));
  const shown = texts.slice(0, shownMax).join(', ');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}

function formatTarget(metric: types.MetricSpec, status: types.MetricStatus | undefined): string {
  switch (metric.type) {
    case 'Resource':
      return resource(metric.resource?.name ?? '', metric.resource?.target, status?.resource?.current);
    case 'ContainerResource':
      return resource(
        metric.containerResource?.name ?? '',
        metric.containerResource?.target,
        status?.containerResource?.current,
      );
    case 'Pods':
      return `${status?.pods?.current.averageValue ?? unknown}/${metric.pods?.target.averageValue ?? ''}`;
    case 'Object':
      return value(metric.object?.target, status?.object?.current);
    case 'External':
      return value(metric.external?.target, status?.external?.current);
    default:
      return '<unknown type>';
  }
}

function resource(
  name: string,
  target: types.MetricTarget | undefined,
  current: types.MetricValueStatus | undefined,
): string {
  if (target?.averageValue !== undefined) return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
  const now = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`;
  const wanted = target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`;
  return `${name}: ${now}/${wanted}`;
}

function value(target: types.MetricTarget | undefined, current: types.MetricValueStatus | undefined): string {
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`;
  return `${current?.value ?? unknown}/${target?.value ?? ''}`;
}
