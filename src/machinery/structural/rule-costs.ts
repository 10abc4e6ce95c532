/**
 * What the rules of a definition may cost at most, before any object is there to be checked.
 * Source: apiextensions-apiserver pkg/apis/apiextensions/validation (validation.go, cel_validation.go).
 */
import { compileCel } from '../cel/compile.ts';
import { estimatedCost } from '../cel/cost.ts';
import { forbidden, type FieldError } from '../field-error.ts';
import type { JsonSchema } from './json-schema.ts';
import { compilableRules } from './rules.ts';
import { requestBytes, sizeLimits, sizesBelow, type SizeLimits } from './size-limits.ts';

const ruleCostMax = 10_000_000;
const definitionCostMax = 100_000_000;
/** Rules that are named when all together are too much: the most expensive ones, if they matter. */
const namedMax = 4;
const matters = definitionCostMax / 100;

interface Place {
  readonly path: string;
  readonly isRoot: boolean;
  /** How often this part can be in one object; undefined if nothing bounds it. */
  readonly times: number | undefined;
}

interface Found {
  readonly field: string;
  readonly cost: number;
}

/** `schema` is structural, and its rules compile. */
export function costComplaints(path: string, schema: JsonSchema): readonly FieldError[] {
  const errors: FieldError[] = [];
  const found: Found[] = [];
  visit(schema, { path, isRoot: true, times: 1 }, errors, found);
  const total = found.reduce((all, { cost }) => all + cost, 0);
  if (total <= definitionCostMax) return errors;
  const expensive = found.filter(({ cost }) => cost >= matters).toSorted((a, b) => b.cost - a.cost);
  const words = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
  return [
    ...errors,
    ...expensive.slice(0, namedMax).map(({ field }) => forbidden(field, words)),
    forbidden(
      path,
      tooMuch(
        'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema',
        total,
        definitionCostMax,
      ),
    ),
  ];
}

function visit(schema: JsonSchema, place: Place, errors: FieldError[], found: Found[]): void {
  const { properties = {}, additionalProperties, items } = schema;
  if ((schema['x-kubernetes-validations'] ?? []).length > 0) own(schema, place, errors, found);
  const times = inside(schema, place.times);
  for (const [name, each] of Object.entries(properties)) {
    visit(each, { path: `${place.path}.properties[${name}]`, isRoot: false, times }, errors, found);
  }
  if (typeof additionalProperties === 'object') {
    visit(additionalProperties, { path: `${place.path}.additionalProperties`, isRoot: false, times }, errors, found);
  }
  if (items !== undefined) visit(items, { path: `${place.path}.items`, isRoot: false, times }, errors, found);
}

/** How often what is directly inside can be there. */
function inside({ type, additionalProperties, maxItems, maxProperties }: JsonSchema, times: number | undefined) {
  if (times === undefined) return undefined;
  const isMap = type === 'object' && typeof additionalProperties === 'object';
  if (!isMap && type !== 'array') return times;
  const most = isMap ? maxProperties : maxItems;
  return most === undefined ? undefined : times * Math.max(0, most);
}

/** What each rule standing at a part of a schema, and each of their messages, may cost when it is run once. */
export function ruleCosts(
  schema: JsonSchema,
  limits: SizeLimits,
  isRoot: boolean,
): readonly { readonly rule: number | undefined; readonly message: number | undefined }[] {
  return compilableRules(schema, isRoot).map(({ rule, message, environment }) => {
    const cost = (source: string | undefined) =>
      source === undefined
        ? undefined
        : estimatedCost(compileCel(source, environment), environment, sizesBelow(limits));
    return { rule: cost(rule), message: cost(message) };
  });
}

function own(schema: JsonSchema, { path, isRoot, times }: Place, errors: FieldError[], found: Found[]): void {
  const limits = sizeLimits(schema, isRoot || schema['x-kubernetes-embedded-resource'] === true);
  if (limits === undefined) return;
  const often = times ?? Math.floor(requestBytes / (limits.leastBytes + 1));
  for (const [index, { rule, message }] of ruleCosts(schema, limits, isRoot).entries()) {
    const observe = (what: 'rule' | 'messageExpression', cost: number, name: string) => {
      const field = `${path}.x-kubernetes-validations[${index}].${what}`;
      if (cost > ruleCostMax) errors.push(forbidden(field, tooMuch(name, cost, ruleCostMax)));
      found.push({ field, cost });
    };
    if (rule !== undefined) observe('rule', rule * often, 'estimated rule cost');
    if (message !== undefined) observe('messageExpression', message, 'estimated messageExpression cost');
  }
}

function tooMuch(what: string, cost: number, limit: number): string {
  const times = cost / limit;
  const factor = times > 100 ? 'more than 100x' : times < 1.5 ? `${times.toFixed(6)}x` : `${times.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}
