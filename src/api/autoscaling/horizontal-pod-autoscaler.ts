import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
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
};
