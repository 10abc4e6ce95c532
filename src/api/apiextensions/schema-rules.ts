/**
 * What a definition's schema may say at all, and what its extensions need of each other.
 * Source: apiextensions-apiserver pkg/apis/apiextensions/validation (ValidateCustomResourceDefinitionOpenAPISchema).
 */
import { forbidden, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import type { JsonSchema, ValidationRule } from '#machinery/structural/json-schema.ts';
import { validFieldPath } from './field-path.ts';

/** Everything a schema may say on the wire, of which much is refused. */
interface WireSchema extends JsonSchema {
  readonly id?: string;
  readonly $ref?: string;
  readonly additionalItems?: unknown;
  readonly patternProperties?: Readonly<Record<string, unknown>>;
  readonly definitions?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, unknown>>;
}

interface Place {
  /** Why there may be no defaults here. */
  readonly noDefaults?: string;
  readonly insideMeta?: boolean;
  readonly isRoot?: boolean;
}

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const metaFields = new Set(['metadata', 'kind', 'apiVersion']);

export function schemaErrors(path: string, schema: JsonSchema): readonly FieldError[] {
  return errorsOf(path, schema, { isRoot: true });
}

function errorsOf(path: string, schema: WireSchema, place: Place): FieldError[] {
  const errors = [...ownErrors(path, schema, place)];
  const { additionalProperties, properties = {}, items, not } = schema;
  const inside: Place = { ...place, isRoot: false };
  if (schema.uniqueItems === true) {
    const words = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(`${path}.uniqueItems`, words));
  }
  if (additionalProperties !== undefined) {
    if (Object.keys(properties).length > 0 && additionalProperties !== true) {
      const words = 'additionalProperties and properties are mutual exclusive';
      errors.push(forbidden(`${path}.additionalProperties`, words));
    }
    if (typeof additionalProperties === 'object') {
      const noDefaults = 'inside additionalProperties applying to object metadata';
      const sub = place.insideMeta === true ? { ...inside, noDefaults } : inside;
      errors.push(...errorsOf(`${path}.additionalProperties`, additionalProperties, sub));
    }
  }
  const isResource = place.isRoot === true || schema['x-kubernetes-embedded-resource'] === true;
  for (const [name, each] of Object.entries(properties)) {
    const isMeta = isResource && metaFields.has(name);
    const sub: Place = {
      ...inside,
      ...(isMeta ? { insideMeta: true } : {}),
      ...(isMeta && place.isRoot === true ? { noDefaults: `in top-level ${name}` } : {}),
    };
    errors.push(...errorsOf(`${path}.properties[${name}]`, each, sub));
  }
  if (not !== undefined) errors.push(...errorsOf(`${path}.not`, not, inside));
  for (const key of ['allOf', 'oneOf', 'anyOf'] as const) {
    for (const [index, each] of (schema[key] ?? []).entries()) {
      errors.push(...errorsOf(`${path}.${key}[${index}]`, each, inside));
    }
  }
  if (items !== undefined && !Array.isArray(items)) errors.push(...errorsOf(`${path}.items`, items, inside));
  errors.push(...listErrors(path, schema), ...ruleErrors(path, schema));
  return errors;
}

/** What is refused wherever it stands. */
function ownErrors(path: string, schema: WireSchema, place: Place): FieldError[] {
  const { type = '' } = schema;
  const errors: FieldError[] = [];
  if (type !== '' && !types.includes(type)) errors.push(notSupported(`${path}.type`, type, types));
  if (schema.default !== undefined && place.noDefaults !== undefined) {
    errors.push(forbidden(`${path}.default`, `must not be set ${place.noDefaults}`));
  }
  for (const key of ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'] as const) {
    const value = schema[key];
    const isEmpty =
      value === undefined ||
      value === '' ||
      (key === 'patternProperties' && isEmptyMap(value)) ||
      (key === 'definitions' && isEmptyMap(value));
    if (!isEmpty) errors.push(forbidden(`${path}.${key}`, `${key} is not supported`));
  }
  if (type === 'null') {
    errors.push(forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative'));
  }
  if (Array.isArray(schema.items) && schema.items.length > 0) {
    errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  }
  if (place.insideMeta === true && schema['x-kubernetes-embedded-resource'] === true) {
    errors.push(forbidden(`${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta'));
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  }
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType !== undefined) {
    const words = 'must be object if x-kubernetes-map-type is specified';
    if (type === '') errors.push(required(`${path}.type`, words));
    else if (type !== 'object') errors.push(invalid(`${path}.type`, type, words));
    if (mapType !== 'atomic' && mapType !== 'granular') {
      errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
    }
  }
  return errors;
}

const isEmptyMap = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

function listErrors(path: string, schema: WireSchema): FieldError[] {
  const { type = '' } = schema;
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const items = schema.items !== undefined && !Array.isArray(schema.items) ? schema.items : undefined;
  const errors: FieldError[] = [];
  if (listType !== undefined && type !== 'array') {
    const words = 'must be array if x-kubernetes-list-type is specified';
    errors.push(type === '' ? required(`${path}.type`, words) : invalid(`${path}.type`, type, words));
  } else if (listType === 'set' && items !== undefined) {
    const words = 'must be atomic as item of a list with x-kubernetes-list-type=set';
    const [inner, mapType] = [items['x-kubernetes-list-type'], items['x-kubernetes-map-type']];
    if (items.type === 'array' && inner !== undefined && inner !== 'atomic') {
      errors.push(invalid(`${path}.items.x-kubernetes-list-type`, inner, words));
    }
    if (items.type === 'object' && mapType !== 'atomic') {
      errors.push(invalid(`${path}.items.x-kubernetes-map-type`, inner ?? null, words));
    }
  }
  if (listType !== undefined && !['atomic', 'set', 'map'].includes(listType)) {
    errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map']));
  }
  if (keys.length > 0 && listType !== 'map') {
    const words = 'must be map if x-kubernetes-list-map-keys is non-empty';
    const field = `${path}.x-kubernetes-list-type`;
    errors.push(listType === undefined ? required(field, words) : invalid(field, listType, words));
  }
  if (listType === 'map') errors.push(...mapListErrors(path, keys, schema, items));
  if ((listType === 'set' || listType === 'map') && items?.nullable === true) {
    errors.push(forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`));
  }
  if (listType === 'map') errors.push(...keyErrors(path, keys, items));
  return errors;
}

function mapListErrors(
  path: string,
  keys: readonly string[],
  schema: WireSchema,
  items: JsonSchema | undefined,
): FieldError[] {
  const errors: FieldError[] = [];
  const field = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) errors.push(required(field, 'must not be empty if x-kubernetes-list-type is map'));
  if (schema.items === undefined) {
    return [...errors, required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map')];
  }
  if (items === undefined) {
    const words = 'must only have a single schema if x-kubernetes-list-type is map';
    return [...errors, invalid(`${path}.items`, schema.items, words)];
  }
  if (items.type !== 'object') {
    const words = "must be object if parent array's x-kubernetes-list-type is map";
    return [...errors, invalid(`${path}.items.type`, items.type ?? '', words)];
  }
  const seen = new Set<string>();
  for (const key of keys) {
    const property = items.properties?.[key];
    if (property === undefined) errors.push(invalid(field, keys, 'entries must all be names of item properties'));
    else if (property.type === 'array' || property.type === 'object') {
      const words = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.push(invalid(`${path}.items.properties[${key}].type`, items.type, words));
    }
    if (seen.has(key)) errors.push(invalid(field, keys, 'must not contain duplicate entries'));
    seen.add(key);
  }
  return errors;
}

/** Every element of a map list must have its keys. */
function keyErrors(path: string, keys: readonly string[], items: JsonSchema | undefined): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of keys) {
    const property = items?.properties?.[key];
    if (property === undefined) continue;
    const field = `${path}.items.properties[${key}]`;
    if (items?.required?.includes(key) !== true && property.default === undefined) {
      const words =
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
      errors.push(required(`${field}.default`, words));
    }
    if (property.nullable === true) {
      const words = 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable';
      errors.push(forbidden(`${field}.nullable`, words));
    }
  }
  return errors;
}

const hasNewlines = (text: string) => /[\n\r]/.test(text);
const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];

/** What a rule says beside its expression. */
function ruleErrors(path: string, schema: JsonSchema): FieldError[] {
  return (schema['x-kubernetes-validations'] ?? []).flatMap((rule, index) =>
    oneRuleErrors(`${path}.x-kubernetes-validations[${index}]`, rule, schema),
  );
}

function oneRuleErrors(path: string, rule: ValidationRule, schema: JsonSchema): FieldError[] {
  const { message = '', messageExpression = '', reason, fieldPath = '' } = rule;
  const errors: FieldError[] = [];
  if (rule.rule.trim() === '') errors.push(required(`${path}.rule`, 'rule is not specified'));
  else if (message !== '' && message.trim() === '') {
    errors.push(invalid(`${path}.message`, message, 'must be non-empty if specified'));
  } else if (hasNewlines(message.trim())) {
    errors.push(invalid(`${path}.message`, message, 'must not contain line breaks'));
  } else if (hasNewlines(rule.rule.trim()) && message.trim() === '') {
    errors.push(required(`${path}.message`, 'message must be specified if rule contains line breaks'));
  }
  if (messageExpression !== '' && messageExpression.trim() === '') {
    errors.push(required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'));
  }
  if (reason !== undefined && !reasons.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, reasons));
  if (fieldPath !== '') {
    const field = `${path}.fieldPath`;
    if (fieldPath.trim() === '') errors.push(invalid(field, fieldPath, 'must be non-empty if specified'));
    if (hasNewlines(fieldPath)) errors.push(invalid(field, fieldPath, 'must not contain line breaks'));
    if (typeof validFieldPath(fieldPath, schema) === 'string') {
      errors.push(invalid(field, fieldPath, 'must be a valid path'));
    }
  }
  return errors;
}
