import { invalid, required, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, integer, nameColumn } from '../rules/columns.ts';
import { nonNegative, optionalChoice } from '../rules/fields.ts';
import { atMostHundredPercent, intOrPercentErrors } from '../rules/int-or-percent.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { resetStatus } from '../rules/reset-status.ts';
import type * as types from './types.generated.ts';

export type PodDisruptionBudget = types.PodDisruptionBudget;
export const PodDisruptionBudget: Kind<PodDisruptionBudget> = {
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  shortNames: ['pdb'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.policy.v1.PodDisruptionBudget');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
  /** Source: kubernetes pkg/apis/policy/validation (ValidatePodDisruptionBudgetSpec). */
  prepareForCreate: resetStatus,
  validate({ spec, status }) {
    const errors: FieldError[] = [];
    if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
      errors.push(invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set'));
    }
    for (const name of ['minAvailable', 'maxUnavailable'] as const) {
      if (spec[name] === undefined) continue;
      errors.push(
        ...intOrPercentErrors(`spec.${name}`, spec[name]),
        ...atMostHundredPercent(`spec.${name}`, spec[name]),
      );
    }
    errors.push(
      ...labelSelectorErrors('spec.selector', spec.selector),
      ...optionalChoice('spec.unhealthyPodEvictionPolicy', spec.unhealthyPodEvictionPolicy, [
        'AlwaysAllow',
        'IfHealthyBudget',
      ]),
    );
    if (status === undefined) return errors;
    for (const [index, { type }] of (status.conditions ?? []).entries()) {
      if (type === '') errors.push(required(`status.conditions[${index}].type`));
    }
    return [
      ...errors,
      ...nonNegative('status.disruptionsAllowed', status.disruptionsAllowed),
      ...nonNegative('status.currentHealthy', status.currentHealthy),
      ...nonNegative('status.desiredHealthy', status.desiredHealthy),
      ...nonNegative('status.expectedPods', status.expectedPods),
    ];
  },
  columns: [
    nameColumn,
    column('Min Available', 'Pods that must stay available.', ({ spec }) => String(spec.minAvailable ?? 'N/A')),
    column('Max Unavailable', 'Pods that may be unavailable.', ({ spec }) => String(spec.maxUnavailable ?? 'N/A')),
    integer('Allowed Disruptions', 'Pods that may be disrupted now.', ({ status }) => status?.disruptionsAllowed ?? 0),
    ageColumn,
  ],
};
