import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, integer, nameColumn } from '../rules/columns.ts';
import { defaultAutoscaler } from './autoscaler-defaults.ts';
import { autoscalerErrors } from './autoscaler-rules.ts';
import { formatTargets } from './autoscaler-targets.ts';
import type * as types from './types-v2.generated.ts';

export type HorizontalPodAutoscaler = types.HorizontalPodAutoscaler;
export const HorizontalPodAutoscaler: Kind<HorizontalPodAutoscaler> = {
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler');
  },
  subresources: {
    status: true,
  },
  defaults: defaultAutoscaler,
  prepareForCreate: (autoscaler) => ({ ...autoscaler, status: { desiredReplicas: 0 } }),
  validate: ({ spec }) => autoscalerErrors(spec),
  columns: [
    nameColumn,
    column(
      'Reference',
      'What is scaled.',
      ({ spec }) => `${spec.scaleTargetRef?.kind ?? ''}/${spec.scaleTargetRef?.name ?? ''}`,
    ),
    column('Targets', 'What is measured, and what it should be.', formatTargets),
    column('MinPods', 'Least number of pods.', ({ spec }) =>
      spec.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
    ),
    integer('MaxPods', 'Most number of pods.', ({ spec }) => spec.maxReplicas),
    integer('Replicas', 'Number of pods there are.', ({ status }) => status?.currentReplicas ?? 0),
    ageColumn,
  ],
};
