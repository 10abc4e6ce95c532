/**
 * The rules of CustomResourceDefinitions. What all versions say alike is judged once and told of under `spec.validation`,
 * `spec.subresources` and so on: that is where upstream keeps it.
 * Source: apiextensions-apiserver pkg/apis/apiextensions/validation (validation.go).
 */
import { isDeepStrictEqual } from 'node:util';
import {
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
  tooMany,
  type FieldError,
} from '#machinery/field-error.ts';
import { dns1035LabelComplaints, dns1123SubdomainComplaints, immutableComplaint } from '#machinery/names.ts';
import type { JsonSchema } from '#machinery/structural/json-schema.ts';
import { hasRules, loadedRules } from '#machinery/structural/load-rules.ts';
import { isTrue } from './definition-conditions.ts';
import { conversionErrors } from './conversion-rules.ts';
import { defaultErrors } from './default-rules.ts';
import { validFieldPath } from './field-path.ts';
import { schemaErrors } from './schema-rules.ts';
import { structuralErrors } from './structural-rules.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  SelectableField,
} from './types.generated.ts';

const selectableFieldsMax = 8;
const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

export function specErrors(spec: CustomResourceDefinitionSpec): readonly FieldError[] {
  const { group, scope, versions, names } = spec;
  const errors: FieldError[] = [];
  const groupComplaints = dns1123SubdomainComplaints(group);
  if (group === '') errors.push(required('spec.group'));
  else if (groupComplaints.length > 0) errors.push(invalid('spec.group', group, groupComplaints.join(',')));
  else if (!group.includes('.')) errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  if (scope === '') errors.push(required('spec.scope'));
  else if (scope !== 'Cluster' && scope !== 'Namespaced') {
    errors.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  }
  if (spec.preserveUnknownFields === true) {
    const words =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
    errors.push(invalid('spec.preserveUnknownFields', true, words));
  }
  errors.push(...versionsErrors(versions));
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) {
    if ((names[name] ?? '') === '') errors.push(required(`spec.names.${name}`));
  }
  return [...errors, ...namesErrors('spec.names', names), ...conversionErrors('spec.conversion', spec.conversion)];
}

function versionsErrors(versions: readonly CustomResourceDefinitionVersion[]): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, { schema }] of versions.entries()) {
    if (schema?.openAPIV3Schema === undefined) errors.push(required(`spec.versions[${index}].schema.openAPIV3Schema`));
  }
  const alike = (of: (version: CustomResourceDefinitionVersion) => unknown) =>
    versions.length > 0 &&
    versions.every((each) => of(each) !== undefined && isDeepStrictEqual(of(each), of(versions[0]!)));
  const hasStatus = ({ subresources }: CustomResourceDefinitionVersion) => subresources?.status !== undefined;
  const schemasAlike = alike(({ schema }) => schema);
  const subresourcesAlike = alike(({ subresources }) => subresources);
  const columnsAlike = alike(({ additionalPrinterColumns: columns }) =>
    (columns ?? []).length > 0 ? columns : undefined,
  );
  const fieldsAlike = alike(({ selectableFields: fields }) => ((fields ?? []).length > 0 ? fields : undefined));
  for (const [index, version] of versions.entries()) {
    const path = `spec.versions[${index}]`;
    const complaints = dns1035LabelComplaints(version.name);
    if (complaints.length > 0) errors.push(invalid(`${path}.name`, version.name, complaints.join(',')));
    errors.push(...deprecationErrors(path, version));
    const where = (same: boolean, once: string, each: string) => (same ? (index === 0 ? once : undefined) : each);
    const schema = version.schema?.openAPIV3Schema as JsonSchema | undefined; // the same on the wire
    const schemaPath = where(schemasAlike, 'spec.validation', `${path}.schema`);
    if (schemaPath !== undefined && schema !== undefined) {
      const withStatus = schemasAlike ? versions.some(hasStatus) : hasStatus(version);
      errors.push(...versionSchemaErrors(`${schemaPath}.openAPIV3Schema`, schema, withStatus));
    }
    const subresourcesPath = where(subresourcesAlike, 'spec.subresources', `${path}.subresources`);
    if (subresourcesPath !== undefined) errors.push(...subresourcesErrors(subresourcesPath, version.subresources));
    const columnsPath = where(columnsAlike, 'spec.additionalPrinterColumns', `${path}.additionalPrinterColumns`);
    if (columnsPath !== undefined) {
      for (const [column, each] of (version.additionalPrinterColumns ?? []).entries()) {
        errors.push(...columnErrors(`${columnsPath}[${column}]`, each));
      }
    }
    const fieldsPath = where(fieldsAlike, 'spec.selectableFields', `${path}.selectableFields`);
    if (fieldsPath !== undefined && schema !== undefined) {
      errors.push(...selectableErrors(fieldsPath, version.selectableFields ?? [], schema));
    }
  }
  if (new Set(versions.map(({ name }) => name)).size < versions.length) {
    errors.push(invalid('spec.versions', versions, 'must contain unique version names'));
  }
  if (versions.filter(({ storage }) => storage).length !== 1) {
    errors.push(invalid('spec.versions', versions, 'must have exactly one version marked as storage version'));
  }
  return errors;
}

function deprecationErrors(path: string, version: CustomResourceDefinitionVersion): FieldError[] {
  const { deprecated, deprecationWarning: text } = version;
  if (text === undefined) return [];
  const complaints: string[] = [];
  if (deprecated !== true) complaints.push('can only be set for deprecated versions');
  else {
    if (Buffer.byteLength(text) > 256) complaints.push('must be <= 256 characters long');
    if (text === '') complaints.push('must not be an empty string');
    const bad = /[\p{C}\p{Zl}\p{Zp}]/u.exec(text);
    if (bad !== null) {
      const at = Buffer.byteLength(text.slice(0, bad.index));
      complaints.push(`must only contain printable UTF-8 characters; non-printable character found at index ${at}`);
    }
  }
  return complaints.map((complaint) => invalid(`${path}.deprecationWarning`, text, complaint));
}

/** What may stand at the root beside `type` where the status is a subresource, by upstream's names. */
const rootFields: Readonly<Record<string, string>> = {
  description: 'Description',
  type: 'Type',
  format: 'Format',
  title: 'Title',
  maximum: 'Maximum',
  exclusiveMaximum: 'ExclusiveMaximum',
  minimum: 'Minimum',
  exclusiveMinimum: 'ExclusiveMinimum',
  maxLength: 'MaxLength',
  minLength: 'MinLength',
  pattern: 'Pattern',
  maxItems: 'MaxItems',
  minItems: 'MinItems',
  uniqueItems: 'UniqueItems',
  multipleOf: 'MultipleOf',
  required: 'Required',
  items: 'Items',
  properties: 'Properties',
  externalDocs: 'ExternalDocs',
  example: 'Example',
  'x-kubernetes-preserve-unknown-fields': 'XPreserveUnknownFields',
  'x-kubernetes-validations': 'XValidations',
};

function versionSchemaErrors(path: string, schema: JsonSchema, withStatus: boolean): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (withStatus) {
    if (schema.type !== undefined && schema.type !== 'object') {
      const words =
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
      errors.push(invalid(`${path}.type`, schema.type, words));
    } else if (Object.keys(schema).some((key) => !Object.hasOwn(rootFields, key))) {
      const list = Object.values(rootFields).join(' ');
      const words = `only [${list}] fields are allowed at the root of the schema if the status subresource is enabled`;
      errors.push(invalid(path, schema, words));
    }
  }
  if (schema.nullable === true) errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'));
  const structural = structuralErrors(path, schema);
  errors.push(...structural);
  if (structural.length === 0) errors.push(...defaultErrors(path, schema));
  const said = schemaErrors(path, schema);
  // A schema that is wrong in itself would only have its rules complain of what they cannot know.
  const isSound = errors.length === 0 && said.length === 0;
  return [...errors, ...said, ...(isSound && hasRules(schema) ? loadedRules().ruleComplaints(path, schema) : [])];
}

function subresourcesErrors(path: string, subresources: CustomResourceSubresources | undefined): FieldError[] {
  const { scale } = subresources ?? {};
  if (scale === undefined) return [];
  const errors: FieldError[] = [];
  for (const [name, under] of [
    ['specReplicasPath', '.spec.'],
    ['statusReplicasPath', '.status.'],
  ] as const) {
    const field = `${path}.scale.${name}`;
    const value = scale[name];
    if (value === '') errors.push(required(field));
    else if (!value.startsWith('.')) {
      errors.push(invalid(field, value, 'must be a simple json path starting with .'));
    } else if (!value.startsWith(under)) {
      errors.push(invalid(field, value, `should be a json path under ${under.slice(0, -1)}`));
    }
  }
  const { labelSelectorPath: selector = '' } = scale;
  if (selector !== '') {
    const field = `${path}.scale.labelSelectorPath`;
    if (!selector.startsWith('.')) {
      errors.push(invalid(field, selector, 'must be a simple json path starting with .'));
    } else if (!selector.startsWith('.spec.') && !selector.startsWith('.status.')) {
      errors.push(invalid(field, selector, 'should be a json path under either .spec or .status'));
    }
  }
  return errors;
}

function columnErrors(path: string, column: CustomResourceColumnDefinition): FieldError[] {
  const { name, type, format = '', jsonPath } = column;
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`));
  const words = `must be one of ${columnTypes.join(',')}`;
  if (type === '') errors.push(required(`${path}.type`, words));
  else if (!columnTypes.includes(type)) errors.push(invalid(`${path}.type`, type, words));
  if (format !== '' && !columnFormats.includes(format)) {
    errors.push(invalid(`${path}.format`, format, `must be one of ${columnFormats.join(',')}`));
  }
  if (jsonPath === '') errors.push(required(`${path}.JSONPath`));
  else if (!jsonPath.startsWith('.')) {
    errors.push(invalid(`${path}.JSONPath`, jsonPath, 'must be a simple json path starting with .'));
  }
  return errors;
}

function selectableErrors(path: string, fields: readonly SelectableField[], schema: JsonSchema): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { jsonPath }] of fields.entries()) {
    const field = `${path}[${index}].jsonPath`;
    if (jsonPath === '') {
      errors.push(required(field));
      continue;
    }
    const found = validFieldPath(jsonPath, schema, { brackets: false });
    if (typeof found === 'string') {
      errors.push(invalid(field, jsonPath, `is an invalid path: ${found}`));
      continue;
    }
    if (found.keys[0] === 'metadata') errors.push(invalid(field, jsonPath, 'must not point to fields in metadata'));
    if (!['string', 'boolean', 'integer'].includes(found.schema.type ?? '')) {
      const words =
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
      errors.push(invalid(field, jsonPath, words));
    }
    if (seen.has(found.text)) errors.push(duplicate(field, jsonPath));
    seen.add(found.text);
  }
  if (seen.size > selectableFieldsMax) errors.push(tooMany(path, seen.size, selectableFieldsMax));
  return errors;
}

function namesErrors(path: string, names: CustomResourceDefinitionNames): FieldError[] {
  const { plural, singular = '', kind, listKind = '', shortNames = [], categories = [] } = names;
  const errors: FieldError[] = [];
  const check = (field: string, value: string, name: string, before = '') => {
    const complaints = value === '' ? [] : dns1035LabelComplaints(name);
    if (complaints.length > 0) errors.push(invalid(`${path}.${field}`, value, `${before}${complaints.join(',')}`));
  };
  const mixed = 'may have mixed case, but should otherwise match: ';
  check('plural', plural, plural);
  check('singular', singular, singular);
  check('kind', kind, kind.toLowerCase(), mixed);
  check('listKind', listKind, listKind.toLowerCase(), mixed);
  for (const [index, each] of shortNames.entries()) {
    const complaints = dns1035LabelComplaints(each);
    if (complaints.length > 0) errors.push(invalid(`${path}.shortNames[${index}]`, each, complaints.join(',')));
  }
  if (kind !== '' && kind === listKind) {
    errors.push(invalid(`${path}.listKind`, listKind, 'kind and listKind may not be the same'));
  }
  for (const [index, each] of categories.entries()) {
    const complaints = dns1035LabelComplaints(each);
    if (complaints.length > 0) errors.push(invalid(`${path}.categories[${index}]`, each, complaints.join(',')));
  }
  return errors;
}

/** Names that were accepted, once there are some. */
export function statusErrors({ status }: CustomResourceDefinition): readonly FieldError[] {
  const names = status?.acceptedNames;
  return names === undefined ? [] : namesErrors('status.acceptedNames', names);
}

export function storedVersionsErrors({ spec, status }: CustomResourceDefinition): readonly FieldError[] {
  const stored = status?.storedVersions ?? [];
  const path = 'status.storedVersions';
  if (stored.length === 0) return [invalid(path, stored, 'must have at least one stored version')];
  const errors: FieldError[] = [];
  for (const { name, storage } of spec.versions) {
    if (storage && !stored.includes(name)) errors.push(invalid(path, stored, `must have the storage version ${name}`));
  }
  for (const [index, name] of stored.entries()) {
    if (spec.versions.some((each) => each.name === name)) continue;
    const words = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    errors.push(invalid(`${path}[${index}]`, name, words));
  }
  return errors;
}

/** What never changes; scope and kind from the moment on that objects may exist. */
export function immutableErrors(
  next: CustomResourceDefinition,
  stored: CustomResourceDefinition,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  const same = (field: string, value: string, before: string) => {
    if (value !== before) errors.push(invalid(field, value, immutableComplaint));
  };
  if (isTrue(stored, 'Established')) {
    same('spec.scope', next.spec.scope, stored.spec.scope);
    same('spec.names.kind', next.spec.names.kind, stored.spec.names.kind);
  }
  same('spec.group', next.spec.group, stored.spec.group);
  same('spec.names.plural', next.spec.names.plural, stored.spec.names.plural);
  return errors;
}

export const approvalAnnotation = 'api-approved.kubernetes.io';

/** True for the groups that the Kubernetes community has kept for itself. */
export function isProtectedGroup(group: string): boolean {
  return ['k8s.io', 'kubernetes.io'].some((each) => group === each || group.endsWith(`.${each}`));
}

/** Source: apiextensions-apiserver pkg/apihelpers (GetAPIApprovalState). */
export function approvalOf({
  metadata,
  spec,
}: CustomResourceDefinition):
  | { readonly state: 'missing' | 'bypassed' | 'approved' | 'invalid'; readonly message: string }
  | undefined {
  if (!isProtectedGroup(spec.group)) return undefined;
  const text = metadata?.annotations?.[approvalAnnotation] ?? '';
  if (text === '') {
    const message = `protected groups must have approval annotation "${approvalAnnotation}", see https://github.com/kubernetes/enhancements/pull/1111`;
    return { state: 'missing', message };
  }
  if (text.startsWith('unapproved')) {
    return { state: 'bypassed', message: `not approved: ${JSON.stringify(text)}` };
  }
  if (/^https?:\/\/[^/]+\/?/.test(text)) return { state: 'approved', message: `approved in ${text}` };
  const message = `protected groups must have approval annotation "${approvalAnnotation}" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`;
  return { state: 'invalid', message };
}

/** Missing approval that was missing before is let through. */
export function approvalErrors(
  next: CustomResourceDefinition,
  stored: CustomResourceDefinition | undefined,
): readonly FieldError[] {
  const approval = approvalOf(next);
  if (approval === undefined || approval.state === 'approved' || approval.state === 'bypassed') return [];
  if (stored !== undefined && approvalOf(stored)?.state === approval.state) return [];
  const field = `metadata.annotations[${approvalAnnotation}]`;
  const value = next.metadata?.annotations?.[approvalAnnotation] ?? '';
  return [approval.state === 'missing' ? required(field, approval.message) : invalid(field, value, approval.message)];
}
