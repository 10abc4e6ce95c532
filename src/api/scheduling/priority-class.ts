import { forbidden } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { boolean, ageColumn, column, integer, nameColumn } from '../rules/columns.ts';
import { withDefaults } from '../rules/defaulting.ts';
import { choice, immutable } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type PriorityClass = types.PriorityClass;
export const PriorityClass: Kind<PriorityClass> = {
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  singular: 'priorityclass',
  shortNames: ['pc'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.scheduling.v1.PriorityClass');
  },
  hasGeneration: true,
  defaults: (priority) => withDefaults(priority, { preemptionPolicy: 'PreemptLowerPriority' }),
  /** Source: kubernetes pkg/apis/scheduling/validation (ValidatePriorityClass). */
  validate({ metadata, value, preemptionPolicy }) {
    const errors: FieldError[] = [];
    const name = metadata?.name ?? '';
    if (name.startsWith('system-')) {
      if (systemClasses[name] !== value) {
        errors.push(
          forbidden(
            'metadata.name',
            "priority class names with 'system-' prefix are reserved for system use only. error: " +
              (name in systemClasses
                ? `value of ${name} PriorityClass must be ${systemClasses[name]}`
                : `${name} is not a known system priority class`),
          ),
        );
      }
    } else if (value > highestUserPriority) {
      errors.push(forbidden('value', `maximum allowed value of a user defined priority is ${highestUserPriority}`));
    }
    return [...errors, ...choice('preemptionPolicy', preemptionPolicy, ['PreemptLowerPriority', 'Never'])];
  },
  validateUpdate(priority, stored) {
    return [
      ...(priority.value === stored.value ? [] : [forbidden('value', 'may not be changed in an update.')]),
      ...immutable('preemptionPolicy', priority.preemptionPolicy, stored.preemptionPolicy),
    ];
  },
  columns: [
    nameColumn,
    integer('Value', 'The priority: more goes first.', ({ value }) => value),
    boolean(
      'Global-Default',
      'Whether pods without a class have this one.',
      ({ globalDefault = false }) => globalDefault,
    ),
    ageColumn,
    column('PreemptionPolicy', 'Whether lesser pods are driven out.', ({ preemptionPolicy = '' }) => preemptionPolicy),
  ],
};

const highestUserPriority = 1_000_000_000;
const systemClasses: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};
