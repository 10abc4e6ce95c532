/** Source: kubernetes pkg/apis/core/validation (ValidatePersistentVolumeClaimSpec). */
import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints, positiveComplaint } from '#machinery/names.ts';
import { compareQuantities } from '#machinery/quantity.ts';
import { each, optionalChoice, optionalText, text } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import type * as types from './types.generated.ts';

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

/** Known modes only, and ReadWriteOncePod only alone. */
export function accessModesErrors(field: string, modes: readonly string[] | undefined): FieldError[] {
  const list = modes ?? [];
  const errors = list.flatMap((mode) => optionalChoice(field, mode, accessModes));
  if (
    list.includes('ReadWriteOncePod') &&
    list.some((mode) => mode !== 'ReadWriteOncePod' && accessModes.includes(mode))
  ) {
    errors.push(forbidden(field, 'may not use ReadWriteOncePod with other access modes'));
  }
  return errors;
}

export function claimSpecErrors(field: string, spec: types.PersistentVolumeClaimSpec | undefined): FieldError[] {
  if (spec === undefined) return [required(field)];
  const errors =
    (spec.accessModes ?? []).length === 0
      ? [required(`${field}.accessModes`, 'at least 1 access mode is required')]
      : [];
  errors.push(
    ...labelSelectorErrors(`${field}.selector`, spec.selector),
    ...accessModesErrors(`${field}.accessModes`, spec.accessModes),
  );
  const storage = spec.resources?.requests?.['storage'];
  if (storage === undefined) errors.push(required(`${field}.resources[storage]`));
  else errors.push(...positiveAmountErrors(`${field}.resources[storage]`, storage));
  errors.push(
    ...optionalText(`${field}.storageClassName`, spec.storageClassName, dns1123SubdomainComplaints),
    ...optionalChoice(`${field}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem']),
  );
  for (const name of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[name];
    if (source === undefined) continue;
    const { apiGroup = '', kind } = source;
    errors.push(...text(`${field}.${name}.name`, source.name), ...text(`${field}.${name}.kind`, kind));
    if (apiGroup === '' && kind !== 'PersistentVolumeClaim') {
      const why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
      errors.push(invalid(`${field}.${name}`, kind ?? '', why));
    }
    errors.push(...optionalText(`${field}.${name}.apiGroup`, apiGroup, dns1123SubdomainComplaints));
  }
  const { volumeAttributesClassName } = spec;
  return [
    ...errors,
    ...optionalText(`${field}.volumeAttributesClassName`, volumeAttributesClassName, dns1123SubdomainComplaints),
  ];
}

/** Not negative, and not zero. */
export function positiveAmountErrors(field: string, amount: string): FieldError[] {
  return compareQuantities(amount, '0') > 0 ? [] : [invalid(field, amount, positiveComplaint)];
}

/** The templates of StatefulSets: names are checked by the caller. */
export function claimTemplatesErrors(
  field: string,
  templates: readonly types.PersistentVolumeClaim[] | undefined,
): FieldError[] {
  return each(field, templates, (path, { spec }) => claimSpecErrors(`${path}.spec`, spec));
}
