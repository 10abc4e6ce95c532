/** Source: kubernetes pkg/apis/autoscaling/v2/defaults.go. */
import { mapField, withDefaults } from '../rules/defaulting.ts';
import type * as types from './types-v2.generated.ts';

const cpuUtilization = 80;

export function defaultAutoscaler(autoscaler: types.HorizontalPodAutoscaler): types.HorizontalPodAutoscaler {
  return mapField(autoscaler, 'spec', (spec) => {
    const measured = withDefaults<types.HorizontalPodAutoscalerSpec>(spec, { minReplicas: 1 });
    const metrics: readonly types.MetricSpec[] =
      (measured.metrics ?? []).length > 0
        ? (measured.metrics ?? [])
        : [
            {
              type: 'Resource',
              resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpuUtilization } },
            },
          ];
    const scaled = metrics === measured.metrics ? measured : { ...measured, metrics };
    return mapField(scaled, 'behavior', (behavior) =>
      mapField(
        mapField(behavior, 'scaleUp', (rules) => withDefaults(rules, defaultScaleUp)),
        'scaleDown',
        (rules) => withDefaults(rules, defaultScaleDown),
      ),
    );
  });
}

const defaultScaleUp: types.HPAScalingRules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};

/** The stabilization window of scaling down is the controller's own unless it is given. */
const defaultScaleDown: types.HPAScalingRules = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};
