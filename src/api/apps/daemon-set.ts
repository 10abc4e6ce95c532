import { invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { formatLabels } from '#machinery/labels.ts';
import { ownLabelsErrors, runningTemplateErrors } from '../core/pod-template-rules.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, containerColumns, integer, nameColumn, selectorColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { nonNegative } from '../rules/fields.ts';
import { atMostHundredPercent, intOrPercentErrors, isZero } from '../rules/int-or-percent.ts';
import { isEmptySelector, labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { resetStatus } from '../rules/reset-status.ts';
import type * as types from './types.generated.ts';
import { selectorUnchanged, statusCountErrors, withTemplateDefaults } from './workload-rules.ts';

export type DaemonSet = types.DaemonSet;
export const DaemonSet: Kind<DaemonSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  singular: 'daemonset',
  shortNames: ['ds'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.apps.v1.DaemonSet');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
  defaults(set) {
    return mapField(set, 'spec', (spec) =>
      withTemplateDefaults(
        mapField(
          withDefaults<types.DaemonSetSpec>(spec, { updateStrategy: {}, revisionHistoryLimit: 10 }),
          'updateStrategy',
          defaultStrategy,
        ),
      ),
    );
  },
  prepareForCreate: resetStatus,
  validate({ spec, status }) {
    return [
      ...selectorErrors('spec', spec),
      ...runningTemplateErrors('spec.template', spec.template, 'DaemonSet'),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...strategyErrors('spec.updateStrategy', spec.updateStrategy ?? {}),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
      ...statusCountErrors({ ...status }, [
        'currentNumberScheduled',
        'numberMisscheduled',
        'desiredNumberScheduled',
        'numberReady',
        'updatedNumberScheduled',
        'numberAvailable',
        'numberUnavailable',
      ]),
    ];
  },
  validateUpdate: ({ spec }, stored) => selectorUnchanged(spec, stored.spec),
  columns: [
    nameColumn,
    integer('Desired', 'Number of nodes that should run the pod.', ({ status }) => status?.desiredNumberScheduled ?? 0),
    integer(
      'Current',
      'Number of nodes that run the pod and should.',
      ({ status }) => status?.currentNumberScheduled ?? 0,
    ),
    integer('Ready', 'Number of nodes with a ready pod.', ({ status }) => status?.numberReady ?? 0),
    integer(
      'Up-to-date',
      'Number of nodes with a pod of the current template.',
      ({ status }) => status?.updatedNumberScheduled ?? 0,
    ),
    integer('Available', 'Number of nodes with an available pod.', ({ status }) => status?.numberAvailable ?? 0),
    column('Node Selector', 'Labels of the nodes that should run the pod.', ({ spec }) =>
      formatLabels(spec.template?.spec?.nodeSelector),
    ),
    ageColumn,
    ...containerColumns(({ spec }: types.DaemonSet) => spec.template),
    selectorColumn(({ spec }: types.DaemonSet) => spec.selector),
  ],
};

function defaultStrategy(strategy: types.DaemonSetUpdateStrategy): types.DaemonSetUpdateStrategy {
  const typed = withDefaults(strategy, { type: 'RollingUpdate' });
  if (typed.type !== 'RollingUpdate') return typed;
  const rollingUpdate = withDefaults(typed.rollingUpdate ?? {}, { maxUnavailable: 1, maxSurge: 0 });
  return rollingUpdate === typed.rollingUpdate ? typed : { ...typed, rollingUpdate };
}

/** Source: kubernetes pkg/apis/apps/validation (ValidateDaemonSetSpec), which asks for no selector by name. */
function selectorErrors(field: string, { selector, template }: types.DaemonSetSpec): FieldError[] {
  const errors = labelSelectorErrors(`${field}.selector`, selector);
  if (errors.length > 0) return errors;
  return [
    ...ownLabelsErrors(`${field}.template`, selector, template),
    ...(selector !== undefined && isEmptySelector(selector)
      ? [invalid(`${field}.selector`, selector, 'empty selector is invalid for daemonset')]
      : []),
  ];
}

/** Source: kubernetes pkg/apis/apps/validation (ValidateRollingUpdateDaemonSet). */
function strategyErrors(field: string, strategy: types.DaemonSetUpdateStrategy): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate') return [notSupported(field, strategy, ['RollingUpdate', 'OnDelete'])];
  const path = `${field}.rollingUpdate`;
  if (rollingUpdate === undefined) return [required(path)];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const errors = [
    ...intOrPercentErrors(`${path}.maxUnavailable`, maxUnavailable),
    ...intOrPercentErrors(`${path}.maxSurge`, maxSurge),
    ...atMostHundredPercent(`${path}.maxUnavailable`, maxUnavailable),
    ...atMostHundredPercent(`${path}.maxSurge`, maxSurge),
  ];
  if (!isZero(maxUnavailable) && !isZero(maxSurge)) {
    errors.push(invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  }
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  }
  return errors;
}
