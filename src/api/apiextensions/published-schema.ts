import type { GroupVersionKind } from '#machinery/schema.ts';
import { isObject, type JsonSchema, type Value } from '#machinery/structural/json-schema.ts';

const metaReference = '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const implied = {
  apiVersion: { description: 'Group and version of the API the object is written in.', type: 'string' },
  kind: { description: 'What the object is.', type: 'string' },
  metadata: { description: 'Name, labels and all else that every object has.', allOf: [{ $ref: metaReference }] },
};

/**
 * The schema that OpenAPI publishes for a custom kind: its own, with what every object has added.
 * Source: apiextensions-apiserver pkg/controller/openapi/builder (builder.go).
 */
export function publishedSchema(schema: JsonSchema, kind: GroupVersionKind): Value {
  const own = publishedPart(schema) as Value;
  const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true && schema.properties === undefined;
  return {
    ...own,
    type: 'object',
    ...(preserves ? { 'x-kubernetes-preserve-unknown-fields': true } : {}),
    properties: { ...(own['properties'] as Value | undefined), ...implied },
    'x-kubernetes-group-version-kind': [kind],
  };
}

/** Embedded objects have what every object has, too. */
function publishedPart(value: unknown): unknown {
  if (Array.isArray(value)) return (value as readonly unknown[]).map(publishedPart);
  if (!isObject(value)) return value;
  const part: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) {
    part[key] = key === 'default' || key === 'enum' || key === 'example' ? each : publishedPart(each);
  }
  if (value['x-kubernetes-embedded-resource'] === true) {
    part['properties'] = { ...(part['properties'] as Value | undefined), ...implied };
  }
  return part;
}
