import { forbidden } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { sameValue, text } from '../rules/fields.ts';
import { parametersErrors } from './parameters.ts';
import type * as types from './types.generated.ts';

export type VolumeAttributesClass = types.VolumeAttributesClass;
export const VolumeAttributesClass: Kind<VolumeAttributesClass> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  singular: 'volumeattributesclass',
  shortNames: ['vac'],
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.storage.v1.VolumeAttributesClass');
  },
  /** Source: kubernetes pkg/apis/storage/validation (ValidateVolumeAttributesClass). */
  validate: ({ driverName, parameters }) => [
    ...text('driverName', driverName, (name) => qualifiedNameComplaints(name.toLowerCase())),
    ...parametersErrors('parameters', parameters, { mayBeEmpty: false }),
  ],
  validateUpdate: (own, stored) =>
    (['driverName', 'parameters'] as const)
      .filter((field) => !sameValue(own[field], stored[field]))
      .map((field) => forbidden(field, `updates to ${field} are forbidden.`)),
  columns: [
    nameColumn,
    column('DriverName', 'The driver that understands the parameters.', ({ driverName }) => driverName),
    ageColumn,
  ],
};
