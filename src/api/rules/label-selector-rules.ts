import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelKeyErrors, labelsErrors } from '#machinery/labels.ts';
import type { LabelSelectorSource } from '#machinery/labels.ts';
import { labelValueComplaints } from '#machinery/names.ts';
import { complain, each } from './fields.ts';

/** Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation (ValidateLabelSelector). An absent selector is fine. */
export function labelSelectorErrors(field: string, selector: LabelSelectorSource | undefined): FieldError[] {
  if (selector === undefined) return [];
  return [
    ...labelsErrors(`${field}.matchLabels`, selector.matchLabels),
    ...each(`${field}.matchExpressions`, selector.matchExpressions, (path, { key, operator, values = [] }) => {
      const errors: FieldError[] = [];
      if (operator === 'In' || operator === 'NotIn') {
        if (values.length === 0) {
          errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
      } else if (operator === 'Exists' || operator === 'DoesNotExist') {
        if (values.length > 0) {
          errors.push(
            forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
          );
        }
      } else {
        errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
      }
      errors.push(...labelKeyErrors(`${path}.key`, key));
      errors.push(...each(`${path}.values`, values, (at, value) => complain(at, value, labelValueComplaints(value))));
      return errors;
    }),
  ];
}

export function isEmptySelector(selector: LabelSelectorSource | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}
