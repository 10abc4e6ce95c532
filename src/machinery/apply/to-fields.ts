import type { Schema } from '../schema.ts';
import { leaf, nodeOf, type Fields } from './fields.ts';
import { byElement, isMap, shapeOf } from './shape.ts';

/** What is wrong with a configuration that is to be applied. */
export class ShapeError extends Error {
  /** `.spec.ports` */
  readonly path: string;
  constructor(path: string, message: string) {
    super(`${path}: ${message}`);
    this.name = 'ShapeError';
    this.path = path;
  }
}

/**
 * The paths of everything that a configuration sets. Throws ShapeError for a list whose elements cannot be told
 * apart. Source: structured-merge-diff typed/tofieldset.go.
 */
export function fieldsOf(schema: Schema, value: unknown): Fields | undefined {
  return walk(schema, value, '');
}

/** The node below the path of `value`; undefined if there are no paths below it. */
function walk(schema: Schema, value: unknown, path: string): Fields | undefined {
  const shape = shapeOf(schema);
  if (shape === undefined) return undefined;
  let children: Record<string, Fields> | undefined;
  if (shape.kind === 'entries') {
    if (!isMap(value)) return undefined;
    for (const key of Object.keys(value).toSorted()) {
      const entry = value[key];
      const inner = shape.valueOf(key);
      const below = walk(inner, entry, `${path}.${key}`);
      const node = nodeOf(!shape.isField(key) || isWhole(inner, entry), below);
      if (node !== undefined) (children ??= {})[`f:${key}`] = node;
    }
    return children;
  }
  if (!Array.isArray(value)) return undefined;
  const elements = byElement(shape, value);
  if (elements === undefined) throw elementsError(shape, value, path);
  for (const [element, item] of elements) {
    const below = walk(shape.items, item, `${path}[${element.slice(2)}]`);
    (children ??= {})[element] = nodeOf(true, below) ?? leaf;
  }
  return children;
}

/** True for what is owned as one: scalars, atomic lists and maps, empty maps. An empty list of many owners says nothing. */
function isWhole(schema: Schema, value: unknown): boolean {
  const shape = shapeOf(schema);
  if (shape === undefined) return true;
  if (shape.kind === 'elements') return !Array.isArray(value);
  return !isMap(value) || Object.keys(value).length === 0;
}

function elementsError(
  shape: { elementOf(item: unknown): string | undefined },
  list: readonly unknown[],
  path: string,
) {
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    const element = shape.elementOf(item);
    if (element === undefined) {
      return new ShapeError(
        path,
        `element ${index}: associative list with keys has an element that omits a key field (and has no default value for it)`,
      );
    }
    if (seen.has(element)) return new ShapeError(path, `duplicate entries for key [${element.slice(2)}]`);
    seen.add(element);
  }
  return new ShapeError(path, 'the elements cannot be told apart');
}
