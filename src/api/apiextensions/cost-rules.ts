import { isDeepStrictEqual } from 'node:util';
import type { FieldError } from '#machinery/field-error.ts';
import type { JsonSchema } from '#machinery/structural/json-schema.ts';
import { hasRules, loadedCosts } from '#machinery/structural/load-rules.ts';
import type { CustomResourceDefinitionSpec, CustomResourceDefinitionVersion } from './types.generated.ts';

/**
 * What the rules of schemas that are not what they were `before` may cost. What is stored already is let be: whoever
 * changes something else need not mend it. `spec` is right in every other way.
 */
export function costErrors(
  { versions }: CustomResourceDefinitionSpec,
  before: CustomResourceDefinitionSpec | undefined,
): readonly FieldError[] {
  const schemaOf = ({ schema }: CustomResourceDefinitionVersion) => schema?.openAPIV3Schema as JsonSchema | undefined; // the same on the wire
  const [first] = versions;
  const alike = first !== undefined && versions.every(({ schema }) => isDeepStrictEqual(schema, first.schema));
  return versions.flatMap((version, index) => {
    const schema = schemaOf(version);
    if (schema === undefined || !hasRules(schema) || (alike && index > 0)) return [];
    const stored = before?.versions.find(({ name }) => name === version.name);
    if (stored !== undefined && isDeepStrictEqual(schemaOf(stored), schema)) return [];
    const path = alike ? 'spec.validation' : `spec.versions[${index}].schema`;
    return loadedCosts().costComplaints(`${path}.openAPIV3Schema`, schema);
  });
}
