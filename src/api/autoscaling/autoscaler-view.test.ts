import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaulted } from '../rules/samples.ts';
import { autoscalerFromStored, autoscalerToStored } from './autoscaler-view.ts';
import { HorizontalPodAutoscaler as V1 } from './horizontal-pod-autoscaler-v1.ts';
import { HorizontalPodAutoscaler as V2 } from './horizontal-pod-autoscaler.ts';
import type * as v2 from './types-v2.generated.ts';

const metadata = { name: 'web', namespace: 'default' };
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const cpu = (averageUtilization: number): v2.MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});
const memory: v2.MetricSpec = {
  type: 'Resource',
  resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } },
};
const metrics: readonly v2.MetricSpec[] = [
  memory,
  {
    type: 'ContainerResource',
    containerResource: { name: 'cpu', container: 'main', target: { type: 'Utilization', averageUtilization: 40 } },
  },
  {
    type: 'Pods',
    pods: {
      metric: { name: 'rate', selector: { matchLabels: { a: 'b' } } },
      target: { type: 'AverageValue', averageValue: '5' },
    },
  },
  {
    type: 'Object',
    object: { describedObject: scaleTargetRef, metric: { name: 'hits' }, target: { type: 'Value', value: '10k' } },
  },
  {
    type: 'Object',
    object: {
      describedObject: scaleTargetRef,
      metric: { name: 'hits' },
      target: { type: 'AverageValue', averageValue: '3' },
    },
  },
  { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '30' } } },
  // What v1 has no words for:
  { type: 'Pods', pods: { metric: { name: 'odd' }, target: { type: 'Value', value: '7' } } },
  {
    type: 'Object',
    object: { describedObject: scaleTargetRef, metric: { name: 'z' }, target: { type: 'Value', value: '0' } },
  },
];

const stored = (spec: Partial<v2.HorizontalPodAutoscalerSpec>, more: Partial<v2.HorizontalPodAutoscaler> = {}) =>
  defaulted(V2, {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: { scaleTargetRef, maxReplicas: 5, ...spec },
    ...more,
  });

test('what kubectl autoscale writes as v1 is a CPU target of v2, shown again in its own field', () => {
  const written = defaulted(V1, {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { ...metadata, annotations: { mine: 'x' } },
    spec: { scaleTargetRef, minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 60 },
  });
  const kept = autoscalerToStored(written);
  assert.deepEqual(kept, {
    ...written,
    apiVersion: 'autoscaling/v2',
    spec: { scaleTargetRef, minReplicas: 2, maxReplicas: 5, metrics: [cpu(60)] },
  });
  assert.deepEqual(autoscalerFromStored(kept), written);
});

for (const [what, list] of [
  ['no CPU', metrics],
  ['CPU at the end', [...metrics, cpu(70)]],
  ['CPU in front', [cpu(70), ...metrics]],
  ['CPU twice', [cpu(70), memory, cpu(71)]],
  ['CPU alone', [cpu(70)]],
] as const) {
  test(`v1 loses nothing of an autoscaler with ${what}`, () => {
    const behavior = { scaleUp: { policies: [{ type: 'Pods', value: 2, periodSeconds: 10 }], tolerance: '50m' } };
    const status: v2.HorizontalPodAutoscalerStatus = {
      currentReplicas: 2,
      desiredReplicas: 3,
      lastScaleTime: '2026-01-01T00:00:00Z',
      conditions: [{ type: 'AbleToScale', status: 'True', reason: 'Ready', message: 'm' }],
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12, averageValue: '24m' } } },
        { type: 'External', external: { metric: { name: 'queue' }, current: { averageValue: '4' } } },
        { type: 'Object', object: { describedObject: scaleTargetRef, metric: { name: 'h' }, current: { value: '9' } } },
      ],
    };
    const before = stored({ metrics: list, behavior }, { status });
    const shown = autoscalerFromStored(before);
    assert.equal(shown.spec.targetCPUUtilizationPercentage, list === metrics ? undefined : 70);
    assert.equal(shown.status?.currentCPUUtilizationPercentage, 12);
    assert.deepEqual(defaulted(V2, autoscalerToStored(defaulted(V1, shown))), before);
  });
}

test('a change of the CPU target through v1 leaves the other metrics and their order alone', () => {
  const shown = autoscalerFromStored(stored({ metrics: [cpu(70), memory] }));
  const changed = autoscalerToStored({ ...shown, spec: { ...shown.spec, targetCPUUtilizationPercentage: 20 } });
  assert.deepEqual(changed.spec.metrics, [cpu(20), memory]);
  const { targetCPUUtilizationPercentage: _none, ...spec } = shown.spec;
  assert.deepEqual(autoscalerToStored({ ...shown, spec }).spec.metrics, [memory]);
});

test('annotations that cannot be read count for nothing', () => {
  for (const text of [
    '',
    '{',
    '[1]',
    '[{"type":7}]',
    '{"a":1}',
    '[{"type":"Resource","status":{},"resource":{"name":{}}}]',
  ]) {
    const shown = {
      metadata: { ...metadata, annotations: {} as Record<string, string> },
      spec: { scaleTargetRef, maxReplicas: 5 },
    };
    for (const name of ['metrics', 'current-metrics', 'conditions', 'behavior']) {
      shown.metadata.annotations[`autoscaling.alpha.kubernetes.io/${name}`] = text;
    }
    const kept = autoscalerToStored({ ...shown, status: { currentReplicas: 1, desiredReplicas: 1 } });
    assert.deepEqual(kept, {
      apiVersion: 'autoscaling/v2',
      metadata,
      spec: text.startsWith('{"a"')
        ? { scaleTargetRef, maxReplicas: 5, behavior: {} }
        : { scaleTargetRef, maxReplicas: 5 },
      status: { currentReplicas: 1, desiredReplicas: 1 },
    });
  }
});

test('both versions print the same', () => {
  const autoscaler = stored({ metrics: [cpu(70), memory], minReplicas: 2 });
  const now = Date.parse('2026-01-01T00:00:00Z');
  const cells = V2.columns?.map((column) => column.cell(autoscaler, now));
  assert.deepEqual(
    V1.columns?.map((column) => column.cell(autoscalerFromStored(autoscaler), now)),
    cells,
  );
});
