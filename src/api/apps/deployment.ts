import { forbidden, invalid, notSupported } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { ownedTemplateErrors, runningTemplateErrors } from '../core/pod-template-rules.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, containerColumns, integer, nameColumn, selectorColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { nonNegative } from '../rules/fields.ts';
import { atMostHundredPercent, intOrPercentErrors, isZero } from '../rules/int-or-percent.ts';
import { resetStatus } from '../rules/reset-status.ts';
import type * as types from './types.generated.ts';
import { availableErrors, selectorUnchanged, statusCountErrors, withTemplateDefaults } from './workload-rules.ts';

export type Deployment = types.Deployment;
export const Deployment: Kind<Deployment> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.apps.v1.Deployment');
  },
  hasGeneration: true,
  subresources: {
    status: true,
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', labelSelector: 'spec.selector' },
  },
  defaults(deployment) {
    return mapField(deployment, 'spec', (spec) =>
      withTemplateDefaults(
        mapField(
          withDefaults<types.DeploymentSpec>(spec, {
            replicas: 1,
            strategy: {},
            revisionHistoryLimit: 10,
            progressDeadlineSeconds: 600,
          }),
          'strategy',
          defaultStrategy,
        ),
      ),
    );
  },
  prepareForCreate: resetStatus,
  validate({ spec, status }) {
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...ownedTemplateErrors('spec', spec.selector, spec.template, selectorWords, () =>
        runningTemplateErrors('spec.template', spec.template, 'ReplicaSet'),
      ),
      ...strategyErrors('spec.strategy', spec.strategy ?? {}),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
      ...deadlineErrors(spec),
      ...statusCountErrors(
        { ...status },
        [
          'replicas',
          'updatedReplicas',
          'readyReplicas',
          'availableReplicas',
          'unavailableReplicas',
          'terminatingReplicas',
        ],
        ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
      ),
      ...availableErrors(status, 'readyReplicas'),
    ];
  },
  validateUpdate: ({ spec }, stored) => selectorUnchanged(spec, stored.spec),
  columns: [
    nameColumn,
    column(
      'Ready',
      'Number of the pod with ready state',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas}`,
    ),
    integer('Up-to-date', 'Number of pods of the current template.', ({ status }) => status?.updatedReplicas ?? 0),
    integer(
      'Available',
      'Number of pods that have been ready for minReadySeconds.',
      ({ status }) => status?.availableReplicas ?? 0,
    ),
    ageColumn,
    ...containerColumns(({ spec }: types.Deployment) => spec.template),
    selectorColumn(({ spec }: types.Deployment) => spec.selector),
  ],
};

const selectorWords = { emptyFor: 'deployment', bad: 'invalid label selector' };

function defaultStrategy(strategy: types.DeploymentStrategy): types.DeploymentStrategy {
  const typed = withDefaults(strategy, { type: 'RollingUpdate' });
  if (typed.type !== 'RollingUpdate') return typed;
  const rollingUpdate = withDefaults(typed.rollingUpdate ?? {}, { maxUnavailable: '25%', maxSurge: '25%' });
  return rollingUpdate === typed.rollingUpdate ? typed : { ...typed, rollingUpdate };
}

function strategyErrors(field: string, strategy: types.DeploymentStrategy): FieldError[] {
  const { type = '', rollingUpdate } = strategy;
  const types = ['Recreate', 'RollingUpdate'];
  const errors: FieldError[] = types.includes(type) ? [] : [notSupported(field, strategy, types)];
  if (type === 'Recreate' && rollingUpdate !== undefined) {
    errors.push(forbidden(`${field}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'"));
  }
  if (type !== 'RollingUpdate' || rollingUpdate === undefined) return errors;
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const path = `${field}.rollingUpdate`;
  errors.push(
    ...intOrPercentErrors(`${path}.maxUnavailable`, maxUnavailable),
    ...intOrPercentErrors(`${path}.maxSurge`, maxSurge),
    ...atMostHundredPercent(`${path}.maxUnavailable`, maxUnavailable),
  );
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.push(invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  return errors;
}

function deadlineErrors({ progressDeadlineSeconds, minReadySeconds = 0 }: types.DeploymentSpec): FieldError[] {
  const field = 'spec.progressDeadlineSeconds';
  const errors = nonNegative(field, progressDeadlineSeconds);
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    errors.push(invalid(field, progressDeadlineSeconds, 'must be greater than minReadySeconds'));
  }
  return errors;
}
