import { forbidden, required, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { withDefaults } from '../rules/defaulting.ts';
import { immutable, sameValue } from '../rules/fields.ts';
import { secretDataErrors } from './secret-rules.ts';
import type * as types from './types.generated.ts';

export type Secret = types.Secret;
export const Secret: Kind<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.Secret');
  },
  /** `stringData` is there for writing only: it joins `data`, and wins over it. */
  defaults(secret) {
    const { stringData, ...rest } = withDefaults<types.Secret>(secret, { type: 'Opaque' });
    if (stringData === undefined) return secret.type === undefined ? { ...rest } : secret;
    const encoded = Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    return { ...rest, data: { ...rest.data, ...Object.fromEntries(encoded) } };
  },
  /** Source: kubernetes pkg/apis/core/validation (ValidateSecret). */
  validate(secret) {
    const bytes = Object.values(secret.data ?? {}).reduce((sum, value) => sum + Buffer.byteLength(value, 'base64'), 0);
    return [
      ...((secret.type ?? '') === '' ? [required('type')] : []),
      ...(bytes > secretBytesMax ? [tooLong('data', secretBytesMax)] : []),
      ...secretDataErrors(secret),
    ];
  },
  validateUpdate(secret, stored) {
    const errors: FieldError[] = immutable('type', secret.type, stored.type);
    if (stored.immutable !== true) return errors;
    if (secret.immutable !== true) errors.push(forbidden('immutable', 'field is immutable when `immutable` is set'));
    if (!sameValue(secret.data ?? {}, stored.data ?? {})) {
      errors.push(forbidden('data', 'field is immutable when `immutable` is set'));
    }
    return errors;
  },
  columns: [
    nameColumn,
    column('Type', 'What the secret is for.', ({ type = '' }) => type),
    column('Data', 'Number of entries.', ({ data = {} }) => String(Object.keys(data).length)),
    ageColumn,
  ],
  selectableFields: { type: ({ type = '' }) => type },
};

/** All values together. */
const secretBytesMax = 1024 * 1024;
