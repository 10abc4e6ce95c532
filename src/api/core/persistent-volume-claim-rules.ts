/** Source: kubernetes pkg/apis/core/validation (ValidatePersistentVolumeClaimSpec). */
import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { parseQuantity } from '#machinery/quantity.ts';
import { each, optionalChoice, optionalText, text } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { amountErrors } from './resource-rules.ts';
import type * as types from './types.generated.ts';

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

/** At least one mode, known ones only, and ReadWriteOncePod only alone. */
export function accessModesErrors(field: string, modes: readonly string[] | undefined): FieldError[] {
  const list = modes ?? [];
  if (list.length === 0) return [required(field, 'at least 1 access mode is required')];
  const errors = list.flatMap((mode) => optionalChoice(field, mode, accessModes));
  if (list.includes('ReadWriteOncePod') && list.length > 1) {
    errors.push(forbidden(field, 'may not use ReadWriteOncePod with other access modes'));
  }
  return errors;
}

export function claimSpecErrors(field: string, spec: types.PersistentVolumeClaimSpec | undefined): FieldError[] {
  if (spec === undefined) return [required(field)];
  const errors = accessModesErrors(`${field}.accessModes`, spec.accessModes);
  errors.push(...labelSelectorErrors(`${field}.selector`, spec.selector));
  const storage = spec.resources?.requests?.['storage'];
  if (storage === undefined) errors.push(required(`${field}.resources[storage]`));
  else errors.push(...positiveAmountErrors(`${field}.resources[storage]`, storage));
  errors.push(
    ...optionalText(`${field}.storageClassName`, spec.storageClassName, dns1123SubdomainComplaints),
    ...optionalText(`${field}.volumeAttributesClassName`, spec.volumeAttributesClassName, dns1123SubdomainComplaints),
    ...optionalChoice(`${field}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem']),
  );
  for (const name of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[name];
    if (source === undefined) continue;
    errors.push(...text(`${field}.${name}.name`, source.name), ...text(`${field}.${name}.kind`, source.kind));
    if ((source.apiGroup ?? '') === '' && source.kind !== 'PersistentVolumeClaim') {
      errors.push(invalid(`${field}.${name}`, source.kind, ''));
    }
  }
  return errors;
}

/** Not negative, and not zero. */
export function positiveAmountErrors(field: string, amount: string): FieldError[] {
  const errors = amountErrors(field, 'storage', amount);
  if (errors.length > 0) return errors;
  return parseQuantity(amount).nanos === 0n ? [invalid(field, amount, 'must be greater than zero')] : [];
}

/** The templates of StatefulSets: names are checked by the caller. */
export function claimTemplatesErrors(
  field: string,
  templates: readonly types.PersistentVolumeClaim[] | undefined,
): FieldError[] {
  return each(field, templates, (path, { spec }) => claimSpecErrors(`${path}.spec`, spec));
}
