/** Source: kubernetes pkg/apis/authorization/validation. */
import { invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';

interface Spec {
  readonly resourceAttributes?: unknown;
  readonly nonResourceAttributes?: unknown;
  readonly user?: string;
  readonly groups?: readonly string[];
}

/** Exactly one thing is asked about and, unless one asks for oneself, somebody is named. */
export function accessReviewErrors(spec: Spec, namesSubject: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if (resource !== undefined && path !== undefined) {
    errors.push(
      invalid('spec.nonResourceAttributes', path, 'cannot be specified in combination with resourceAttributes'),
    );
  }
  if (resource === undefined && path === undefined) {
    errors.push(
      invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    );
  }
  if (namesSubject && (spec.user ?? '') === '' && (spec.groups ?? []).length === 0) {
    errors.push(invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified'));
  }
  return errors;
}
