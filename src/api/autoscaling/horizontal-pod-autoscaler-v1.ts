import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { autoscalerFromStored, autoscalerToStored } from './autoscaler-view.ts';
import { HorizontalPodAutoscaler as Stored } from './horizontal-pod-autoscaler.ts';
import type * as v1 from './types-v1.generated.ts';
import type * as v2 from './types-v2.generated.ts';

export type HorizontalPodAutoscaler = v1.HorizontalPodAutoscaler;
/** The autoscalers of autoscaling/v2 as `kubectl autoscale` and old clients write them. */
export const HorizontalPodAutoscaler: Kind<HorizontalPodAutoscaler> = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler');
  },
  subresources: {
    status: true,
  },
  view: {
    of: Stored,
    toStored: (autoscaler: HorizontalPodAutoscaler) => autoscalerToStored(autoscaler),
    fromStored: (stored) => autoscalerFromStored(stored as v2.HorizontalPodAutoscaler), // the view is of v2's alone
  },
  columns: (Stored.columns ?? []).map((column) => ({
    ...column,
    cell: (autoscaler: HorizontalPodAutoscaler, now: number) => column.cell(autoscalerToStored(autoscaler), now),
  })),
};
