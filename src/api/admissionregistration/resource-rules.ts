import { invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { each, optionalChoice } from '../rules/fields.ts';
import type { RuleWithOperations } from './types.generated.ts';

const operationsSupported = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];

/**
 * Which operations on which resources are meant. Source: kubernetes pkg/apis/admissionregistration/validation
 * (validateRuleWithOperations, validateRule).
 */
export function resourceRuleErrors(field: string, rule: RuleWithOperations): readonly FieldError[] {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  return [
    ...listErrors(`${field}.operations`, operations, 'operations'),
    ...each(`${field}.operations`, operations, (at, operation) =>
      operationsSupported.includes(operation) ? [] : [notSupported(at, operation, operationsSupported)],
    ),
    ...listErrors(`${field}.apiGroups`, apiGroups, 'API groups'),
    ...listErrors(`${field}.apiVersions`, apiVersions, 'API versions'),
    ...each(`${field}.apiVersions`, apiVersions, (at, version) => (version === '' ? [required(at)] : [])),
    ...resourcesErrors(`${field}.resources`, resources),
    ...optionalChoice(`${field}.scope`, scope, scopes),
  ];
}

function listErrors(field: string, list: readonly string[], what: string): readonly FieldError[] {
  if (list.length === 0) return [required(field)];
  const mixed = list.length > 1 && list.includes('*');
  return mixed ? [invalid(field, list, `if '*' is present, must not specify other ${what}`)] : [];
}

function resourcesErrors(field: string, resources: readonly string[]): readonly FieldError[] {
  if (resources.length === 0) return [required(field)];
  const errors: FieldError[] = [];
  const [allSubresources, allResources] = [new Set<string>(), new Set<string>()];
  let namesPlain = false;
  for (const [index, text] of resources.entries()) {
    const at = `${field}[${index}]`;
    if (text === '') {
      errors.push(required(at));
      continue;
    }
    const slash = text.indexOf('/');
    if (slash < 0) {
      namesPlain = text !== '*';
      continue;
    }
    const [resource, subresource] = [text.slice(0, slash), text.slice(slash + 1)];
    if (allSubresources.has(resource)) {
      errors.push(invalid(at, text, `if '${resource}/*' is present, must not specify ${text}`));
    }
    if (allResources.has(subresource)) {
      errors.push(invalid(at, text, `if '*/${subresource}' is present, must not specify ${text}`));
    }
    if (subresource === '*') allSubresources.add(resource);
    if (resource === '*') allResources.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*')) {
    errors.push(invalid(field, resources, "if '*/*' is present, must not specify other resources"));
  }
  if (resources.includes('*') && namesPlain) {
    const words = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalid(field, resources, words));
  }
  return errors;
}
