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

const isImplied = (name: string) => name === 'apiVersion' || name === 'kind' || name === 'metadata';

function objectSchema(
  schema: JsonSchema,
  metadata: ObjectSchema,
  implied: Readonly<Record<string, Field>> = {},
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
          Object.entries(schema.properties ?? {}).map(([name, each]) => [name, { schema: schemaOf(each, metadata) }]),
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

function schemaOf(schema: JsonSchema, metadata: ObjectSchema): Schema {
  const common = commonOf(schema);
  if (schema['x-kubernetes-int-or-string'] === true) return { type: 'int-or-string', ...common };
  const { format } = schema;
  switch (schema.type) {
    case 'string':
      // Formats only check; nothing is brought into another form.
      return { type: 'string', ...common };
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
        items: schemaOf(schema.items ?? {}, metadata),
        ...(listType === 'set' || listType === 'map' || listType === 'atomic' ? { listType } : {}),
        ...(keys === undefined ? {} : { listMapKeys: keys }),
      };
    }
    case 'object':
      return objectOf(schema, metadata);
    default:
      return { type: 'any', ...common };
  }
}

function objectOf(schema: JsonSchema, metadata: ObjectSchema): Schema {
  const { additionalProperties, properties } = schema;
  if (schema['x-kubernetes-embedded-resource'] === true) return toSchema(schema, metadata);
  if (properties === undefined && additionalProperties !== undefined && additionalProperties !== false) {
    const mapType = mapTypeOf(schema);
    return {
      type: 'map',
      ...commonOf(schema),
      ...(mapType === undefined ? {} : { mapType }),
      values: additionalProperties === true ? { type: 'any' } : schemaOf(additionalProperties, metadata),
    };
  }
  return objectSchema(schema, metadata);
}
