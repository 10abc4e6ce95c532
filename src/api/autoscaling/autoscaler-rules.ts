/** Source: kubernetes pkg/apis/autoscaling/validation. */
import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { pathSegmentComplaints } from '#machinery/names.ts';
import { parseQuantity } from '#machinery/quantity.ts';
import { choice, each, inRange, text } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import type * as types from './types-v2.generated.ts';

const windowSecondsMax = 3600;
const periodSecondsMax = 1800;

export function autoscalerErrors(spec: types.HorizontalPodAutoscalerSpec): FieldError[] {
  const { minReplicas, maxReplicas, metrics } = spec;
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < 1) {
    errors.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
  }
  if (maxReplicas < 1) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  }
  return [
    ...errors,
    ...referenceErrors('spec.scaleTargetRef', spec.scaleTargetRef),
    ...each('spec.metrics', metrics, metricErrors),
    ...rulesErrors('spec.behavior.scaleUp', spec.behavior?.scaleUp),
    ...rulesErrors('spec.behavior.scaleDown', spec.behavior?.scaleDown),
  ];
}

function referenceErrors(field: string, ref: types.CrossVersionObjectReference | undefined): FieldError[] {
  return [
    ...text(`${field}.kind`, ref?.kind, pathSegmentComplaints),
    ...text(`${field}.name`, ref?.name, pathSegmentComplaints),
  ];
}

const sources = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
} as const satisfies Readonly<Record<string, keyof types.MetricSpec>>;

function metricErrors(field: string, metric: types.MetricSpec): FieldError[] {
  const errors = choice(`${field}.type`, metric.type, Object.keys(sources));
  if (errors.length > 0) return errors;
  const wanted = sources[metric.type as keyof typeof sources]; // checked above
  for (const name of Object.values(sources)) {
    if (name !== wanted && metric[name] !== undefined) {
      errors.push(forbidden(`${field}.${name}`, 'must populate the given metric source only'));
    }
  }
  if (metric[wanted] === undefined) {
    errors.push(required(`${field}.${wanted}`, `must populate information for the given metric source`));
  }
  const { resource, containerResource, pods, object, external } = metric;
  if (resource !== undefined) {
    errors.push(
      ...text(`${field}.resource.name`, resource.name, undefined, 'must specify a resource name'),
      ...targetErrors(`${field}.resource.target`, resource.target),
    );
  }
  if (containerResource !== undefined) {
    errors.push(
      ...text(`${field}.containerResource.name`, containerResource.name, undefined, 'must specify a resource name'),
      ...text(
        `${field}.containerResource.container`,
        containerResource.container,
        undefined,
        'must specify a container',
      ),
      ...targetErrors(`${field}.containerResource.target`, containerResource.target),
    );
  }
  if (object !== undefined) errors.push(...referenceErrors(`${field}.object.describedObject`, object.describedObject));
  for (const [name, source] of Object.entries({ pods, object, external })) {
    if (source === undefined) continue;
    errors.push(
      ...text(`${field}.${name}.metric.name`, source.metric?.name, pathSegmentComplaints),
      ...labelSelectorErrors(`${field}.${name}.metric.selector`, source.metric?.selector),
      ...targetErrors(`${field}.${name}.target`, source.target),
    );
  }
  return errors;
}

function targetErrors(field: string, target: types.MetricTarget | undefined): FieldError[] {
  if (target === undefined) return [required(`${field}.type`, 'must specify a metric target type')];
  const errors: FieldError[] = [];
  if (!['Utilization', 'Value', 'AverageValue'].includes(target.type)) {
    errors.push(
      target.type === ''
        ? required(`${field}.type`, 'must specify a metric target type')
        : invalid(`${field}.type`, target.type, 'must be either Utilization, Value, or AverageValue'),
    );
  }
  const { averageUtilization, averageValue, value } = target;
  if (averageUtilization === undefined && averageValue === undefined && value === undefined) {
    errors.push(required(`${field}.averageUtilization`, 'must set either a target raw value or a target utilization'));
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(invalid(`${field}.averageUtilization`, averageUtilization, 'must be greater than 0'));
  }
  for (const [name, amount] of Object.entries({ averageValue, value })) {
    if (amount !== undefined && !isPositive(amount))
      errors.push(invalid(`${field}.${name}`, amount, 'must be positive'));
  }
  return errors;
}

function isPositive(amount: string): boolean {
  try {
    return parseQuantity(amount).nanos > 0n;
  } catch {
    return false;
  }
}

function rulesErrors(field: string, rules: types.HPAScalingRules | undefined): FieldError[] {
  if (rules === undefined) return [];
  const errors: FieldError[] = [];
  const { stabilizationWindowSeconds: window, selectPolicy, policies, tolerance } = rules;
  if (window !== undefined && window < 0) {
    errors.push(invalid(`${field}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero'));
  }
  if (window !== undefined && window > windowSecondsMax) {
    errors.push(
      invalid(`${field}.stabilizationWindowSeconds`, window, `must be less than or equal to ${windowSecondsMax}`),
    );
  }
  if (selectPolicy !== undefined)
    errors.push(...choice(`${field}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min']));
  if (policies !== undefined && policies.length === 0)
    errors.push(required(`${field}.policies`, 'must specify at least one Policy'));
  if (tolerance !== undefined && !isPositive(tolerance) && tolerance !== '0') {
    errors.push(invalid(`${field}.tolerance`, tolerance, 'must be greater than or equal to zero'));
  }
  return [
    ...errors,
    ...each(`${field}.policies`, policies, (path, { type, value, periodSeconds }) => [
      ...choice(`${path}.type`, type, ['Percent', 'Pods']),
      ...(value > 0 ? [] : [invalid(`${path}.value`, value, 'must be greater than zero')]),
      ...(periodSeconds > 0
        ? inRange(`${path}.periodSeconds`, periodSeconds, 1, periodSecondsMax)
        : [invalid(`${path}.periodSeconds`, periodSeconds, 'must be greater than zero')]),
    ]),
  ];
}
