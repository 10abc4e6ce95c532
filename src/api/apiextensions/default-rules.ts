import { invalid, type FieldError } from '#machinery/field-error.ts';
import { embeddedErrors } from '#machinery/structural/embedded-resources.ts';
import type { JsonSchema } from '#machinery/structural/json-schema.ts';
import { isPruned } from '#machinery/structural/prune.ts';
import { valueErrors } from '#machinery/structural/validate-value.ts';
import { definition } from '../definitions.ts';

/**
 * Defaults must be what the schema itself would let in and keep.
 * Source: apiextensions-apiserver pkg/apiserver/schema/defaulting (validation.go).
 */
export function defaultErrors(path: string, schema: JsonSchema): readonly FieldError[] {
  const { default: given, items, properties = {} } = schema;
  const errors: FieldError[] = [];
  if (given !== undefined) {
    const field = `${path}.default`;
    if (!isPruned(schema, given, definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'))) {
      errors.push(invalid(field, given, 'must not have unknown fields'));
    }
    const embedded = embeddedErrors(schema, given, field);
    errors.push(...(embedded.length > 0 ? embedded : valueErrors(schema, given, { path: field })));
  }
  if (items !== undefined) errors.push(...defaultErrors(`${path}.items`, items));
  for (const [name, each] of Object.entries(properties)) {
    errors.push(...defaultErrors(`${path}.properties[${name}]`, each));
  }
  return errors;
}
