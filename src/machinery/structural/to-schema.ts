import type { Field, ObjectSchema, Schema } from '../schema.ts';
import type { JsonSchema } from './json-schema.ts';

/**
 * A structural schema in the schema language, for what is common to all kinds: merging by server-side apply, and
 * explanations. What custom resources are pruned, defaulted and validated by is the structural schema itself.
 * `metadata` is ObjectMeta. Parts are made when they are first looked at.
 */
export function toSchema(schema: JsonSchema, metadata: ObjectSchema): ObjectSchema {
  const { properties, ...rest } = schema;
  const own = Object.entries(properties ?? {}).filter(([name]) => !isImplied(name));
  return objectSchema({ ...rest, properties: Object.fromEntries(own) }, metadata, {
    apiVersion: { schema: { type: 'string' } },
    kind: { schema: { type: 'string' } },
    metadata: { schema: metadata },
  });
}

/**
 * The same for a part of one, as rules see it: with formats, by which texts are times and bytes. `isRoot` adds what every
 * object has.
 */
export function toPartSchema(schema: JsonSchema, metadata: ObjectSchema, isRoot: boolean): Schema {
  return isRoot ? withFormats(toSchema(schema, metadata), schema, metadata) : schemaOf(schema, metadata, true);
}

function withFormats(whole: ObjectSchema, schema: JsonSchema, metadata: ObjectSchema): ObjectSchema {
  const own = Object.entries(schema.properties ?? {}).filter(([name]) => !isImplied(name));
  const fields = own.map(([name, each]) => [name, { schema: schemaOf(each, metadata, true) }] as const);
  return { ...whole, fields: { ...whole.fields, ...Object.fromEntries(fields) } };
}

const isImplied = (name: string) => name === 'apiVersion' || name === 'kind' || name === 'metadata';

function objectSchema(
  schema: JsonSchema,
  metadata: ObjectSchema,
  implied: Readonly<Record<string, Field>> = {},
  formats = false,
): ObjectSchema {
  let fields: Readonly<Record<string, Field>> | undefined;
  const mapType = mapTypeOf(schema);
  return {
    type: 'object',
    ...commonOf(schema),
    ...(mapType === undefined ? {} : { mapType }),
    required: schema.required ?? [],
    ...(schema['x-kubernetes-preserve-unknown-fields'] === true ? { preserveUnknownFields: true } : {}),
    get fields() {
      fields ??= {
        ...implied,
        ...Object.fromEntries(
          Object.entries(schema.properties ?? {}).map(([name, each]) => [
            name,
            { schema: schemaOf(each, metadata, formats) },
          ]),
        ),
      };
      return fields;
    },
  };
}

function commonOf({ description, default: given }: JsonSchema) {
  return {
    ...(description === undefined ? {} : { description }),
    ...(given === undefined ? {} : { default: given }),
  };
}

function mapTypeOf(schema: JsonSchema): 'atomic' | 'granular' | undefined {
  const type = schema['x-kubernetes-map-type'];
  return type === 'atomic' || type === 'granular' ? type : undefined;
}

function schemaOf(schema: JsonSchema, metadata: ObjectSchema, formats = false): Schema {
  const common = commonOf(schema);
  if (schema['x-kubernetes-int-or-string'] === true) return { type: 'int-or-string', ...common };
  const { format } = schema;
  switch (schema.type) {
    case 'string':
      // Elsewhere formats only check; nothing is brought into another form.
      return { type: 'string', ...common, ...(formats && format !== undefined ? { format } : {}) };
    case 'integer':
    case 'number':
      return { type: schema.type, ...common, ...(format === undefined ? {} : { format }) };
    case 'boolean':
      return { type: 'boolean', ...common };
    case 'array': {
      const listType = schema['x-kubernetes-list-type'];
      const keys = schema['x-kubernetes-list-map-keys'];
      return {
        type: 'array',
        ...common,
        items: schemaOf(schema.items ?? {}, metadata, formats),
        ...(listType === 'set' || listType === 'map' || listType === 'atomic' ? { listType } : {}),
        ...(keys === undefined ? {} : { listMapKeys: keys }),
      };
    }
    case 'object':
      return objectOf(schema, metadata, formats);
    default:
      return { type: 'any', ...common };
  }
}

function objectOf(schema: JsonSchema, metadata: ObjectSchema, formats: boolean): Schema {
  const { additionalProperties, properties } = schema;
  if (schema['x-kubernetes-embedded-resource'] === true) return toSchema(schema, metadata);
  if (properties === undefined && additionalProperties !== undefined && additionalProperties !== false) {
    const mapType = mapTypeOf(schema);
    return {
      type: 'map',
      ...commonOf(schema),
      ...(mapType === undefined ? {} : { mapType }),
      values: additionalProperties === true ? { type: 'any' } : schemaOf(additionalProperties, metadata, formats),
    };
  }
  return objectSchema(schema, metadata, {}, formats);
}
