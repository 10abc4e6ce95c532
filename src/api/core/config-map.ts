import { forbidden, invalid, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { configKeyComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { complain, sameValue } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type ConfigMap = types.ConfigMap;
export const ConfigMap: Kind<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.ConfigMap');
  },
  /** Source: kubernetes pkg/apis/core/validation (ValidateConfigMap). */
  validate({ data = {}, binaryData = {} }) {
    const errors: FieldError[] = [];
    let bytes = 0;
    for (const [key, value] of Object.entries(data)) {
      errors.push(...complain(`data[${key}]`, key, configKeyComplaints(key)));
      if (Object.hasOwn(binaryData, key)) {
        errors.push(invalid(`data[${key}]`, key, `duplicate of key present in binaryData`));
      }
      bytes += Buffer.byteLength(value);
    }
    for (const [key, value] of Object.entries(binaryData)) {
      errors.push(...complain(`binaryData[${key}]`, key, configKeyComplaints(key)));
      bytes += Buffer.byteLength(value, 'base64');
    }
    if (bytes > configMapBytesMax) errors.push(tooLong('[]', configMapBytesMax));
    return errors;
  },
  validateUpdate(map, stored) {
    if (stored.immutable !== true) return [];
    const errors: FieldError[] = [];
    if (map.immutable !== true) errors.push(forbidden('immutable', 'field is immutable when `immutable` is set'));
    for (const name of ['data', 'binaryData'] as const) {
      if (!sameValue(map[name] ?? {}, stored[name] ?? {})) {
        errors.push(forbidden(name, 'field is immutable when `immutable` is set'));
      }
    }
    return errors;
  },
  columns: [
    nameColumn,
    column('Data', 'Number of entries.', ({ data = {}, binaryData = {} }) =>
      String(Object.keys(data).length + Object.keys(binaryData).length),
    ),
    ageColumn,
  ],
};

/** All values together. */
const configMapBytesMax = 1024 * 1024;
