/**
 * Strategic merge patch: a merge patch that knows from the schema which lists merge, and by which key.
 *
 * Directives: `$patch: replace` takes the patch's map (or, as an element, the patch's list) as it is; `$patch: delete`
 * empties a map or removes the element with the same merge key; `$deleteFromPrimitiveList/f` removes values from the
 * list `f`; `$setElementOrder/f` gives the order of list `f`; `$retainKeys` drops every other key of its map.
 *
 * Order of a merged list: the patch's elements in the patch's order (or that of `$setElementOrder`), woven with the
 * rest in their old order, where new elements come before old ones that the patch does not mention.
 *
 * Source: k8s.io/apimachinery/pkg/util/strategicpatch (patch.go). It differs in one case: a `$patch: replace` map whose
 * field is absent in the document is taken, not dropped.
 */
import type { ArraySchema, ObjectSchema, Schema } from '../schema.ts';
import { StatusError, badRequest } from '../status-error.ts';
import { checkPatchValue, isObject, own, sameJson, typeOf } from './json-value.ts';
import type { JsonObject, JsonValue } from './json-value.ts';

const orderPrefix = '$setElementOrder/';
const deletePrefix = '$deleteFromPrimitiveList/';

/**
 * Applies `patch` to `document`, whose fields `schema` describes; changes neither. Throws `BadRequest` for a
 * malformed patch and `Invalid` (422) for one that contradicts itself.
 */
export function applyStrategicMergePatch<T extends object>(document: T, patch: unknown, schema: ObjectSchema): T {
  if (!isObject(patch)) throw badRequest('strategic merge patch must be a JSON object');
  checkPatchValue(patch);
  return mergeMap(document as unknown as JsonObject, patch, schema, '') as unknown as T; // the caller validates it as a T
}

function mergeMap(document: JsonObject, patch: JsonObject, schema: Schema | undefined, path: string): JsonObject {
  const directive = own(patch, '$patch');
  if (directive === 'replace') return withoutNullsAndDirectives(omit(patch, '$patch')) as JsonObject; // a map stays one
  if (directive === 'delete') return {};
  if (directive !== undefined) throw unknownDirective(directive, path);

  const merged: Record<string, JsonValue> = { ...retained(document, patch, path) };
  const ordered = mergeOrderedLists(merged, patch, schema, path);
  for (const [key, value] of Object.entries(patch)) {
    if (ordered.has(key) || key === '$retainKeys' || key.startsWith(orderPrefix)) continue;
    const at = joined(path, key);
    if (key.startsWith(deletePrefix)) removeValues(merged, key.slice(deletePrefix.length), value, at);
    else if (value === null) delete merged[key];
    else {
      const result = mergeField(own(merged, key), value, fieldSchema(schema, key), at);
      if (result === undefined) delete merged[key];
      else merged[key] = result;
    }
  }
  return merged;
}

function mergeField(
  current: JsonValue | undefined,
  value: JsonValue,
  schema: Schema | undefined,
  path: string,
): JsonValue | undefined {
  if (isObject(current) && isObject(value)) {
    const replaces = schema?.type === 'object' && schema.patchStrategy?.includes('replace') === true;
    return replaces ? value : mergeMap(current, value, schema, path);
  }
  if (Array.isArray(current) && Array.isArray(value)) {
    const list = schema?.type === 'array' ? schema : undefined;
    return merges(list) ? mergeList(current, value, list, path) : value;
  }
  if (isObject(value) && own(value, '$patch') === 'replace') {
    return withoutNullsAndDirectives(omit(value, '$patch'));
  }
  return withoutNullsAndDirectives(value);
}

const merges = (schema: ArraySchema | undefined): schema is ArraySchema =>
  schema?.patchStrategy?.includes('merge') === true;

/** What `$retainKeys` leaves of the document. */
function retained(document: JsonObject, patch: JsonObject, path: string): JsonObject {
  const keys = own(patch, '$retainKeys');
  if (keys === undefined) return document;
  if (!Array.isArray(keys)) throw badRequest(`invalid patch format of retainKeys at ${path || 'the root'}: not a list`);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || key.startsWith('$') || keys.includes(key)) continue;
    throw badRequest(`invalid patch format of retainKeys at ${path || 'the root'}: it lacks ${JSON.stringify(key)}`);
  }
  return Object.fromEntries(Object.entries(document).filter(([key]) => keys.includes(key)));
}

/** Merges the lists that have a `$setElementOrder`, and puts them in that order. Returns their keys. */
function mergeOrderedLists(
  merged: Record<string, JsonValue>,
  patch: JsonObject,
  schema: Schema | undefined,
  path: string,
): Set<string> {
  const done = new Set<string>();
  for (const [directive, order] of Object.entries(patch)) {
    if (!directive.startsWith(orderPrefix)) continue;
    const key = directive.slice(orderPrefix.length);
    const at = joined(path, key);
    const [current, change] = [own(merged, key), own(patch, key)];
    done.add(key);
    if (!isList(order) || !isListOrAbsent(current) || !isListOrAbsent(change)) {
      throw badRequest(`invalid patch format of setElementOrder list at ${at}: expected lists`);
    }
    const list = fieldSchema(schema, key);
    const mergeKey = list?.type === 'array' ? list.patchMergeKey : undefined;
    if (change !== undefined) checkOrder(change, order, mergeKey, at);
    const result =
      current === undefined || change === undefined
        ? (current ?? (withoutNullsAndDirectives(change ?? null) as readonly JsonValue[] | null)) // a list stays one
        : list?.type === 'array' && merges(list)
          ? mergeList(current, change, list, at)
          : change;
    if (result !== null) merged[key] = weave(result, order, current ?? [], mergeKey);
  }
  return done;
}

const isList = (value: JsonValue | undefined): value is readonly JsonValue[] => Array.isArray(value);
const isListOrAbsent = (value: JsonValue | undefined): value is readonly JsonValue[] | undefined =>
  value === undefined || Array.isArray(value);

/** The elements a patch sets must appear in its order list, in that order. */
function checkOrder(
  change: readonly JsonValue[],
  order: readonly JsonValue[],
  mergeKey: string | undefined,
  path: string,
): void {
  if (order.length === 0) return;
  let next = 0;
  for (const element of change) {
    if (isObject(element) && own(element, '$patch') !== undefined) continue;
    while (next < order.length && !sameElement(element, order[next], mergeKey)) next++;
    if (next === order.length) {
      throw new StatusError('Invalid', `The order in patch list ${path} doesn't match its ${orderPrefix} list`);
    }
    next++;
  }
}

function removeValues(merged: Record<string, JsonValue>, key: string, values: JsonValue, path: string): void {
  const current = own(merged, key);
  if (!isList(values)) throw badRequest(`invalid patch format of primitive list at ${path}: not a list`);
  const removed = new Set(values);
  if (isList(current)) merged[key] = current.filter((value) => !removed.has(value));
}

function mergeList(
  current: readonly JsonValue[],
  change: readonly JsonValue[],
  schema: ArraySchema,
  path: string,
): readonly JsonValue[] {
  const types = new Set([...current, ...change].map((value) => typeOf(value)));
  if (types.has('array')) throw new StatusError('Invalid', `lists of lists are not supported: ${path}`);
  if (types.size > 1) throw badRequest(`list element types are not identical: ${path}`);
  if (!types.has('object')) return weave([...new Set([...current, ...change])], change, current, undefined);

  const mergeKey = schema.patchMergeKey;
  if (mergeKey === undefined) throw badRequest(`cannot merge lists without merge key for ${path}`);
  const elements = change as readonly JsonObject[]; // every element is an object
  const plain = elements.filter((element) => own(element, '$patch') === undefined);
  for (const element of elements) checkElement(element, mergeKey, path);
  if (elements.some((element) => own(element, '$patch') === 'replace')) {
    return plain.map((element) => withoutNullsAndDirectives(element) ?? null);
  }
  const nameOf = (element: JsonValue) => identityText(identityOf(element, mergeKey));
  const deleted = new Set(elements.filter((element) => own(element, '$patch') === 'delete').map(nameOf));
  const kept = deleted.size === 0 ? current : current.filter((element) => !deleted.has(nameOf(element)));
  const merged = [...kept];
  // By name, as a patch may have as many elements as fit into it.
  const places = new Map<string, number>();
  const place = (element: JsonValue, index: number) => {
    const name = nameOf(element);
    if (!places.has(name)) places.set(name, index);
  };
  for (const [index, element] of merged.entries()) place(element, index);
  for (const element of plain) {
    const index = places.get(nameOf(element)) ?? merged.length;
    const found = merged[index];
    if (isObject(found))
      merged[index] = mergeMap(
        found,
        element,
        schema.items,
        `${path}[${mergeKey}=${JSON.stringify(element[mergeKey])}]`,
      );
    else {
      place(element, merged.length);
      merged.push(withoutNullsAndDirectives(element) ?? null);
    }
  }
  return weave(merged, plain, kept, mergeKey);
}

function checkElement(element: JsonObject, mergeKey: string, path: string): void {
  const directive = own(element, '$patch');
  if (directive === 'replace') return;
  if (directive === 'merge') throw badRequest('merging lists cannot yet be specified in the patch');
  if (directive !== undefined && directive !== 'delete') throw unknownDirective(directive, path);
  if (own(element, mergeKey) === undefined) {
    throw badRequest(`map: ${JSON.stringify(element)} does not contain declared merge key: ${mergeKey} (in ${path})`);
  }
}

/**
 * Orders `list`: the elements that `first` names in its order, the others in the order of `old`; where both were in
 * `old`, their order there decides which comes next, else the named one does.
 */
function weave(
  list: readonly JsonValue[],
  first: readonly JsonValue[],
  old: readonly JsonValue[],
  mergeKey: string | undefined,
): readonly JsonValue[] {
  const placeIn = (order: readonly JsonValue[]) => {
    const places = new Map<JsonValue | undefined, number>();
    for (const [index, element] of order.entries()) {
      const identity = identityOf(element, mergeKey);
      if (!places.has(identity)) places.set(identity, index);
    }
    return (element: JsonValue) => places.get(identityOf(element, mergeKey)) ?? -1;
  };
  const [placeInFirst, placeInOld] = [placeIn(first), placeIn(old)];
  const named = list
    .filter((element) => placeInFirst(element) >= 0)
    .toSorted((a, b) => placeInFirst(a) - placeInFirst(b));
  const others = list.filter((element) => placeInFirst(element) < 0).toSorted((a, b) => placeInOld(a) - placeInOld(b));
  const woven: JsonValue[] = [];
  let next = 0;
  for (const element of named) {
    const place = placeInOld(element);
    for (
      let other = others[next];
      other !== undefined && placeInOld(other) >= 0 && placeInOld(other) < place;
      other = others[next]
    ) {
      woven.push(other);
      next++;
    }
    woven.push(element);
  }
  return [...woven, ...others.slice(next)];
}

const identityOf = (element: JsonValue | undefined, mergeKey: string | undefined) =>
  mergeKey !== undefined && isObject(element) ? own(element, mergeKey) : element;

/** The same text for values that are the same JSON, whatever the order of their keys. */
function identityText(value: JsonValue | undefined): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    ) ?? ''
  );
}

const sameElement = (a: JsonValue | undefined, b: JsonValue | undefined, mergeKey: string | undefined) =>
  sameJson(identityOf(a, mergeKey), identityOf(b, mergeKey));

/** A value that enters the document anew: no nulls, no directives, no maps that were to be deleted. */
function withoutNullsAndDirectives(value: JsonValue): JsonValue | undefined {
  if (Array.isArray(value)) {
    return value.map((item: JsonValue) => withoutNullsAndDirectives(item)).filter((item) => item !== undefined);
  }
  if (!isObject(value)) return value;
  if (own(value, '$patch') !== undefined) return undefined;
  const clean: Record<string, JsonValue> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === null || key === '$retainKeys' || key.startsWith(orderPrefix) || key.startsWith(deletePrefix)) continue;
    const result = withoutNullsAndDirectives(item);
    if (result !== undefined) clean[key] = result;
  }
  return clean;
}

function fieldSchema(schema: Schema | undefined, key: string): Schema | undefined {
  if (schema?.type === 'object') return Object.hasOwn(schema.fields, key) ? schema.fields[key]?.schema : undefined;
  return schema?.type === 'map' ? schema.values : undefined;
}

const joined = (path: string, key: string) => (path === '' ? key : `${path}.${key}`);

function omit(object: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([other]) => other !== key));
}

const unknownDirective = (directive: JsonValue, path: string) =>
  badRequest(`unknown patch type: ${JSON.stringify(directive)} in map: ${path === '' ? 'the root' : path}`);
