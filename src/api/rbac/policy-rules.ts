/** Source: kubernetes pkg/apis/rbac/validation (ValidatePolicyRule). */
import { invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { each } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export function policyRulesErrors(
  field: string,
  rules: readonly types.PolicyRule[] | undefined,
  namespaced: boolean,
): FieldError[] {
  return each(field, rules, (path, rule) => {
    const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
    const errors: FieldError[] = [];
    if ((verbs ?? []).length === 0) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'));
    if (nonResourceURLs.length > 0) {
      if (namespaced) {
        errors.push(
          invalid(`${path}.nonResourceURLs`, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'),
        );
      }
      if (apiGroups.length + resources.length + resourceNames.length > 0) {
        errors.push(
          invalid(
            `${path}.nonResourceURLs`,
            nonResourceURLs,
            'rules cannot apply to both regular resources and non-resource URLs',
          ),
        );
      }
      return errors;
    }
    if (apiGroups.length === 0) {
      errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
    }
    if (resources.length === 0) {
      errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
    }
    return errors;
  });
}
