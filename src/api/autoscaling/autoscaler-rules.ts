/** Source: kubernetes pkg/apis/autoscaling/validation. */
import { forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, negativeComplaint, pathSegmentComplaints } from '#machinery/names.ts';
import { parseQuantity } from '#machinery/quantity.ts';
import { each, optionalChoice, text } from '../rules/fields.ts';
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
    ...(minReplicas === 0 && !(metrics ?? []).some(({ type }) => type === 'Object' || type === 'External')
      ? [
          forbidden(
            'spec.metrics',
            'must specify at least one Object or External metric to support scaling to zero replicas',
          ),
        ]
      : []),
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
  const present = sourceChecks.filter(({ name }) => metric[name] !== undefined);
  const wanted = Object.hasOwn(sources, metric.type) ? sources[metric.type as keyof typeof sources] : undefined;
  const errors: FieldError[] = [];
  if (metric.type === '') errors.push(required(`${field}.type`, 'must specify a metric source type'));
  if (wanted === undefined) errors.push(notSupported(`${field}.type`, metric.type, Object.keys(sources)));
  // Of several sources, only the first is looked at.
  const first = present[0];
  if (first !== undefined) errors.push(...first.check(`${field}.${first.name}`, metric));
  if (wanted !== undefined && metric[wanted] === undefined) {
    errors.push(required(`${field}.${wanted}`, 'must populate information for the given metric source'));
  }
  if (present.length === 1) return errors;
  const others = present.filter(({ name }) => name !== wanted);
  return [
    ...errors,
    ...others.map(({ name }) => forbidden(`${field}.${name}`, 'must populate the given metric source only')),
  ];
}

/** In upstream's order. */
const sourceChecks: readonly {
  readonly name: (typeof sources)[keyof typeof sources];
  readonly check: (field: string, metric: types.MetricSpec) => readonly FieldError[];
}[] = [
  {
    name: 'object',
    check: (field, { object }) => [
      ...referenceErrors(`${field}.describedObject`, object?.describedObject),
      ...identifierErrors(`${field}.metric`, object?.metric),
      ...targetErrors(`${field}.target`, object?.target),
      ...(hasNoAmount(object?.target)
        ? [required(`${field}.target.averageValue`, 'must set either a target value or averageValue')]
        : []),
    ],
  },
  {
    name: 'external',
    check: (field, { external }) => [
      ...identifierErrors(`${field}.metric`, external?.metric),
      ...targetErrors(`${field}.target`, external?.target),
      ...(hasNoAmount(external?.target)
        ? [required(`${field}.target.averageValue`, 'must set either a target value for metric or a per-pod target')]
        : []),
      ...(external?.target?.value !== undefined && external.target.averageValue !== undefined
        ? [forbidden(`${field}.target.value`, 'may not set both a target value for metric and a per-pod target')]
        : []),
    ],
  },
  {
    name: 'pods',
    check: (field, { pods }) => [
      ...identifierErrors(`${field}.metric`, pods?.metric),
      ...targetErrors(`${field}.target`, pods?.target),
      ...(pods?.target?.averageValue === undefined
        ? [required(`${field}.target.averageValue`, 'must specify a positive target averageValue')]
        : []),
    ],
  },
  {
    name: 'resource',
    check: (field, { resource }) => [
      ...text(`${field}.name`, resource?.name, undefined, 'must specify a resource name'),
      ...resourceTargetErrors(`${field}.target`, resource?.target),
    ],
  },
  {
    name: 'containerResource',
    check: (field, { containerResource }) => [
      ...text(`${field}.name`, containerResource?.name, undefined, 'must specify a resource name'),
      ...text(`${field}.container`, containerResource?.container, dns1123LabelComplaints, 'must specify a container'),
      ...resourceTargetErrors(`${field}.target`, containerResource?.target),
    ],
  },
];

const hasNoAmount = (target: types.MetricTarget | undefined) =>
  target?.value === undefined && target?.averageValue === undefined;

const identifierErrors = (field: string, metric: types.MetricIdentifier | undefined) =>
  text(`${field}.name`, metric?.name, pathSegmentComplaints, 'must specify a metric name');

function resourceTargetErrors(field: string, target: types.MetricTarget | undefined): FieldError[] {
  const errors = targetErrors(field, target);
  const [byShare, byAmount] = [target?.averageUtilization !== undefined, target?.averageValue !== undefined];
  if (!byShare && !byAmount) {
    errors.push(required(`${field}.averageUtilization`, 'must set either a target raw value or a target utilization'));
  }
  if (byShare && byAmount) {
    errors.push(forbidden(`${field}.averageValue`, 'may not set both a target raw value and a target utilization'));
  }
  return errors;
}

function targetErrors(field: string, target: types.MetricTarget | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const { averageUtilization, averageValue, value } = target ?? {};
  const type = target?.type ?? '';
  if (type === '') errors.push(required(`${field}.type`, 'must specify a metric target type'));
  if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    errors.push(invalid(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue'));
  }
  for (const [name, amount] of Object.entries({ value, averageValue })) {
    if (amount !== undefined && !isPositive(amount))
      errors.push(invalid(`${field}.${name}`, amount, 'must be positive'));
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(invalid(`${field}.averageUtilization`, averageUtilization, 'must be greater than 0'));
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
  errors.push(...optionalChoice(`${field}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min']));
  if ((policies ?? []).length === 0) errors.push(required(`${field}.policies`, 'must specify at least one Policy'));
  return [
    ...errors,
    ...each(`${field}.policies`, policies, (path, { type, value, periodSeconds }) => [
      ...(type === 'Percent' || type === 'Pods' ? [] : [notSupported(`${path}.type`, type, ['Percent', 'Pods'])]),
      ...(value > 0 ? [] : [invalid(`${path}.value`, value, 'must be greater than zero')]),
      ...(periodSeconds > 0 ? [] : [invalid(`${path}.periodSeconds`, periodSeconds, 'must be greater than zero')]),
      ...(periodSeconds > periodSecondsMax
        ? [invalid(`${path}.periodSeconds`, periodSeconds, `must be less than or equal to ${periodSecondsMax}`)]
        : []),
    ]),
    ...(tolerance === undefined || isPositive(tolerance) || parseQuantity(tolerance).nanos === 0n
      ? []
      : [invalid(`${field}.tolerance`, tolerance, negativeComplaint)]),
  ];
}
