import { invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { percentComplaints } from '#machinery/names.ts';
import { complain, nonNegative } from './fields.ts';

/** A count that is not negative, or `25%`. */
export function intOrPercentErrors(field: string, value: number | string | undefined): FieldError[] {
  if (value === undefined) return [required(field)];
  return typeof value === 'number' ? nonNegative(field, value) : complain(field, value, percentComplaints(value));
}

/** A percentage above 100 makes no sense for what is unavailable of a whole. */
export function atMostHundredPercent(field: string, value: number | string | undefined): FieldError[] {
  return typeof value === 'string' && /^\d+%$/.test(value) && Number.parseInt(value, 10) > 100
    ? [invalid(field, value, 'must not be greater than 100%')]
    : [];
}

/** Zero, as a count or a percentage. */
export function isZero(value: number | string | undefined): boolean {
  return value === 0 || (typeof value === 'string' && /^0+%?$/.test(value));
}
