import type * as costsModule from './rule-costs.ts';
import type * as rulesModule from './rules.ts';
import { isObject, type JsonSchema } from './json-schema.ts';

/** CEL is loaded with the first rule: a server without rules does not pay for it. */
let rules: typeof rulesModule | undefined;
let costs: typeof costsModule | undefined;

/** Must have ended before `loadedRules()` and `loadedCosts()` are asked for. */
export async function loadRules(): Promise<void> {
  rules ??= await import('./rules.ts');
  costs ??= await import('./rule-costs.ts');
}

export function loadedCosts(): typeof costsModule {
  if (costs === undefined) throw new Error('the rules must be loaded before their cost is estimated');
  return costs;
}

export function loadedRules(): typeof rulesModule {
  if (rules === undefined) throw new Error('the rules must be loaded before they are applied');
  return rules;
}

const known = new WeakMap<JsonSchema, boolean>();

/** True if there are rules anywhere in a schema. */
export function hasRules(schema: JsonSchema): boolean {
  let found = known.get(schema);
  if (found === undefined) known.set(schema, (found = finds(schema)));
  return found;
}

function finds(schema: unknown): boolean {
  if (!isObject(schema)) return false;
  const { properties = {}, additionalProperties, items } = schema as JsonSchema; // as the definition of one says
  if (schema['x-kubernetes-validations'] !== undefined) return true;
  return [...Object.values(properties), additionalProperties, items].some(finds);
}
