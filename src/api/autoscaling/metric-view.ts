/**
 * Metrics as autoscaling/v1 writes them into annotations: names and amounts flat, no `target` and no `current`. What
 * that form has no words for (a target of another type than the source's usual one) is written as autoscaling/v2 has
 * it, so that nothing is lost. Source: kubernetes pkg/apis/autoscaling/v1/conversion.go, k8s.io/api/autoscaling/v1.
 */
import { isDeepStrictEqual } from 'node:util';
import type * as types from './types-v2.generated.ts';

type Open = Readonly<Record<string, unknown>>;
type Metric = types.MetricSpec | types.MetricStatus;
type Amounts = Pick<types.MetricTarget, 'averageUtilization' | 'averageValue' | 'value'>;

/** The field that holds each source, and what v1 calls its parts: v2's path on the right. */
const sources = [
  ['resource', { name: 'name' }],
  ['containerResource', { name: 'name', container: 'container' }],
  ['pods', { metricName: 'metric.name', selector: 'metric.selector' }],
  ['object', { target: 'describedObject', metricName: 'metric.name', selector: 'metric.selector' }],
  ['external', { metricName: 'metric.name', metricSelector: 'metric.selector' }],
] as const satisfies readonly (readonly [keyof types.MetricSpec, Readonly<Record<string, string>>])[];

type Source = (typeof sources)[number][0];

/** What v1 calls the amounts of a source. Objects alone have an average without the prefix of the others. */
function amountNames(source: Source, prefix: 'target' | 'current'): readonly (readonly [string, keyof Amounts])[] {
  switch (source) {
    case 'resource':
    case 'containerResource':
      return [
        [`${prefix}AverageUtilization`, 'averageUtilization'],
        [`${prefix}AverageValue`, 'averageValue'],
      ];
    case 'pods':
      return [[`${prefix}AverageValue`, 'averageValue']];
    case 'object':
      return [
        [`${prefix}Value`, 'value'],
        ['averageValue', 'averageValue'],
      ];
    case 'external':
      return [
        [`${prefix}Value`, 'value'],
        [`${prefix}AverageValue`, 'averageValue'],
      ];
  }
}

/** v1's form of a metric wished for (`target`) or measured (`current`). */
export function metricToV1(metric: Metric, part: 'target' | 'current'): Open {
  const flat: Record<string, unknown> = { type: metric.type };
  for (const [source, names] of sources) {
    const body = metric[source] as Open | undefined;
    if (body === undefined) continue;
    const fields: Record<string, unknown> = {};
    for (const [name, path] of Object.entries(names)) put(fields, name, at(body, path));
    const amounts = (body[part] ?? {}) as Amounts;
    for (const [name, amount] of amountNames(source, part)) put(fields, name, amounts[amount]);
    // Upstream's fields for single values are required and print zero.
    if (part === 'target' && source === 'object') fields['targetValue'] ??= '0';
    if (part === 'current' && (source === 'object' || source === 'external')) fields['currentValue'] ??= '0';
    flat[source] = fields;
  }
  return isDeepStrictEqual(metricFromV1(flat, part), metric) ? flat : (metric as unknown as Open);
}

/** The inverse of `metricToV1()`; undefined for what is no metric of either form. */
export function metricFromV1(value: unknown, part: 'target' | 'current'): Metric | undefined {
  if (!isOpen(value) || typeof value['type'] !== 'string') return undefined;
  const metric: Record<string, unknown> = { type: value['type'] };
  for (const [source, names] of sources) {
    const fields = value[source];
    if (!isOpen(fields)) continue;
    metric[source] = isV2(fields) ? fields : nested(source, names, fields, part);
  }
  return metric as unknown as Metric; // who reads annotations conforms the result to the schema
}

/** v1's own `target` is the object that is measured, and has no type. */
const isV2 = (fields: Open) =>
  isOpen(fields['metric']) || isOpen(fields['current']) || (isOpen(fields['target']) && 'type' in fields['target']);

function nested(source: Source, names: Readonly<Record<string, string>>, fields: Open, part: 'target' | 'current') {
  const body: Record<string, unknown> = {};
  for (const [name, path] of Object.entries(names)) {
    const [outer = '', inner] = path.split('.');
    if (inner === undefined) put(body, outer, fields[name]);
    else if (fields[name] !== undefined) body[outer] = { ...(body[outer] as Open | undefined), [inner]: fields[name] };
  }
  const amounts: Record<string, unknown> = {};
  for (const [name, amount] of amountNames(source, part)) put(amounts, amount, fields[name]);
  const average = amounts['averageUtilization'] !== undefined || amounts['averageValue'] !== undefined;
  if (average && amounts['value'] === '0') delete amounts['value'];
  body[part] = part === 'target' ? { type: targetType(amounts), ...amounts } : amounts;
  return body;
}

function targetType(amounts: Open): string {
  if (amounts['averageUtilization'] !== undefined) return 'Utilization';
  return amounts['averageValue'] === undefined ? 'Value' : 'AverageValue';
}

const isOpen = (value: unknown): value is Open => typeof value === 'object' && value !== null && !Array.isArray(value);

function at(body: Open, path: string): unknown {
  let value: unknown = body;
  for (const key of path.split('.')) value = isOpen(value) ? value[key] : undefined;
  return value;
}

function put(fields: Record<string, unknown>, name: string, value: unknown): void {
  if (value !== undefined) fields[name] = value;
}
