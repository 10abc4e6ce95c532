/**
 * The rules of custom resources (`x-kubernetes-validations`): CEL over the value they stand at (`self`), and over what
 * it replaces (`oldSelf`) where the two can be told to be the same part.
 * Source: apiextensions-apiserver pkg/apiserver/schema/cel (validation.go, compilation.go).
 */
import { isDeepStrictEqual } from 'node:util';
import { CelCompileError, compileCel, type CelEnvironment, type CelProgram } from '../cel/compile.ts';
import { costPerCallMax, kubernetesFunctions } from '../cel/environment.ts';
import { CelBudget, CostExceeded } from '../cel/evaluate.ts';
import { optionalOf, types, typeOfSchema } from '../cel/types.ts';
import { CelError, fromJson, Optional, type CelValue } from '../cel/values.ts';
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
import type { ObjectSchema, Schema } from '../schema.ts';
import { isList, isObject, schemaOfKey, type JsonSchema, type ValidationRule } from './json-schema.ts';
import { toPartSchema } from './to-schema.ts';
import { beforeOfItem, beforeOfKey, type Before } from './validate-value.ts';

/** What all rules of one object may cost together. Source: k8s.io/apiserver/pkg/apis/cel (RuntimeCELCostBudget). */
const costMax = 10_000_000;
const messageLengthMax = 5 * 1024;

/** What rules know of metadata. */
const knownMeta: ObjectSchema = {
  type: 'object',
  required: [],
  fields: { name: { schema: { type: 'string' } }, generateName: { schema: { type: 'string' } } },
};

interface CompiledRule {
  readonly rule: ValidationRule;
  readonly program: CelProgram | undefined;
  readonly message: CelProgram | undefined;
  readonly usesOldSelf: boolean;
  readonly problem: string | undefined;
  readonly messageProblem: string | undefined;
}

interface Compiled {
  readonly schema: Schema;
  readonly rules: readonly CompiledRule[];
}

const compiledAt = new WeakMap<JsonSchema, Compiled>();

/** Compiled when they first meet a value, and kept as long as the schema lives. */
function compiled(schema: JsonSchema, isRoot: boolean): Compiled {
  let found = compiledAt.get(schema);
  if (found === undefined) {
    const typed = toPartSchema(schema, knownMeta, isRoot);
    const rules = (schema['x-kubernetes-validations'] ?? []).map((rule) => compileRule(rule, typed));
    compiledAt.set(schema, (found = { schema: typed, rules }));
  }
  return found;
}

function environmentOf({ optionalOldSelf }: ValidationRule, schema: Schema): CelEnvironment {
  const self = typeOfSchema(schema);
  const variables = { self, oldSelf: optionalOldSelf === true ? optionalOf(self) : self };
  return { variables, functions: kubernetesFunctions };
}

/** What each rule of one part of a schema has to say in CEL; undefined for what does not compile. */
export function compilableRules(schema: JsonSchema, isRoot: boolean) {
  const { schema: typed, rules } = compiled(schema, isRoot);
  return rules.map(({ rule, program, message }) => ({
    rule: program?.source,
    message: message?.source,
    environment: environmentOf(rule, typed),
  }));
}

function compileRule(rule: ValidationRule, schema: Schema): CompiledRule {
  const environment = environmentOf(rule, schema);
  const attempt = (text: string, result: 'bool' | 'string') => {
    try {
      return { program: compileCel(text, environment, [types[result]]), problem: undefined };
    } catch (error) {
      if (!(error instanceof CelCompileError)) throw error;
      return { program: undefined, problem: error.message };
    }
  };
  const { program, problem } = attempt(rule.rule, 'bool');
  const { messageExpression = '' } = rule;
  const told = messageExpression === '' ? undefined : attempt(messageExpression, 'string');
  const mustBe = (text: string | undefined, lead: string, wanted: string) =>
    text === undefined
      ? undefined
      : text.startsWith('must evaluate to')
        ? `${lead}must evaluate to a ${wanted}`
        : `${lead}compilation failed: ${text}`;
  return {
    rule,
    program,
    message: told?.program,
    usesOldSelf: program !== undefined && namesOldSelf(program.expr),
    problem: mustBe(problem, problem?.startsWith('must evaluate to') === true ? 'cel expression ' : '', 'bool'),
    messageProblem: mustBe(told?.problem, 'messageExpression ', 'string'),
  };
}

function namesOldSelf(expr: unknown): boolean {
  if (isList(expr)) return expr.some(namesOldSelf);
  if (typeof expr !== 'object' || expr === null) return false;
  const { kind, name } = expr as { readonly kind?: unknown; readonly name?: unknown };
  if (name === 'oldSelf' && kind === 'ident') return true;
  return Object.values(expr).some(namesOldSelf);
}

/** What is wrong with the rules of a schema themselves; the schema is structural. */
export function ruleComplaints(path: string, schema: JsonSchema): readonly FieldError[] {
  return complaintsOf(path, schema, { isRoot: true, uncorrelated: undefined });
}

interface Standing {
  readonly isRoot: boolean;
  /** The list within which old and new cannot be told to be the same. */
  readonly uncorrelated: string | undefined;
}

function complaintsOf(path: string, schema: JsonSchema, { isRoot, uncorrelated }: Standing): FieldError[] {
  const errors: FieldError[] = [];
  const { items, properties = {}, additionalProperties } = schema;
  if ((schema['x-kubernetes-validations'] ?? []).length > 0) {
    for (const [index, each] of compiled(schema, isRoot).rules.entries()) {
      const field = `${path}.x-kubernetes-validations[${index}]`;
      if (each.problem !== undefined) errors.push(invalid(`${field}.rule`, each.rule, each.problem));
      if (each.messageProblem !== undefined) {
        errors.push(invalid(`${field}.messageExpression`, each.rule, each.messageProblem));
      }
      if (each.usesOldSelf && uncorrelated !== undefined) {
        const words = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`;
        errors.push(invalid(`${field}.rule`, each.rule.rule, words));
      } else if (!each.usesOldSelf && each.program !== undefined && each.rule.optionalOldSelf !== undefined) {
        const words = 'may not be set if oldSelf is not used in rule';
        errors.push(invalid(`${field}.optionalOldSelf`, each.rule.optionalOldSelf, words));
      }
    }
  }
  const inside = { isRoot: false, uncorrelated };
  for (const [name, each] of Object.entries(properties)) {
    errors.push(...complaintsOf(`${path}.properties[${name}]`, each, inside));
  }
  if (typeof additionalProperties === 'object') {
    errors.push(...complaintsOf(`${path}.additionalProperties`, additionalProperties, inside));
  }
  if (items !== undefined) {
    const list = schema['x-kubernetes-list-type'] === 'map' ? uncorrelated : (uncorrelated ?? path);
    errors.push(...complaintsOf(`${path}.items`, items, { isRoot: false, uncorrelated: list }));
  }
  return errors;
}

/** The rules that a whole object breaks. Those it broke before, where it has not changed, are let through. */
export function brokenRules(schema: JsonSchema, value: unknown, before?: Before): readonly FieldError[] {
  const run: Run = { left: costMax, errors: [] };
  visit(schema, value, { path: '', before, unchanged: false, isRoot: true }, run);
  return run.errors;
}

interface Run {
  left: number;
  readonly errors: FieldError[];
}

interface Place {
  readonly path: string;
  readonly before: Before | undefined;
  /** The nearest part around it that can be told to be the same has not changed. */
  readonly unchanged: boolean;
  readonly isRoot: boolean;
}

const outOfBudget = 'validation failed due to running out of cost budget, no further validation rules will be run';

function visit(schema: JsonSchema, value: unknown, place: Place, run: Run): void {
  if (value === null || value === undefined || run.left < 0) return;
  const unchanged = place.before === undefined ? place.unchanged : isDeepStrictEqual(place.before.value, value);
  if ((schema['x-kubernetes-validations'] ?? []).length > 0) apply(schema, value, { ...place, unchanged }, run);
  if (isList(value) && schema.items !== undefined) {
    for (const [index, each] of value.entries()) {
      const before = beforeOfItem(schema, each, place.before);
      visit(schema.items, each, { path: `${place.path}[${index}]`, before, unchanged, isRoot: false }, run);
    }
  }
  if (!isObject(value)) return;
  for (const [key, each] of Object.entries(value)) {
    const sub = schemaOfKey(schema, key);
    if (sub === undefined) continue;
    const known = schema.properties !== undefined && Object.hasOwn(schema.properties, key);
    const path = known ? (place.path === '' ? key : `${place.path}.${key}`) : `${place.path}[${key}]`;
    visit(sub, each, { path, before: beforeOfKey({}, key, place.before), unchanged, isRoot: false }, run);
  }
}

function apply(schema: JsonSchema, value: unknown, place: Place, run: Run): void {
  const { schema: typed, rules } = compiled(schema, place.isRoot);
  const { before, unchanged } = place;
  const field = place.path === '' ? '<nil>' : place.path;
  const type = schema.type ?? '';
  const self = fromJson(value, typed);
  const old = before === undefined || before.value === null ? undefined : fromJson(before.value, typed);
  for (const each of rules) {
    if (run.left < 0) return;
    const { rule, program, usesOldSelf } = each;
    if (program === undefined) {
      run.errors.push(invalid(field, type, `rule compile error: ${each.problem ?? ''}`));
      continue;
    }
    const optional = rule.optionalOldSelf === true;
    if (usesOldSelf && old === undefined && !optional) continue;
    const bindings: Record<string, CelValue> = { self };
    if (optional) bindings['oldSelf'] = new Optional(old);
    else if (old !== undefined) bindings['oldSelf'] = old;
    const result = evaluated(program, bindings, run);
    const name = JSON.stringify(rule.message?.trim() ?? rule.rule.trim()).slice(1, -1);
    if (result.exceeded === true) {
      const own =
        run.left < 0
          ? outOfBudget
          : `'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${name}`;
      run.errors.push(invalid(field, type, own));
      run.left = -1;
      return;
    }
    if (result.failure !== undefined) {
      run.errors.push(invalid(field, type, `${result.failure} evaluating rule: ${name}`));
      continue;
    }
    if (result.value === true || (unchanged && !usesOldSelf)) continue;
    run.errors.push(broken(each, { value, schema, place, bindings }, run));
  }
}

interface Outcome {
  readonly value?: CelValue;
  readonly failure?: string;
  readonly exceeded?: boolean;
}

function evaluated(program: CelProgram, bindings: Readonly<Record<string, CelValue>>, run: Run): Outcome {
  const limit = Math.min(costPerCallMax, run.left);
  const budget = new CelBudget(limit);
  try {
    return { value: program.evaluate(bindings, budget) };
  } catch (error) {
    if (error instanceof CostExceeded) return { exceeded: true };
    if (error instanceof CelError) return { failure: error.message };
    throw error;
  } finally {
    run.left -= limit - Math.max(budget.left, 0);
  }
}

function broken(
  { rule, message }: CompiledRule,
  at: {
    readonly value: unknown;
    readonly schema: JsonSchema;
    readonly place: Place;
    readonly bindings: Readonly<Record<string, CelValue>>;
  },
  run: Run,
): FieldError {
  const { value, schema, place, bindings } = at;
  const below = rule.fieldPath === undefined || rule.fieldPath === '' ? '' : rule.fieldPath.trim();
  const path = `${place.path}${below}`.replace(/^\./, '');
  const field = path === '' ? '<nil>' : path;
  const given =
    rule.message === undefined || rule.message === '' ? `failed rule: ${rule.rule.trim()}` : rule.message.trim();
  const made = message === undefined ? undefined : evaluated(message, bindings, run).value;
  const text = typeof made === 'string' ? made.trim() : '';
  const isUsable = text !== '' && text.length <= messageLengthMax && !text.includes('\n');
  const detail = isUsable ? text : given;
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbidden(field, detail);
    case 'FieldValueRequired':
      return required(field, detail);
    case 'FieldValueDuplicate':
      return duplicate(field, value);
    default: {
      const error = invalid(field, value, detail);
      const isLarge = schema.type === 'object' || schema.type === 'array';
      return isLarge ? { ...error, message: `Invalid value: ${detail}` } : error;
    }
  }
}
