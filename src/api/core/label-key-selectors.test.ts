import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLabelKeySelectors } from './label-key-selectors.ts';

test('label keys of terms and constraints become requirements, from the labels that the pod has', () => {
  const term = {
    topologyKey: 'zone',
    labelSelector: { matchLabels: { app: 'web' } },
    matchLabelKeys: ['version', 'absent', 'constructor'],
    mismatchLabelKeys: ['tenant'],
  };
  const written = {
    ...term,
    labelSelector: {
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'version', operator: 'In', values: ['2'] },
        { key: 'tenant', operator: 'NotIn', values: ['blue'] },
      ],
    },
  };
  const without = { topologyKey: 'zone', matchLabelKeys: ['version'] };
  const constraint = { maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', ...without };
  const specWith = (each: typeof term) => ({
    containers: [{ name: 'main', image: 'web' }],
    affinity: {
      nodeAffinity: {},
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [each, without],
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 3, podAffinityTerm: each }],
      },
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [each] },
    },
    topologySpreadConstraints: [{ maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', ...each }, constraint],
  });
  const metadata = { name: 'web', labels: { app: 'web', version: '2', tenant: 'blue' } };
  const spec = withLabelKeySelectors({ metadata, spec: specWith(term) });
  assert.deepEqual(spec, specWith(written));
  assert.deepEqual(withLabelKeySelectors({ metadata, spec }), spec);
});
