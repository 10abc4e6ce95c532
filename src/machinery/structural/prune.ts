import { conform } from '../conform.ts';
import { nestingMax } from '../json.ts';
import type { ObjectSchema } from '../schema.ts';
import { isObject, schemaOfKey, type JsonSchema, type Value } from './json-schema.ts';

/** Problems named in one result; more are not looked for. */
const problemsMax = 100;

export interface Pruned {
  readonly value: unknown;
  /** Paths of what was taken away. */
  readonly unknown: readonly string[];
  /** What cannot be kept at all. */
  readonly errors: readonly string[];
}

interface Run {
  readonly metadata: ObjectSchema;
  readonly unknown: string[];
  readonly errors: string[];
}

/**
 * Takes away what a structural schema does not know. `apiVersion`, `kind` and `metadata` of the object itself and of
 * embedded ones are implied, and read as what they are: an error unless they have their types. Other types are left to
 * validation. What needs no change stays the very same object. Never throws.
 * Source: apiextensions-apiserver pkg/apiserver/schema/pruning and objectmeta.
 */
export function prune(schema: JsonSchema | undefined, value: unknown, metadata: ObjectSchema): Pruned {
  const run: Run = { metadata, unknown: [], errors: [] };
  const root = { ...schema, 'x-kubernetes-embedded-resource': true };
  return {
    value: walk(value, root, { path: '', depth: 0, drops: true }, run),
    unknown: run.unknown,
    errors: run.errors,
  };
}

interface Place {
  readonly path: string;
  readonly depth: number;
  /** False inside `x-kubernetes-preserve-unknown-fields`. */
  readonly drops: boolean;
}

const isTypeMeta = (key: string) => key === 'apiVersion' || key === 'kind';

function walk(value: unknown, schema: JsonSchema | undefined, place: Place, run: Run): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (place.depth > nestingMax) {
    complain(run, `${place.path.slice(0, 100)}…: nested deeper than ${nestingMax} levels`);
    return value;
  }
  const drops =
    schema === undefined ? place.drops : schema['x-kubernetes-preserve-unknown-fields'] !== true && place.drops;
  if (Array.isArray(value)) return walkList(value, schema, { ...place, drops }, run);
  return walkObject(value as Value, schema, { ...place, drops }, run);
}

function walkList(source: readonly unknown[], schema: JsonSchema | undefined, place: Place, run: Run): unknown {
  let target: unknown[] | undefined;
  for (const [index, before] of source.entries()) {
    const inside = { path: `${place.path}[${index}]`, depth: place.depth + 1, drops: place.drops };
    const after = walk(before, schema?.items, inside, run);
    if (after !== before) (target ??= source.slice())[index] = after;
  }
  return target ?? source;
}

function walkObject(source: Value, schema: JsonSchema | undefined, place: Place, run: Run): unknown {
  const embedded = schema?.['x-kubernetes-embedded-resource'] === true;
  const anyKey = schema?.additionalProperties === true || typeof schema?.additionalProperties === 'object';
  let target: Record<string, unknown> | undefined;
  for (const key of Object.keys(source)) {
    const before = source[key];
    const path = place.path === '' ? key : `${place.path}.${key}`;
    let after: unknown;
    if (key === '__proto__') complain(run, `${place.path}: the key "__proto__" is not allowed`);
    else if (embedded && isTypeMeta(key)) {
      if (typeof before !== 'string' && before !== null) complain(run, `${path}: must be a string`);
      after = before ?? undefined;
    } else if (embedded && key === 'metadata') after = readMetadata(before, path, run);
    else {
      const known = schema?.properties !== undefined && Object.hasOwn(schema.properties, key);
      const sub = schemaOfKey(schema, key);
      if (known || anyKey || !place.drops) {
        // A schema of its own takes up pruning again, even inside what is preserved.
        const drops = known || anyKey ? true : place.drops;
        after = walk(before, sub, { path, depth: place.depth + 1, drops }, run);
      } else if (run.unknown.length < problemsMax) run.unknown.push(path);
    }
    if (after === before && target === undefined) continue;
    target ??= keysBefore(source, key);
    if (after !== undefined) target[key] = after;
  }
  return target ?? source;
}

function readMetadata(value: unknown, path: string, run: Run): unknown {
  if (value === null || value === undefined) return undefined;
  const { value: read, unknown, errors } = conform(run.metadata, value);
  for (const each of unknown) if (run.unknown.length < problemsMax) run.unknown.push(`${path}.${each}`);
  for (const each of errors) complain(run, each);
  return read;
}

function complain(run: Run, text: string): void {
  if (run.errors.length < problemsMax) run.errors.push(text);
}

/** A copy of the fields that come before `key`. */
function keysBefore(source: Value, key: string): Record<string, unknown> {
  const target: Record<string, unknown> = {};
  for (const each of Object.keys(source)) {
    if (each === key) break;
    target[each] = source[each];
  }
  return target;
}

/** True if pruning `value` by `schema` takes nothing away; for defaults, which are no whole objects. */
export function isPruned(schema: JsonSchema, value: unknown, metadata: ObjectSchema): boolean {
  const run: Run = { metadata, unknown: [], errors: [] };
  walk(value, schema, { path: '', depth: 0, drops: true }, run);
  return run.unknown.length === 0 && isObjectOrFine(value);
}

const isObjectOrFine = (value: unknown) => !isObject(value) || !Object.hasOwn(value, '__proto__');
