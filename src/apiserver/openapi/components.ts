/**
 * Schemas as OpenAPI v3 publishes them under `components/schemas`. The quirks are upstream's, for its clients know
 * them: a reference with anything beside it stands in `allOf`, and what is no pointer in Go has its zero value as
 * default. Source: k8s.io/kube-openapi/pkg/builder3 and the published documents.
 */
import { definition, schemaOf } from '#api/definitions.ts';
import { describe } from '#api/descriptions.ts';
import type { AnySchema, Field, ObjectSchema, Schema } from '#machinery/schema.ts';

export type Json = Readonly<Record<string, unknown>>;

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const timeName = `${meta}.Time`;
const microTimeName = `${meta}.MicroTime`;
const quantityName = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const intOrStringName = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';

/** Components that are no objects with fields. */
const scalarComponents: Readonly<Record<string, Json>> = {
  [timeName]: { type: 'string', format: 'date-time' },
  [microTimeName]: { type: 'string', format: 'date-time' },
  [quantityName]: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  [intOrStringName]: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  [`${meta}.Patch`]: { type: 'object' },
};

/** A definition by name or, for kinds that are no definition of upstream, by schema. */
export type Root =
  | string
  | { readonly name: string; readonly schema: ObjectSchema | AnySchema }
  /** Published as it is, with the definitions it refers to. */
  | { readonly name: string; readonly json: Json; readonly refersTo: readonly string[] };

/** The components of `roots` and everything they refer to, by name, sorted. */
export function componentsOf(roots: readonly Root[]): Json {
  const components = new Map<string, Json>();
  const waiting: Root[] = [...roots];
  for (let root = waiting.pop(); root !== undefined; root = waiting.pop()) {
    const name = typeof root === 'string' ? root : root.name;
    if (components.has(name)) continue;
    components.set(name, componentOf(root, waiting));
  }
  return Object.fromEntries([...components].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function componentOf(root: Root, waiting: Root[]): Json {
  const name = typeof root === 'string' ? root : root.name;
  const scalar = scalarComponents[name];
  if (scalar !== undefined) return scalar;
  if (typeof root !== 'string' && 'json' in root) {
    waiting.push(...root.refersTo);
    return root.json;
  }
  const schema = typeof root === 'string' ? schemaOf(root) : root.schema;
  if (schema.type === 'any') return schema.object === true ? { type: 'object' } : {};
  return objectOf(schema, name, waiting);
}

function objectOf(schema: ObjectSchema, name: string, waiting: Root[]): Json {
  const { text, fields: texts } = describe(name);
  const properties = Object.entries(schema.fields).map(([field, each]) => {
    const description = texts[field] ?? each.schema.description;
    const property = propertyOf(each, waiting);
    return [field, description === undefined ? property : { description, ...property }] as const;
  });
  const description = text ?? schema.description;
  const { kinds = [] } = schema;
  return {
    ...(description === undefined ? {} : { description }),
    type: 'object',
    ...(schema.required.length === 0 ? {} : { required: schema.required }),
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
    ...(kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds }),
    ...(schema.mapType === undefined ? {} : { 'x-kubernetes-map-type': schema.mapType }),
    ...(schema.preserveUnknownFields === true ? { 'x-kubernetes-preserve-unknown-fields': true } : {}),
    ...(schema.unions === undefined ? {} : { 'x-kubernetes-unions': schema.unions }),
    ...schema.extensions,
  };
}

function propertyOf({ schema, pointer }: Field, waiting: Root[]): Json {
  const component = componentNameOf(schema, waiting);
  if (component !== undefined) {
    return {
      allOf: [referenceTo(component)],
      ...(schema.type === 'object' && pointer !== true ? { default: {} } : {}),
      ...(schema.type === 'object' ? fieldExtensions(schema) : {}),
    };
  }
  return {
    ...valueOf(schema, waiting),
    ...(schema.default === undefined ? {} : { default: schema.default }),
    ...schema.extensions,
  };
}

/** What a field says about merging the definition it refers to, beyond what the definition says itself. */
function fieldExtensions(schema: ObjectSchema): Json {
  const own = schema.name?.startsWith('io.k8s.') === true ? definition(schema.name).mapType : schema.mapType;
  return {
    ...(schema.mapType === undefined || schema.mapType === own ? {} : { 'x-kubernetes-map-type': schema.mapType }),
    ...(schema.patchStrategy === undefined ? {} : { 'x-kubernetes-patch-strategy': schema.patchStrategy.join(',') }),
  };
}

/** An element of a list or map. */
function elementOf(schema: Schema, waiting: Root[]): Json {
  const component = componentNameOf(schema, waiting);
  if (component !== undefined) {
    return schema.type === 'object' ? { allOf: [referenceTo(component)], default: {} } : referenceTo(component);
  }
  const value = valueOf(schema, waiting);
  if (schema.type === 'string' && schema.format !== 'byte') return { ...value, default: '' };
  if (schema.type === 'integer' || schema.type === 'number') return { ...value, default: 0 };
  return schema.type === 'boolean' ? { ...value, default: false } : value;
}

const referenceTo = (component: string): Json => ({ $ref: `#/components/schemas/${component}` });

/** The component that stands for a schema, if it has a name; it will be published too. */
function componentNameOf(schema: Schema, waiting: Root[]): string | undefined {
  const name = nameOf(schema);
  if (name === undefined) return undefined;
  const bySchema = schema.type === 'any' || (schema.type === 'object' && !name.startsWith('io.k8s.'));
  waiting.push(bySchema ? { name, schema } : name);
  return name;
}

function nameOf(schema: Schema): string | undefined {
  switch (schema.type) {
    case 'string':
      return schema.format === 'date-time' ? timeName : schema.format === 'micro-time' ? microTimeName : undefined;
    case 'quantity':
      return quantityName;
    case 'int-or-string':
      return intOrStringName;
    case 'object':
    case 'any':
      return schema.name;
    default:
      return undefined;
  }
}

function valueOf(schema: Schema, waiting: Root[]): Json {
  switch (schema.type) {
    case 'string':
      return {
        type: 'string',
        ...(schema.format === undefined ? {} : { format: schema.format }),
        ...(schema.enum === undefined ? {} : { enum: schema.enum }),
      };
    case 'integer':
    case 'number':
      return { type: schema.type, ...(schema.format === undefined ? {} : { format: schema.format }) };
    case 'boolean':
      return { type: 'boolean' };
    case 'array':
      return {
        type: 'array',
        items: elementOf(schema.items, waiting),
        ...(schema.listType === undefined ? {} : { 'x-kubernetes-list-type': schema.listType }),
        ...(schema.listMapKeys === undefined ? {} : { 'x-kubernetes-list-map-keys': schema.listMapKeys }),
        ...(schema.patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': schema.patchMergeKey }),
        ...(schema.patchStrategy === undefined
          ? {}
          : { 'x-kubernetes-patch-strategy': schema.patchStrategy.join(',') }),
      };
    case 'map':
      return {
        type: 'object',
        additionalProperties: elementOf(schema.values, waiting),
        ...(schema.mapType === undefined ? {} : { 'x-kubernetes-map-type': schema.mapType }),
      };
    case 'any':
      return schema.object === true ? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } : {};
    case 'object':
      return objectOf(schema, '', waiting);
    case 'quantity':
    case 'int-or-string':
      return {}; // both have a component
  }
}
