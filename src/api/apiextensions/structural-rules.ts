/**
 * What makes a schema structural: outside of `allOf`, `anyOf`, `oneOf` and `not` it says the type of everything, and
 * inside them it only narrows what is said outside. Then pruning and defaulting have one meaning.
 * Source: apiextensions-apiserver pkg/apiserver/schema (validation.go, complete.go).
 */
import { isDeepStrictEqual } from 'node:util';
import { forbidden, invalid, required, type FieldError } from '#machinery/field-error.ts';
import type { JsonSchema } from '#machinery/structural/json-schema.ts';
import { patternOf } from '#machinery/structural/pattern.ts';

type Level = 'root' | 'item' | 'field';

/** Sorted by their text, as upstream's. */
export function structuralErrors(path: string, schema: JsonSchema): readonly FieldError[] {
  const errors = [...invariantErrors(path, schema, 'root'), ...completenessErrors(path, path, schema, schema)];
  return errors.toSorted((a, b) => (`${a.field}: ${a.message}` < `${b.field}: ${b.message}` ? -1 : 1));
}

const emptyType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function invariantErrors(path: string, schema: JsonSchema, level: Level): FieldError[] {
  const { type = '', items, properties = {}, additionalProperties } = schema;
  const embedded = schema['x-kubernetes-embedded-resource'] === true;
  const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  const errors: FieldError[] = [];
  if (type === 'array' && items === undefined) errors.push(required(`${path}.items`, 'must be specified'));
  if (items !== undefined) errors.push(...invariantErrors(`${path}.items`, items, 'item'));
  for (const [name, each] of Object.entries(properties)) {
    errors.push(...invariantErrors(`${path}.properties[${name}]`, each, 'field'));
  }
  if (additionalProperties !== undefined) {
    if (level === 'root') errors.push(forbidden(`${path}.additionalProperties`, 'must not be used at the root'));
    if (typeof additionalProperties === 'object') {
      errors.push(...invariantErrors(`${path}.additionalProperties`, additionalProperties, 'field'));
    }
  }
  if (intOrString && preserves) {
    const words = 'must be false if x-kubernetes-int-or-string is true';
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, true, words));
  }
  if (intOrString && embedded) {
    const words = 'must be false if x-kubernetes-int-or-string is true';
    errors.push(invalid(`${path}.x-kubernetes-embedded-resource`, true, words));
  }
  errors.push(
    ...validationErrors(path, schema, { anyOf: isIntOrString(schema), firstAllOf: isIntOrString(schema.allOf?.[0]) }),
  );
  errors.push(...typeErrors(path, schema, level));
  if (embedded && additionalProperties !== undefined) {
    const words = 'must not be used if x-kubernetes-embedded-resource is set';
    errors.push(forbidden(`${path}.additionalProperties`, words));
  }
  errors.push(...resourceErrors(path, schema, level));
  if (embedded && !preserves && Object.keys(properties).length === 0) {
    const words =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
    errors.push(required(`${path}.properties`, words));
  }
  return errors;
}

function typeErrors(path: string, schema: JsonSchema, level: Level): FieldError[] {
  const { type = '' } = schema;
  const field = `${path}.type`;
  const errors: FieldError[] = [];
  if (schema['x-kubernetes-embedded-resource'] === true && type !== 'object') {
    const words = 'must be object if x-kubernetes-embedded-resource is true';
    errors.push(type === '' ? required(field, words) : invalid(field, type, words));
  } else if (
    type === '' &&
    schema['x-kubernetes-int-or-string'] !== true &&
    schema['x-kubernetes-preserve-unknown-fields'] !== true
  ) {
    errors.push(required(field, emptyType[level]));
  }
  if (level === 'root' && type !== '' && type !== 'object')
    errors.push(invalid(field, type, 'must be object at the root'));
  return errors;
}

/** Of what every object has, a schema may only narrow the name. */
function resourceErrors(path: string, schema: JsonSchema, level: Level): FieldError[] {
  const isResource = level === 'root' || schema['x-kubernetes-embedded-resource'] === true;
  const { kind, apiVersion, metadata } = schema.properties ?? {};
  const errors: FieldError[] = [];
  for (const [name, each] of Object.entries({ kind, apiVersion })) {
    if (each !== undefined && isResource && each.type !== 'string') {
      errors.push(invalid(`${path}.properties[${name}].type`, each.type ?? '', 'must be string'));
    }
  }
  if (metadata === undefined) return errors;
  const field = `${path}.properties[metadata]`;
  if (isResource && metadata.type !== 'object') {
    errors.push(invalid(`${field}.type`, metadata.type ?? '', 'must be object'));
  }
  if (level === 'root') {
    const { properties = {}, type: _type, default: _default, ...rest } = metadata;
    const narrowsName = Object.keys(properties).every((name) => name === 'name' || name === 'generateName');
    const structure = ['items', 'additionalProperties', 'title', 'description', 'nullable'];
    const more = Object.keys(rest).some((key) => structure.includes(key) || key.startsWith('x-kubernetes-'));
    const validates = Object.keys(rest).some((key) => !structure.includes(key) && !key.startsWith('x-kubernetes-'));
    if (!narrowsName || more || validates) {
      const words = 'must not specify anything other than name and generateName, but metadata is implicitly specified';
      errors.push(forbidden(field, words));
    }
  }
  return errors;
}

const intOrStringTypes = [{ type: 'integer' }, { type: 'string' }];
const isIntOrString = (schema: JsonSchema | undefined) => isDeepStrictEqual(schema?.anyOf, intOrStringTypes);

/** `skips` are the two places where the types of int-or-string may be spelt out. */
function validationErrors(
  path: string,
  { anyOf = [], allOf = [], oneOf = [], not, pattern = '' }: JsonSchema,
  skips: { readonly anyOf?: boolean; readonly firstAllOf?: boolean } = {},
): FieldError[] {
  const errors: FieldError[] = [];
  if (skips.anyOf !== true) {
    for (const [index, each] of anyOf.entries()) errors.push(...nestedErrors(`${path}.anyOf[${index}]`, each));
  }
  for (const [index, each] of allOf.entries()) {
    const skip = { anyOf: skips.firstAllOf === true && index === 0 };
    errors.push(...nestedErrors(`${path}.allOf[${index}]`, each, skip));
  }
  for (const [index, each] of oneOf.entries()) errors.push(...nestedErrors(`${path}.oneOf[${index}]`, each));
  if (not !== undefined) errors.push(...nestedErrors(`${path}.not`, not));
  if (pattern !== '') {
    try {
      patternOf(pattern);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      errors.push(invalid(`${path}.pattern`, pattern, `must be a valid regular expression, but isn't: ${why}`));
    }
  }
  return errors;
}

/** What may not be said inside a logical combinator, with the complaint. */
const onlyOutside: readonly (readonly [key: keyof JsonSchema, complaint: string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

function nestedErrors(path: string, schema: JsonSchema, skips: { readonly anyOf?: boolean } = {}): FieldError[] {
  const errors = validationErrors(path, schema, skips);
  if (schema.items !== undefined) errors.push(...nestedErrors(`${path}.items`, schema.items));
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    errors.push(...nestedErrors(`${path}.properties[${name}]`, each));
  }
  for (const [key, complaint] of onlyOutside) {
    const value = schema[key];
    const isEmpty =
      value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0);
    if (!isEmpty) errors.push(forbidden(`${path}.${key}`, complaint));
  }
  if (schema.properties?.['metadata'] !== undefined) {
    errors.push(forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context'));
  }
  return errors;
}

/** Whatever is narrowed must be specified: `at` is where it would have to be, `from` where it is narrowed. */
function completenessErrors(
  at: string,
  from: string,
  narrowing: JsonSchema,
  structure: JsonSchema | undefined,
): FieldError[] {
  const { not, allOf = [], anyOf = [], oneOf = [] } = narrowing;
  const parts: (readonly [string, JsonSchema])[] = [
    ...(not === undefined ? [] : [[`${from}.not`, not] as const]),
    ...allOf.map((each, index) => [`${from}.allOf[${index}]`, each] as const),
    ...anyOf.map((each, index) => [`${from}.anyOf[${index}]`, each] as const),
    ...oneOf.map((each, index) => [`${from}.oneOf[${index}]`, each] as const),
  ];
  return parts.flatMap(([path, each]) => nestedCompleteness(at, path, each, structure));
}

function nestedCompleteness(
  at: string,
  from: string,
  narrowing: JsonSchema,
  structure: JsonSchema | undefined,
): FieldError[] {
  if (structure === undefined) return [required(at, `because it is defined in ${from}`)];
  const errors = completenessErrors(at, from, narrowing, structure);
  if (narrowing.items !== undefined) {
    errors.push(...nestedCompleteness(`${at}.items`, `${from}.items`, narrowing.items, structure.items));
  }
  for (const [name, each] of Object.entries(narrowing.properties ?? {})) {
    const path = `properties[${name}]`;
    errors.push(...nestedCompleteness(`${at}.${path}`, `${from}.${path}`, each, structure.properties?.[name]));
  }
  return errors;
}
