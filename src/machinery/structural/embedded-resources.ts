import { invalid, required, type FieldError } from '../field-error.ts';
import { metadataErrors } from '../metadata-rules.ts';
import { dns1035LabelComplaints, pathSegmentComplaints } from '../names.ts';
import type { ObjectMeta } from '../object.ts';
import { isList, isObject, schemaOfKey, type JsonSchema, type Value } from './json-schema.ts';

/**
 * The rules of objects inside objects (`x-kubernetes-embedded-resource`): they say what they are, and their metadata is
 * sound. Source: apiextensions-apiserver pkg/apiserver/schema/objectmeta (validation.go).
 */
export function embeddedErrors(schema: JsonSchema | undefined, value: unknown, path = ''): readonly FieldError[] {
  if (schema === undefined) return [];
  if (isList(value)) return value.flatMap((each, index) => embeddedErrors(schema.items, each, `${path}[${index}]`));
  if (!isObject(value)) return [];
  return [
    ...(schema['x-kubernetes-embedded-resource'] === true ? resourceErrors(value, path) : []),
    ...Object.entries(value).flatMap(([key, each]) => {
      const known = schema.properties !== undefined && Object.hasOwn(schema.properties, key);
      const inside = known ? (path === '' ? key : `${path}.${key}`) : `${path}[${key}]`;
      return embeddedErrors(schemaOfKey(schema, key), each, inside);
    }),
  ];
}

function resourceErrors(resource: Value, path: string): readonly FieldError[] {
  const { apiVersion, kind, metadata } = resource;
  const errors: FieldError[] = [];
  if (apiVersion === undefined) errors.push(required(`${path}.apiVersion`));
  else if (apiVersion === '') errors.push(invalid(`${path}.apiVersion`, apiVersion, 'must not be empty'));
  else if (typeof apiVersion === 'string' && apiVersion.split('/').length > 2) {
    errors.push(invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  }
  if (kind === undefined) errors.push(required(`${path}.kind`));
  else if (kind === '') errors.push(invalid(`${path}.kind`, kind, 'must not be empty'));
  else if (typeof kind === 'string') {
    const complaints = dns1035LabelComplaints(kind.toLowerCase());
    if (complaints.length > 0) {
      const words = `may have mixed case, but should otherwise match: ${complaints.join(',')}`;
      errors.push(invalid(`${path}.kind`, kind, words));
    }
  }
  if (isObject(metadata)) {
    const meta = metadata as ObjectMeta; // it was read as such when the object came in
    const named = { ...meta, name: meta.name === undefined || meta.name === '' ? 'fakename' : meta.name };
    const rules = { namespaced: (meta.namespace ?? '') !== '', validateName: pathSegmentComplaints };
    for (const error of metadataErrors(rules, { metadata: named })) {
      errors.push({ ...error, field: `${path}.${error.field}` });
    }
  }
  return errors;
}
