import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, integer, nameColumn } from '../rules/columns.ts';
import { nonNegative } from '../rules/fields.ts';
import type * as types from './types-v1.generated.ts';

export type Scale = types.Scale;
export const Scale: Kind<Scale> = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  singular: 'scale',
  namespaced: true,
  verbs: ['create'],
  get schema() {
    return definition('io.k8s.api.autoscaling.v1.Scale');
  },
  columns: [
    nameColumn,
    integer('Desired', 'Number of pods there should be.', ({ spec }) => spec?.replicas ?? 0),
    integer('Available', 'Number of pods there are.', ({ status }) => status?.replicas ?? 0),
    ageColumn,
  ],
  validate: ({ spec }) => nonNegative('spec.replicas', spec.replicas),
};
