import type { Kind } from '#machinery/kind.ts';
import { ownedTemplateErrors, runningTemplateErrors } from '../core/pod-template-rules.ts';
import { definition } from '../definitions.ts';
import { ageColumn, containerColumns, integer, nameColumn, selectorColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { nonNegative } from '../rules/fields.ts';
import { resetStatus } from '../rules/reset-status.ts';
import type * as types from './types.generated.ts';
import { availableErrors, selectorUnchanged, statusCountErrors, withTemplateDefaults } from './workload-rules.ts';

/** Upstream calls it a deployment here too. */
const selectorWords = { emptyFor: 'deployment', bad: 'invalid label selector' };

export type ReplicaSet = types.ReplicaSet;
export const ReplicaSet: Kind<ReplicaSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.apps.v1.ReplicaSet');
  },
  hasGeneration: true,
  subresources: {
    status: true,
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', labelSelector: 'spec.selector' },
  },
  defaults(set) {
    return mapField(set, 'spec', (spec) =>
      withTemplateDefaults(withDefaults<types.ReplicaSetSpec>(spec, { replicas: 1 })),
    );
  },
  prepareForCreate: resetStatus,
  validate({ spec, status }) {
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...ownedTemplateErrors('spec', spec.selector, spec.template, selectorWords, () =>
        runningTemplateErrors('spec.template', spec.template, 'ReplicaSet'),
      ),
      ...statusCountErrors(
        { ...status },
        ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
        ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
      ),
      ...availableErrors(status, 'readyReplicas'),
    ];
  },
  validateUpdate: ({ spec }, stored) => selectorUnchanged(spec, stored.spec),
  columns: [
    nameColumn,
    integer('Desired', 'Number of pods wanted.', ({ spec }) => spec.replicas),
    integer('Current', 'Number of pods there are.', ({ status }) => status?.replicas ?? 0),
    integer('Ready', 'Number of pods that are ready.', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...containerColumns(({ spec }: types.ReplicaSet) => spec.template),
    selectorColumn(({ spec }: types.ReplicaSet) => spec.selector),
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
};
