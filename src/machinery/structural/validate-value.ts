/**
 * Holds values against a structural schema, with upstream's paths, reasons and words.
 *
 * An update is ratcheted: a part that was invalid before and has not changed is let through, where old and new can be
 * told to be the same part (fields, entries of granular maps, elements of map lists).
 * Source: kube-openapi pkg/validation/validate, apiextensions-apiserver pkg/apiserver/validation.
 */
import { formatJson } from '../json.ts';
import { isDeepStrictEqual } from 'node:util';
import { invalid, notSupported, required, tooLong, tooMany, typeInvalid, type FieldError } from '../field-error.ts';
import { hasFormat, isKnownFormat } from './formats.ts';
import { isList, isObject, type JsonSchema, type Value } from './json-schema.ts';
import { containsPattern } from './pattern.ts';

/** What an update replaces, where it is known. */
export interface Before {
  readonly value: unknown;
}

/** `path` names the value itself; it is empty for a whole object. */
export function valueErrors(
  schema: JsonSchema,
  value: unknown,
  { path = '', before }: { readonly path?: string; readonly before?: Before | undefined } = {},
): readonly FieldError[] {
  return check(schema, value, { prefix: path, path: '', before }).errors;
}

interface Place {
  /** Stands before every path, but not in the words. */
  readonly prefix: string;
  readonly path: string;
  readonly before: Before | undefined;
}

class Result {
  readonly errors: FieldError[] = [];
  /** Checks that went well: of several failed alternatives, the one with the most is reported. */
  matches = 0;

  merge(other: Result): void {
    this.errors.push(...other.errors);
    this.matches += other.matches;
  }
}

function check(schema: JsonSchema, value: unknown, place: Place): Result {
  const result = checkAll(schema, value, place);
  if (result.errors.length === 0 || place.before === undefined) return result;
  return isDeepStrictEqual(place.before.value, value) ? new Result() : result;
}

const fieldOf = ({ prefix, path }: Place) => (prefix === '' ? path : path === '' ? prefix : `${prefix}.${path}`);

function checkAll(schema: JsonSchema, value: unknown, place: Place): Result {
  const result = new Result();
  const typeError = typeErrorOf(schema, value, place);
  if (typeError === undefined) result.matches++;
  else result.errors.push(typeError);
  if (value === null || value === undefined) {
    if (schema.nullable !== true) checkEnum(schema, null, place, result);
    return result;
  }
  checkAlternatives(schema, value, place, result);
  if (typeof value === 'string') checkString(schema, value, place, result);
  if (typeof value === 'number' || typeof value === 'bigint') checkNumber(schema, value, place, result);
  if (isList(value)) checkList(schema, value, place, result);
  checkEnum(schema, value, place, result);
  if (isObject(value)) checkObject(schema, value, place, result);
  result.matches++;
  return result;
}

const inBody = ({ path }: Place) => `${path} in body`;

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string'] === true) return ['integer', 'string'];
  return schema.type === undefined || schema.type === '' ? [] : [schema.type];
}

function formatOf(schema: JsonSchema): string {
  const { format = '' } = schema;
  const types = typesOf(schema);
  return isKnownFormat(types.length === 1 ? types[0] : '', format) ? format : '';
}

function jsonTypeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  if (typeof value === 'bigint') return 'integer';
  return typeof value === 'object' ? 'object' : typeof value;
}

function typeErrorOf(schema: JsonSchema, value: unknown, place: Place): FieldError | undefined {
  const types = typesOf(schema);
  const format = formatOf(schema);
  if (types.length === 0 && format === '') return undefined;
  const wrong = (wanted: string, found: string) =>
    typeInvalid(fieldOf(place), found, `${inBody(place)} must be of type ${wanted}: ${JSON.stringify(found)}`);
  const found = jsonTypeOf(value);
  if (found === 'null') {
    return types.length === 0 || schema.nullable === true ? undefined : wrong(types.join(','), 'null');
  }
  const isNumeric = types.includes('number') || types.includes('integer');
  const fits = types.includes(found) || (found === 'integer' && types.includes('number'));
  if (found === 'string' || found === 'array') {
    if (!isNumeric && format !== '') return undefined;
  } else if (format !== '' && !fits) {
    return wrong(format, found === 'integer' ? 'int64' : found === 'number' ? 'float64' : '');
  }
  return fits ? undefined : wrong(types.join(','), found);
}

function checkEnum(schema: JsonSchema, value: unknown, place: Place, result: Result): void {
  const { enum: allowed } = schema;
  if (allowed === undefined || allowed.length === 0) return;
  if (allowed.some((each) => isDeepStrictEqual(each, value))) result.matches++;
  else {
    const texts = allowed.map((each) => (typeof each === 'string' ? each : formatJson(each)));
    result.errors.push(notSupported(fieldOf(place), value, texts));
  }
}

const characters = (text: string) => {
  let count = 0;
  for (const _ of text) count++;
  return count;
};

function checkString(schema: JsonSchema, value: string, place: Place, result: Result): void {
  const { maxLength, minLength, pattern } = schema;
  const fail = (error: FieldError) => result.errors.push(error);
  const field = fieldOf(place);
  // Counting characters takes a while for long texts, so only where a limit could be passed.
  if (maxLength !== undefined && value.length > maxLength && characters(value) > maxLength) {
    fail(tooLong(field, maxLength));
  }
  if (minLength !== undefined && characters(value) < minLength) {
    fail(invalid(field, value, `${inBody(place)} should be at least ${minLength} chars long`));
  }
  if (pattern !== undefined && pattern !== '' && !containsPattern(pattern, value)) {
    fail(invalid(field, value, `${inBody(place)} should match '${pattern}'`));
  }
  const format = formatOf(schema);
  if (format !== '' && !hasFormat(format, value)) {
    fail(typeInvalid(field, value, `${inBody(place)} must be of type ${format}: ${JSON.stringify(value)}`));
  }
  if (result.errors.length === 0) result.matches++;
}

function checkNumber(schema: JsonSchema, value: number | bigint, place: Place, result: Result): void {
  const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf } = schema;
  const fail = (words: string) => result.errors.push(invalid(fieldOf(place), value, `${inBody(place)} ${words}`));
  const count = result.errors.length;
  if (schema.type === 'integer' && schema.format === 'int32' && (value > 2147483647 || value < -2147483648)) {
    result.errors.push(
      invalid(nowhere(place), '', `Checked value must be of type integer with format int32 in ${place.path}`),
    );
  }
  if (multipleOf !== undefined && !isMultiple(Number(value), multipleOf)) fail(`should be a multiple of ${multipleOf}`);
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum === true && value === maximum))) {
    fail(`should be less than ${exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`);
  }
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum === true && value === minimum))) {
    fail(`should be greater than ${exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`);
  }
  if (result.errors.length === count) result.matches++;
}

function isMultiple(value: number, factor: number): boolean {
  if (factor <= 0) return false;
  const quotient = factor < 1 ? (1 / factor) * value : value / factor;
  return Math.abs(quotient - Math.round(quotient)) <= 1e-9 * Math.max(1, Math.abs(quotient));
}

function checkList(schema: JsonSchema, value: readonly unknown[], place: Place, result: Result): void {
  const { items, maxItems, minItems, uniqueItems } = schema;
  if (items !== undefined) {
    for (const [index, each] of value.entries()) {
      const before = beforeOfItem(schema, each, place.before);
      result.merge(check(items, each, { ...place, path: `${place.path}[${index}]`, before }));
    }
  }
  if (minItems !== undefined && value.length < minItems) {
    result.errors.push(
      invalid(fieldOf(place), value.length, `${inBody(place)} should have at least ${minItems} items`),
    );
  }
  if (maxItems !== undefined && value.length > maxItems) {
    result.errors.push(tooMany(fieldOf(place), value.length, maxItems));
  }
  if (uniqueItems === true && new Set(value.map((each) => formatJson(each))).size < value.length) {
    result.errors.push(invalid(fieldOf(place), '', `${inBody(place)} shouldn't contain duplicates`));
  }
}

function checkObject(schema: JsonSchema, value: Value, place: Place, result: Result): void {
  const { properties = {}, additionalProperties, required: needed = [], minProperties, maxProperties } = schema;
  const keys = Object.keys(value);
  if (minProperties !== undefined && keys.length < minProperties) {
    result.errors.push(
      invalid(fieldOf(place), keys.length, `${inBody(place)} should have at least ${minProperties} properties`),
    );
  }
  if (maxProperties !== undefined && keys.length > maxProperties) {
    result.errors.push(tooMany(fieldOf(place), keys.length, maxProperties));
  }
  for (const key of keys) {
    const known = Object.hasOwn(properties, key);
    const sub = known ? properties[key] : additionalProperties;
    if (sub === false && !known) {
      const where = place.path === '' ? '' : place.path;
      result.errors.push(invalid(fieldOf(place), key, `${where}.${key} in body is a forbidden property`));
    }
    if (typeof sub !== 'object') continue;
    const path = place.path === '' ? (known ? key : `.${key}`) : `${place.path}.${key}`;
    const isTypeMeta = place.path === '' && place.prefix === '' && (key === 'kind' || key === 'apiVersion');
    const before = isTypeMeta ? undefined : beforeOfKey(schema, key, place.before);
    result.merge(check(sub, value[key], { ...place, path, before }));
  }
  for (const key of needed) {
    if (!Object.hasOwn(value, key)) {
      result.errors.push(required(fieldOf({ ...place, path: place.path === '' ? key : `${place.path}.${key}` })));
    }
  }
}

/** Composite failures are told of the whole object: upstream gives them no field of their own. */
const nowhere = ({ prefix }: Place) => (prefix === '' ? '<nil>' : prefix);

function checkAlternatives(schema: JsonSchema, value: unknown, place: Place, result: Result): void {
  const { allOf = [], anyOf = [], oneOf = [], not } = schema;
  const name = JSON.stringify(place.path);
  const fail = (words: string) => result.errors.push(invalid(nowhere(place), '', `${name} ${words}`));
  if (anyOf.length > 0) {
    const results = anyOf.map((each) => check(each, value, place));
    const fine = results.find(({ errors }) => errors.length === 0);
    if (fine === undefined) fail('must validate at least one schema (anyOf)');
    const best = fine ?? bestOf(results);
    if (best !== undefined) result.merge(best);
  }
  if (oneOf.length > 0) {
    const results = oneOf.map((each) => check(each, value, place));
    const fine = results.filter(({ errors }) => errors.length === 0);
    if (fine.length === 1) result.merge(fine[0]!);
    else {
      const found = fine.length === 0 ? 'Found none valid' : `Found ${fine.length} valid alternatives`;
      fail(`must validate one and only one schema (oneOf). ${found}`);
      const best = fine.length === 0 ? bestOf(results) : undefined;
      if (best !== undefined) result.merge(best);
    }
  }
  if (allOf.length > 0) {
    let fine = 0;
    for (const each of allOf) {
      const one = check(each, value, place);
      if (one.errors.length === 0) fine++;
      result.merge(one);
    }
    if (fine < allOf.length) fail(`must validate all the schemas (allOf)${fine === 0 ? '. None validated' : ''}`);
  }
  if (not !== undefined && check(not, value, { ...place, before: undefined }).errors.length === 0) {
    fail('must not validate the schema (not)');
  }
  result.matches++;
}

function bestOf(results: readonly Result[]): Result | undefined {
  let best: Result | undefined;
  for (const each of results) if (best === undefined || each.matches > best.matches) best = each;
  return best;
}

/** What stood at the same key before; undefined where parts cannot be told to be the same. */
export function beforeOfKey(schema: JsonSchema, key: string, before: Before | undefined): Before | undefined {
  if (before === undefined || schema['x-kubernetes-map-type'] === 'atomic' || !isObject(before.value)) return undefined;
  return Object.hasOwn(before.value, key) ? { value: before.value[key] } : undefined;
}

/** The element with the same keys in the list before; only elements of map lists can be told apart. */
export function beforeOfItem(schema: JsonSchema, item: unknown, before: Before | undefined): Before | undefined {
  if (before === undefined || schema['x-kubernetes-list-type'] !== 'map' || !isList(before.value)) return undefined;
  if (!isObject(item)) return undefined;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const found = before.value.find(
    (each) =>
      isObject(each) &&
      keys.every((key) => isDeepStrictEqual(keyValue(schema, each, key), keyValue(schema, item, key))),
  );
  return found === undefined ? undefined : { value: found };
}

const keyValue = ({ items }: JsonSchema, item: Value, key: string) => item[key] ?? items?.properties?.[key]?.default;
