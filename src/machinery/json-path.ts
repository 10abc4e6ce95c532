/**
 * The part of kubectl's JSONPath that printer columns and selectable fields use: fields, quoted fields, indexes,
 * slices, wildcards, recursive descent and filters that compare. Source: k8s.io/client-go/util/jsonpath.
 */
type Step =
  | { readonly is: 'field'; readonly name: string }
  | {
      readonly is: 'index';
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly by: number;
      readonly one: boolean;
    }
  | { readonly is: 'all' }
  | { readonly is: 'descend' }
  | { readonly is: 'filter'; readonly test: Test };

type Test = (value: unknown, budget: Budget) => boolean;

/** Values that a search may still look at. */
interface Budget {
  left: number;
}

export interface JsonPath {
  /** What the path leads to, in document order; nothing where a step is missing. */
  find(value: unknown): readonly unknown[];
}

/** Steps of one path at most, and filters within filters. */
const [stepsMax, filtersWithinMax] = [200, 8];
/** Values that one search looks at; what lies beyond is not found. `....` alone would look at each many times over. */
const valuesMax = 20_000;

/** Throws a SyntaxError that says what cannot be read. */
export function parseJsonPath(text: string): JsonPath {
  const steps = parse(text, 0);
  return { find: (value) => follow(value, steps, { left: valuesMax }) };
}

function parse(text: string, depth: number): readonly Step[] {
  if (depth > filtersWithinMax) throw new SyntaxError(`more than ${filtersWithinMax} filters within each other`);
  const steps: Step[] = [];
  let rest = text.startsWith('$') || text.startsWith('@') ? text.slice(1) : text;
  while (rest !== '') {
    if (steps.length >= stepsMax) throw new SyntaxError(`a path of more than ${stepsMax} steps`);
    const [step, length] = nextStep(rest, text, depth);
    if (step !== undefined) steps.push(step);
    rest = rest.slice(length);
  }
  return steps;
}

function nextStep(rest: string, text: string, depth: number): readonly [Step | undefined, number] {
  if (rest.startsWith('..')) {
    return [{ is: 'descend' }, rest[2] === '[' ? 2 : 1];
  }
  if (rest.startsWith('.')) {
    const name = /^\.((?:\\.|[^.[\]()\s|{}])*)/.exec(rest);
    const found = name?.[1] ?? '';
    if (found === '*') return [{ is: 'all' }, 2];
    if (found === '') {
      if (rest === '.' || rest[1] === '[') return [undefined, 1];
      throw new SyntaxError(`unexpected ${JSON.stringify(rest.slice(0, 10))} in ${JSON.stringify(text)}`);
    }
    return [{ is: 'field', name: found.replaceAll(/\\(.)/g, '$1') }, name![0].length];
  }
  if (!rest.startsWith('[')) {
    const name = /^[^.[\]()\s|{}]+/.exec(rest)?.[0];
    if (name === undefined)
      throw new SyntaxError(`unexpected ${JSON.stringify(rest.slice(0, 10))} in ${JSON.stringify(text)}`);
    return [name === '*' ? { is: 'all' } : { is: 'field', name }, name.length];
  }
  const end = closing(rest);
  if (end < 0) throw new SyntaxError(`unterminated array in ${JSON.stringify(text)}`);
  return [bracketStep(rest.slice(1, end).trim(), text, depth), end + 1];
}

/** The index of the bracket that closes the first one. */
function closing(rest: string): number {
  let quote = '';
  let depth = 0;
  for (let index = 0; index < rest.length; index++) {
    const each = rest[index]!;
    if (quote !== '') {
      if (each === '\\') index++;
      else if (each === quote) quote = '';
    } else if (each === "'" || each === '"') quote = each;
    else if (each === '[') depth++;
    else if (each === ']' && --depth === 0) return index;
  }
  return -1;
}

function bracketStep(inside: string, text: string, depth: number): Step {
  if (inside === '*') return { is: 'all' };
  const quoted = /^(['"])(.*)\1$/s.exec(inside);
  if (quoted !== null) return { is: 'field', name: (quoted[2] ?? '').replaceAll(/\\(.)/g, '$1') };
  const filter = /^\?\((.*)\)$/s.exec(inside);
  if (filter !== null) return { is: 'filter', test: filterOf((filter[1] ?? '').trim(), text, depth) };
  const slice = /^(-?\d+)?(:(-?\d+)?)?(:(-?\d+)?)?$/.exec(inside);
  if (slice === null || inside === '')
    throw new SyntaxError(`invalid array index ${JSON.stringify(inside)} in ${JSON.stringify(text)}`);
  const number = (part: string | undefined) => (part === undefined ? undefined : Number(part));
  const by = number(slice[5]) ?? 1;
  if (by < 1) throw new SyntaxError(`step must be > 0 in ${JSON.stringify(text)}`);
  return { is: 'index', from: number(slice[1]), to: number(slice[3]), by, one: slice[2] === undefined };
}

function filterOf(expression: string, text: string, depth: number): Test {
  const operator = /==|!=|<=|>=|<|>/.exec(expression);
  if (operator === null) {
    const steps = parse(expression, depth + 1);
    return (value, budget) => follow(value, steps, budget).length > 0;
  }
  const [left, right] = [expression.slice(0, operator.index), expression.slice(operator.index + operator[0].length)];
  const [a, b] = [operand(left.trim(), text, depth), operand(right.trim(), text, depth)];
  return (value, budget) => compare(a(value, budget), operator[0], b(value, budget));
}

function operand(part: string, text: string, depth: number): (value: unknown, budget: Budget) => unknown {
  const quoted = /^(['"])(.*)\1$/s.exec(part);
  if (quoted !== null) return () => quoted[2];
  if (/^-?\d+(\.\d+)?$/.test(part)) return () => Number(part);
  if (part === 'true' || part === 'false') return () => part === 'true';
  if (!part.startsWith('@') && !part.startsWith('$'))
    throw new SyntaxError(`unexpected ${JSON.stringify(part)} in ${JSON.stringify(text)}`);
  const steps = parse(part, depth + 1);
  return (value, budget) => follow(value, steps, budget)[0];
}

function compare(a: unknown, operator: string, b: unknown): boolean {
  if (operator === '==') return a === b;
  if (a === undefined || b === undefined) return false;
  if (operator === '!=') return a !== b;
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string')) return false;
  const [x, y] = [a, b as typeof a];
  return operator === '<' ? x < y : operator === '<=' ? x <= y : operator === '>' ? x > y : x >= y;
}

function follow(root: unknown, steps: readonly Step[], budget: Budget): readonly unknown[] {
  let values: readonly unknown[] = [root];
  for (const step of steps) {
    const found: unknown[] = [];
    for (const value of values) {
      for (const each of take(value, step, budget)) {
        if (--budget.left < 0) return [];
        found.push(each);
      }
    }
    values = found;
  }
  return values;
}

function* take(value: unknown, step: Step, budget: Budget): Iterable<unknown> {
  switch (step.is) {
    case 'field':
      if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, step.name)) {
        yield (value as Readonly<Record<string, unknown>>)[step.name];
      }
      return;
    case 'all':
      if (typeof value === 'object' && value !== null) yield* Object.values(value) as unknown[];
      return;
    case 'descend':
      yield value;
      if (typeof value === 'object' && value !== null) {
        for (const each of Object.values(value) as unknown[]) yield* take(each, step, budget);
      }
      return;
    case 'filter':
      if (Array.isArray(value)) for (const each of value as readonly unknown[]) if (step.test(each, budget)) yield each;
      return;
    case 'index':
      if (Array.isArray(value)) yield* takeIndex(value as readonly unknown[], step);
  }
}

function* takeIndex(list: readonly unknown[], step: Extract<Step, { is: 'index' }>): Iterable<unknown> {
  const at = (index: number) => (index < 0 ? list.length + index : index);
  const from = at(step.from ?? 0);
  if (step.one) {
    if (from >= 0 && from < list.length) yield list[from];
    return;
  }
  const to = Math.min(step.to === undefined ? list.length : at(step.to), list.length);
  for (let index = Math.max(from, 0); index < to; index += step.by) yield list[index];
}
