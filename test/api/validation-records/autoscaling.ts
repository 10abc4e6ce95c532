/** Autoscalers and disruption budgets: kubernetes pkg/apis/autoscaling/validation and pkg/apis/policy/validation. */
import { HorizontalPodAutoscaler } from '#api/autoscaling/horizontal-pod-autoscaler.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const metric = (change: object) => spec({ metrics: [change] });
const at = 'spec.metrics[0]';
const cpu = (target: object) => metric({ type: 'Resource', resource: { name: 'cpu', target } });
const half = { type: 'Utilization', averageUtilization: 50 };
const each = { type: 'AverageValue', averageValue: '1' };
const requests = { name: 'requests' };
const ingress = { kind: 'Ingress', name: 'web' };
const pods = (change: object) => metric({ type: 'Pods', pods: { metric: requests, target: each, ...change } });
const onObject = (change: object) =>
  metric({ type: 'Object', object: { describedObject: ingress, metric: requests, target: each, ...change } });
const external = (change: object) =>
  metric({ type: 'External', external: { metric: requests, target: each, ...change } });
const container = (change: object) =>
  metric({ type: 'ContainerResource', containerResource: { name: 'cpu', container: 'main', target: half, ...change } });
const up = (change: object) => spec({ behavior: { scaleUp: change } });
const policy = { type: 'Pods', value: 1, periodSeconds: 10 };
const policies = (change: object) => up({ policies: [{ ...policy, ...change }] });
const atPolicy = 'spec.behavior.scaleUp.policies[0]';
const noUtilization = 'must set either a target raw value or a target utilization';
const only = 'must populate the given metric source only';

export const autoscalingRecords: readonly RecordTable[] = [
  {
    kind: HorizontalPodAutoscaler,
    operation: 'create',
    object: {
      metadata: { name: 'web' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 3 },
    },
    records: [
      bad(
        'validateHorizontalPodAutoscalerSpec',
        spec({ minReplicas: 0 }),
        'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
        'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
      ),
      bad(
        'validateHorizontalPodAutoscalerSpec',
        spec({ maxReplicas: 0 }),
        'spec.maxReplicas: Invalid value: 0: must be greater than 0',
        'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
      ),
      bad(
        'validateHorizontalPodAutoscalerSpec',
        spec({ minReplicas: 4 }),
        'spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`',
      ),
      bad(
        'ValidateCrossVersionObjectReference',
        spec({ scaleTargetRef: { kind: '', name: '' } }),
        'spec.scaleTargetRef.kind: Required value',
        'spec.scaleTargetRef.name: Required value',
      ),
      bad(
        'ValidateCrossVersionObjectReference',
        spec({ scaleTargetRef: { kind: 'a/b', name: '..' } }),
        `spec.scaleTargetRef.kind: Invalid value: "a/b": may not contain '/'`,
        `spec.scaleTargetRef.name: Invalid value: "..": may not be '..'`,
      ),
      bad(
        'validateMetricSpec',
        metric({ type: '' }),
        `${at}.type: Required value: must specify a metric source type`,
        `${at}.type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"`,
      ),
      bad(
        'validateMetricSpec',
        metric({ type: 'Any' }),
        `${at}.type: Unsupported value: "Any": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"`,
      ),
      bad(
        'validateMetricSpec',
        metric({ type: 'Pods' }),
        `${at}.pods: Required value: must populate information for the given metric source`,
      ),
      bad(
        'validateMetricSpec',
        metric({ type: 'Resource', resource: { name: 'cpu', target: half }, pods: { metric: requests, target: each } }),
        `${at}.pods: Forbidden: ${only}`,
      ),
      bad(
        'validateResourceSource',
        metric({ type: 'Resource', resource: { name: '', target: half } }),
        `${at}.resource.name: Required value: must specify a resource name`,
      ),
      bad(
        'validateResourceSource',
        cpu({ type: 'Utilization' }),
        `${at}.resource.target.averageUtilization: Required value: ${noUtilization}`,
      ),
      bad(
        'validateResourceSource',
        cpu({ ...half, averageValue: '1' }),
        `${at}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization`,
      ),
      bad(
        'validateMetricTarget',
        cpu({ ...half, type: '' }),
        `${at}.resource.target.type: Required value: must specify a metric target type`,
        `${at}.resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue`,
      ),
      bad(
        'validateMetricTarget',
        cpu({ ...half, type: 'Any' }),
        `${at}.resource.target.type: Invalid value: "Any": must be either Utilization, Value, or AverageValue`,
      ),
      bad(
        'validateMetricTarget',
        cpu({ ...half, averageUtilization: 0 }),
        `${at}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
      ),
      bad(
        'validateMetricTarget',
        cpu({ ...each, averageValue: '-1' }),
        `${at}.resource.target.averageValue: Invalid value: "-1": must be positive`,
      ),
      bad(
        'validateMetricTarget',
        external({ target: { type: 'Value', value: '0' } }),
        `${at}.external.target.value: Invalid value: "0": must be positive`,
      ),
      bad(
        'validateContainerResourceSource',
        container({ name: '', container: '' }),
        `${at}.containerResource.name: Required value: must specify a resource name`,
        `${at}.containerResource.container: Required value: must specify a container`,
      ),
      bad(
        'validateContainerResourceSource',
        container({ container: 'Main' }),
        `${at}.containerResource.container: Invalid value: "Main": ${words.dnsLabel}`,
      ),
      bad(
        'validateContainerResourceSource',
        container({ target: { type: 'Utilization' } }),
        `${at}.containerResource.target.averageUtilization: Required value: ${noUtilization}`,
      ),
      bad(
        'validateMetricIdentifier',
        pods({ metric: { name: '' } }),
        `${at}.pods.metric.name: Required value: must specify a metric name`,
      ),
      bad(
        'validateMetricIdentifier',
        pods({ metric: { name: 'a/b' } }),
        `${at}.pods.metric.name: Invalid value: "a/b": may not contain '/'`,
      ),
      bad(
        'validatePodsSource',
        pods({ target: { type: 'Value', value: '1' } }),
        `${at}.pods.target.averageValue: Required value: must specify a positive target averageValue`,
      ),
      bad(
        'validateObjectSource',
        onObject({ describedObject: { kind: '', name: 'web' } }),
        `${at}.object.describedObject.kind: Required value`,
      ),
      bad(
        'validateObjectSource',
        onObject({ target: { type: 'Value' } }),
        `${at}.object.target.averageValue: Required value: must set either a target value or averageValue`,
      ),
      bad(
        'validateExternalSource',
        external({ target: { type: 'Value' } }),
        `${at}.external.target.averageValue: Required value: must set either a target value for metric or a per-pod target`,
      ),
      bad(
        'validateExternalSource',
        external({ target: { type: 'Value', value: '1', averageValue: '1' } }),
        `${at}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target`,
      ),
      bad(
        'validateScalingRules',
        up({ stabilizationWindowSeconds: -1 }),
        'spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero',
      ),
      bad(
        'validateScalingRules',
        spec({ behavior: { scaleDown: { stabilizationWindowSeconds: 3601 } } }),
        'spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600',
      ),
      bad(
        'validateScalingRules',
        up({ selectPolicy: 'Any' }),
        'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Any": supported values: "Disabled", "Max", "Min"',
      ),
      bad(
        'validateScalingPolicy',
        policies({ type: 'Any' }),
        `${atPolicy}.type: Unsupported value: "Any": supported values: "Percent", "Pods"`,
      ),
      bad('validateScalingPolicy', policies({ value: 0 }), `${atPolicy}.value: Invalid value: 0: ${words.notPositive}`),
      bad(
        'validateScalingPolicy',
        policies({ periodSeconds: 0 }),
        `${atPolicy}.periodSeconds: Invalid value: 0: ${words.notPositive}`,
      ),
      bad(
        'validateScalingPolicy',
        policies({ periodSeconds: 1801 }),
        `${atPolicy}.periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
      ),
    ],
  },
  {
    kind: PodDisruptionBudget,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { selector: { matchLabels: { app: 'web' } } } },
    records: [
      {
        source: 'ValidatePodDisruptionBudgetSpec',
        change: spec({ minAvailable: 1, maxUnavailable: 1 }),
        causes: ['spec: Invalid value: …: minAvailable and maxUnavailable cannot be both set'],
        deviation: {
          why: 'upstream shows the spec as a struct of Go with pointers in it, Tutti as JSON',
          causes: [
            'spec: Invalid value: {"selector":{"matchLabels":{"app":"web"}},"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
          ],
        },
      },
      ...['minAvailable', 'maxUnavailable'].flatMap((name) => [
        bad('ValidatePositiveIntOrPercent', spec({ [name]: -1 }), `spec.${name}: Invalid value: -1: ${words.negative}`),
        bad(
          'ValidatePositiveIntOrPercent',
          spec({ [name]: 'half' }),
          `spec.${name}: Invalid value: "half": ${words.percent}`,
        ),
        bad(
          'IsNotMoreThan100Percent',
          spec({ [name]: '101%' }),
          `spec.${name}: Invalid value: "101%": must not be greater than 100%`,
        ),
      ]),
      bad(
        'ValidateLabelSelector',
        spec({ selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } }),
        `spec.selector.matchExpressions[0].values: Required value: ${words.valuesNeeded}`,
      ),
      bad(
        'ValidatePodDisruptionBudgetSpec',
        spec({ unhealthyPodEvictionPolicy: 'Never' }),
        'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"',
      ),
    ],
  },
];
