import { duplicate, forbidden, required, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { labelKeyErrors } from '#machinery/labels.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import type { TopologySelectorTerm } from '../core/types.generated.ts';
import { definition } from '../definitions.ts';
import { boolean, ageColumn, column, nameColumn } from '../rules/columns.ts';
import { withDefaults } from '../rules/defaulting.ts';
import { choice, each, immutable, sameValue, text } from '../rules/fields.ts';
import { parametersErrors } from './parameters.ts';
import type * as types from './types.generated.ts';

export type StorageClass = types.StorageClass;
export const StorageClass: Kind<StorageClass> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  singular: 'storageclass',
  shortNames: ['sc'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.storage.v1.StorageClass');
  },
  defaults: (storageClass) => withDefaults(storageClass, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
  /** Source: kubernetes pkg/apis/storage/validation (ValidateStorageClass, ValidateStorageClassUpdate). */
  validate({ provisioner, parameters, reclaimPolicy, volumeBindingMode, allowedTopologies }) {
    return [
      ...text('provisioner', provisioner, (name) => qualifiedNameComplaints(name.toLowerCase())),
      ...parametersErrors('parameters', parameters, { mayBeEmpty: true }),
      ...choice('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']),
      ...choice('volumeBindingMode', volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
      ...topologiesErrors('allowedTopologies', allowedTopologies),
    ];
  },
  validateUpdate(storageClass, stored) {
    return [
      ...(['parameters', 'provisioner', 'reclaimPolicy'] as const).flatMap((name) =>
        sameValue(storageClass[name] ?? {}, stored[name] ?? {})
          ? []
          : [forbidden(name, `updates to ${name} are forbidden.`)],
      ),
      ...immutable('volumeBindingMode', storageClass.volumeBindingMode, stored.volumeBindingMode),
    ];
  },
  columns: [
    {
      ...nameColumn,
      cell: ({ metadata }) => {
        const isDefault = metadata?.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true';
        return `${metadata?.name ?? ''}${isDefault ? ' (default)' : ''}`;
      },
    },
    column('Provisioner', 'Who makes the volumes.', ({ provisioner }) => provisioner),
    column('ReclaimPolicy', 'What happens to volumes whose claim goes.', ({ reclaimPolicy = '' }) => reclaimPolicy),
    column('VolumeBindingMode', 'When volumes are made.', ({ volumeBindingMode = '' }) => volumeBindingMode),
    boolean(
      'AllowVolumeExpansion',
      'Whether volumes can grow.',
      ({ allowVolumeExpansion = false }) => allowVolumeExpansion,
    ),
    ageColumn,
  ],
};

/** Source: kubernetes pkg/apis/storage/validation (validateAllowedTopologies). A term that asks for nothing is refused. */
function topologiesErrors(field: string, terms: readonly TopologySelectorTerm[] | undefined): FieldError[] {
  const seen = new Set([keyOfTerm({})]);
  return each(field, terms, (path, term) => {
    const at = `${path}.matchLabelExpressions`;
    const keys = new Set<string>();
    const errors = each(at, term.matchLabelExpressions, (inTerm, { key, values }) => {
      const repeated = keys.has(key);
      keys.add(key);
      return [
        ...((values ?? []).length === 0 ? [required(`${inTerm}.values`)] : []),
        ...each(`${inTerm}.values`, values, (inValues, value, index) =>
          values.indexOf(value) < index ? [duplicate(inValues, value)] : [],
        ),
        ...labelKeyErrors(`${inTerm}.key`, key),
        ...(repeated ? [duplicate(`${inTerm}.key`, key)] : []),
      ];
    });
    if (seen.has(keyOfTerm(term))) errors.push(duplicate(at, ''));
    seen.add(keyOfTerm(term));
    return errors;
  });
}

/** Terms that ask for the same have the same one. */
const keyOfTerm = ({ matchLabelExpressions = [] }: TopologySelectorTerm) =>
  JSON.stringify(
    matchLabelExpressions.map(({ key, values }) => JSON.stringify([key, ...values.toSorted()])).toSorted(),
  );
