import { invalid, required, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';

const lengthMax = 63;

/** The name of a storage driver. Source: kubernetes pkg/apis/core/validation (ValidateCSIDriverName). */
export function driverNameErrors(field: string, name = ''): FieldError[] {
  return [
    ...(name === '' ? [required(field)] : []),
    ...(name.length > lengthMax ? [tooLong(field, lengthMax)] : []),
    ...dns1123SubdomainComplaints(name.toLowerCase()).map((complaint) => invalid(field, name, complaint)),
  ];
}
