/**
 * autoscaling/v1 shows the autoscalers that autoscaling/v2 stores. It has one field for the target that most want, the
 * average use of CPU; everything else travels in annotations, under upstream's names, so that who reads an autoscaler
 * as v1 and writes it back loses nothing. Source: kubernetes pkg/apis/autoscaling/v1/conversion.go.
 */
import { conform } from '#machinery/conform.ts';
import { definition } from '../definitions.ts';
import type * as v1 from './types-v1.generated.ts';
import type * as v2 from './types-v2.generated.ts';
import { metricFromV1, metricToV1 } from './metric-view.ts';

const metricsAnnotation = 'autoscaling.alpha.kubernetes.io/metrics';
const currentMetricsAnnotation = 'autoscaling.alpha.kubernetes.io/current-metrics';
const conditionsAnnotation = 'autoscaling.alpha.kubernetes.io/conditions';
const behaviorAnnotation = 'autoscaling.alpha.kubernetes.io/behavior';
const ours = [metricsAnnotation, currentMetricsAnnotation, conditionsAnnotation, behaviorAnnotation];

/** The average use of CPU that a metric asks for. */
function cpuUseOf({ type, resource }: v2.MetricSpec): number | undefined {
  const target: v2.MetricTarget | undefined = resource?.target; // not validated yet where a client writes it
  return type === 'Resource' && resource?.name === 'cpu' ? target?.averageUtilization : undefined;
}

const isCpuUse = (metric: v2.MetricSpec) => cpuUseOf(metric) !== undefined;

const cpuUse = (averageUtilization: number): v2.MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

export function autoscalerFromStored(stored: v2.HorizontalPodAutoscaler): v1.HorizontalPodAutoscaler {
  const { status, ...rest } = stored;
  const { metrics = [], behavior, ...spec } = stored.spec;
  const cpuMetric = metrics.find(isCpuUse);
  const cpu = cpuMetric && cpuUseOf(cpuMetric);
  const extra: Record<string, string> = {};
  const told = metricsToTell(metrics);
  if (told.length > 0) extra[metricsAnnotation] = JSON.stringify(told.map((each) => metricToV1(each, 'target')));
  if (behavior !== undefined) extra[behaviorAnnotation] = JSON.stringify(behavior);
  const shown = {
    ...rest,
    apiVersion: 'autoscaling/v1',
    spec: { ...spec, ...(cpu === undefined ? {} : { targetCPUUtilizationPercentage: cpu }) },
    ...(status === undefined ? {} : { status: statusFromStored(status, extra) }),
  };
  return withAnnotations(shown, extra);
}

/**
 * The metrics that the field for CPU does not say. It says the last one completely; in any other place CPU stays in
 * the list, to keep the order.
 */
function metricsToTell(metrics: readonly v2.MetricSpec[]): readonly v2.MetricSpec[] {
  const first = metrics.findIndex(isCpuUse);
  const plain = first >= 0 && first === metrics.length - 1 && metrics[first]?.resource?.target.type === 'Utilization';
  return plain ? metrics.slice(0, -1) : metrics;
}

function statusFromStored(
  { currentMetrics = [], conditions = [], ...status }: v2.HorizontalPodAutoscalerStatus,
  extra: Record<string, string>,
): v1.HorizontalPodAutoscalerStatus {
  const cpu = currentMetrics.find(({ type, resource }) => type === 'Resource' && resource?.name === 'cpu');
  const current: v2.MetricValueStatus | undefined = cpu?.resource?.current;
  const use = current?.averageUtilization;
  if (currentMetrics.length > 0) {
    extra[currentMetricsAnnotation] = JSON.stringify(currentMetrics.map((each) => metricToV1(each, 'current')));
  }
  if (conditions.length > 0) extra[conditionsAnnotation] = JSON.stringify(conditions);
  return { currentReplicas: 0, ...status, ...(use === undefined ? {} : { currentCPUUtilizationPercentage: use }) };
}

export function autoscalerToStored(shown: v1.HorizontalPodAutoscaler): v2.HorizontalPodAutoscaler {
  const annotations = shown.metadata?.annotations ?? {};
  const { targetCPUUtilizationPercentage: cpu, ...spec } = shown.spec;
  const behavior = read('HorizontalPodAutoscalerBehavior', parsed(annotations[behaviorAnnotation])) as
    | v2.HorizontalPodAutoscalerBehavior
    | undefined;
  const told = readAll('MetricSpec', annotations[metricsAnnotation], (each) =>
    metricFromV1(each, 'target'),
  ) as readonly v2.MetricSpec[];
  const metrics = metricsToStore(told, cpu);
  const stored = {
    ...shown,
    apiVersion: 'autoscaling/v2',
    spec: {
      ...spec,
      ...(metrics.length === 0 ? {} : { metrics }),
      ...(behavior === undefined ? {} : { behavior }),
    },
    ...(shown.status === undefined ? {} : { status: statusToStored(shown.status, annotations) }),
  } as v2.HorizontalPodAutoscaler;
  return withAnnotations(stored, {});
}

/** The field for CPU wins over what the list says of it, and takes the last place if the list says nothing. */
function metricsToStore(told: readonly v2.MetricSpec[], cpu: number | undefined): readonly v2.MetricSpec[] {
  const index = told.findIndex(isCpuUse);
  if (index < 0) return cpu === undefined ? told : [...told, cpuUse(cpu)];
  if (cpu === undefined) return told.toSpliced(index, 1);
  const metric = told[index];
  return metric !== undefined && cpuUseOf(metric) === cpu ? told : told.with(index, cpuUse(cpu));
}

function statusToStored(
  { currentCPUUtilizationPercentage: use, ...status }: v1.HorizontalPodAutoscalerStatus,
  annotations: Readonly<Record<string, string>>,
): v2.HorizontalPodAutoscalerStatus {
  const told = readAll('MetricStatus', annotations[currentMetricsAnnotation], (each) =>
    metricFromV1(each, 'current'),
  ) as readonly v2.MetricStatus[];
  const current: v2.MetricStatus[] =
    told.length > 0 || use === undefined
      ? [...told]
      : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: use } } }];
  const conditions = readAll(
    'HorizontalPodAutoscalerCondition',
    annotations[conditionsAnnotation],
    (each) => each,
  ) as readonly v2.HorizontalPodAutoscalerCondition[];
  return {
    ...status,
    ...(current.length === 0 ? {} : { currentMetrics: current }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

/** The annotations of the object, but for ours: those are as given. */
function withAnnotations<T extends { readonly metadata?: v1.HorizontalPodAutoscaler['metadata'] }>(
  object: T,
  extra: Readonly<Record<string, string>>,
): T {
  const { annotations, ...metadata } = object.metadata ?? {};
  const kept = Object.entries(annotations ?? {}).filter(([name]) => !ours.includes(name));
  const all = { ...Object.fromEntries(kept), ...extra };
  return { ...object, metadata: { ...metadata, ...(Object.keys(all).length === 0 ? {} : { annotations: all }) } };
}

/** A list of one of v2's types, out of an annotation; empty if any of it is none: annotations are anybody's to write. */
function readAll(name: string, text: string | undefined, translate: (each: unknown) => unknown): readonly unknown[] {
  const value = parsed(text);
  if (!Array.isArray(value)) return [];
  const items = value.map((each) => read(name, translate(each)));
  return items.includes(undefined) ? [] : items;
}

/** A value of one of v2's types, by its schema; undefined if it is none. */
function read(name: string, value: unknown): unknown {
  if (value === undefined) return undefined;
  const conformed = conform(definition(`io.k8s.api.autoscaling.v2.${name}`), value);
  return conformed.errors.length === 0 ? conformed.value : undefined;
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
