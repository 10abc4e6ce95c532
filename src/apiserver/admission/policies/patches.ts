/** What the results of mutations do to an object. Source: k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch. */
import { mergeFields } from '#machinery/apply/merge.ts';
import { fieldsOf, ShapeError } from '#machinery/apply/to-fields.ts';
import { BuiltStruct, CelError, celText, isCelMap, isList, toJson, type CelValue } from '#machinery/cel/values.ts';
import { conform } from '#machinery/conform.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { applyJsonPatch } from '#machinery/patch/json-patch.ts';
import type { Schema } from '#machinery/schema.ts';
import { StatusError } from '#machinery/status-error.ts';

/** A result that cannot be put to use; the text goes behind the policy's name. */
export class PatchError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PatchError';
  }
}

/** Runs what reads a result; what it cannot read is a PatchError. */
function reading<T>(lead: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CelError || error instanceof StatusError || error instanceof ShapeError) {
      throw new PatchError(`${lead}${error.message}`);
    }
    throw error;
  }
}

/** Applies a list of `JSONPatch{…}`. One whose test fails changes nothing. Throws PatchError. */
export function jsonPatched(object: ApiObject, result: CelValue): unknown {
  if (!isList(result)) throw new PatchError('type mismatch: JSONPatchType.expression should evaluate to array');
  let patched: object = object;
  for (const item of result) {
    if (!(item instanceof BuiltStruct) || item.type !== 'JSONPatch') {
      throw new PatchError('type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch');
    }
    mustNameItsPath(item.get('value'), undefined);
    const lead = 'JSONPath valueExpression evaluated to a type that could not marshal to JSON: ';
    const operation = reading(lead, () => toJson(item)) as { readonly op?: unknown };
    try {
      patched = applyJsonPatch(patched, [operation]);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (operation.op === 'test') return object;
      throw new PatchError(`JSON Patch: ${error.message}`);
    }
  }
  return patched;
}

/** Merges an `Object{…}` as server-side apply would. Throws PatchError. */
export function configured(object: ApiObject, result: CelValue, kind: Kind): unknown {
  if (!(result instanceof BuiltStruct)) {
    throw new PatchError('unsupported return type from ApplyConfiguration expression');
  }
  mustNameItsPath(result, ['Object']);
  const lead = 'error applying patch: ';
  const config = reading(lead, () => ({
    ...(toJson(result) as object),
    apiVersion: object.apiVersion ?? apiVersionOf(kind),
    kind: object.kind ?? kind.kind,
  }));
  const { unknown, errors } = kind.custom?.conform(config) ?? conform(kind.schema, config);
  const typed = `${lead}failed to convert patch object to typed object: `;
  if (unknown[0] !== undefined) throw new PatchError(`${typed}.${unknown[0]}: field not declared in schema`);
  if (errors[0] !== undefined) throw new PatchError(typed + errors[0]);
  reading(typed, () => fieldsOf(kind.schema, config));
  const atomics = atomicsIn(kind.schema, config, '');
  if (atomics.length > 0) {
    const words = `may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`;
    throw new PatchError(`${lead}invalid ApplyConfiguration: ${words}`);
  }
  return mergeFields(kind.schema, object, config);
}

/**
 * A struct must be built by the name of the path it lies at: `Object.spec.selector{…}` lies at `spec.selector`.
 * `path` is undefined below a patch, where the outermost struct says where it lies.
 */
function mustNameItsPath(value: CelValue | undefined, path: readonly string[] | undefined): void {
  if (isList(value ?? null)) {
    for (const item of value as readonly CelValue[]) mustNameItsPath(item, path);
    return;
  }
  if (value === undefined || value === null || !isCelMap(value)) return;
  if (!(value instanceof BuiltStruct)) {
    for (const key of value.keys()) mustNameItsPath(value.get(key), path);
    return;
  }
  const wanted = path ?? [value.type];
  if (value.type !== wanted.join('.')) {
    throw new PatchError(
      `type mismatch: unexpected type name ${JSON.stringify(value.type)}, expected ${JSON.stringify(wanted.join('.'))}, which matches field name path from root Object type`,
    );
  }
  for (const key of value.keys()) mustNameItsPath(value.get(key), [...wanted, celText(key)]);
}

/** Paths of what has one owner only, and so cannot be changed in part. */
function atomicsIn(schema: Schema, value: unknown, path: string): readonly string[] {
  if (Array.isArray(value) && schema.type === 'array') {
    const isAtomic = schema.listType === undefined || schema.listType === 'atomic';
    const below = value.flatMap((item, index) => atomicsIn(schema.items, item, `${path}[${index}]`));
    return isAtomic ? [path, ...below] : below;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  if (schema.type !== 'object' && schema.type !== 'map') return [];
  const below = Object.entries(value).flatMap(([key, each]) => {
    const inner =
      schema.type === 'map'
        ? schema.values
        : Object.hasOwn(schema.fields, key)
          ? schema.fields[key]?.schema
          : undefined;
    return inner === undefined ? [] : atomicsIn(inner, each, `${path}.${key}`);
  });
  return schema.mapType === 'atomic' ? [path, ...below] : below;
}
