import { checkCel, type Complaint, type Declarations, type StructTypes } from './check.ts';
import { evaluate, type Bindings, type CelBudget } from './evaluate.ts';
import type { FunctionTable } from './functions.ts';
import { parseCel } from './parser.ts';
import { CelSyntaxError, type Expr } from './syntax.ts';
import { dyn, fits, typeText, type Type } from './types.ts';
import type { CelValue } from './values.ts';

export interface CelProgram {
  readonly source: string;
  readonly expr: Expr;
  readonly type: Type;
  /** Throws CelError, also when the budget is used up. */
  evaluate(bindings: Bindings, budget: CelBudget): CelValue;
}

/** An expression that cannot be run. The message is upstream's: `ERROR: <input>:1:6: undefined field 'foo'` and where. */
export class CelCompileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CelCompileError';
  }
}

/** What the expressions of one kind of rule may use, and must give. */
export interface CelEnvironment {
  readonly variables: Declarations;
  readonly functions: FunctionTable;
  /** What expressions may build by name; nothing unless given. */
  readonly structs?: StructTypes;
}

/** Parses and checks an expression. Throws CelCompileError; `result` is what it must give, anything unless given. */
export function compileCel(source: string, environment: CelEnvironment, result: readonly Type[] = []): CelProgram {
  let expr: Expr;
  try {
    expr = parseCel(source);
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    throw new CelCompileError(pointed(source, [{ at: error.at, message: error.message }]));
  }
  const { type, complaints } = checkCel(expr, environment.variables, environment.functions, environment.structs);
  if (complaints.length > 0) throw new CelCompileError(pointed(source, complaints));
  if (result.length > 0 && !result.some((wanted) => fits(wanted, type, new Map()))) {
    const wanted = result.map(typeText).join(' or ');
    throw new CelCompileError(`must evaluate to ${wanted === 'list(dyn)' ? 'a list' : wanted}`);
  }
  return {
    source,
    expr,
    type,
    evaluate: (bindings, budget) => evaluate(expr, bindings, environment.functions, budget),
  };
}

/** Source: github.com/google/cel-go/common (error.go). */
/** Complaints that are told; the first ones say enough. Source: cel-go common/errors.go. */
const complaintsMax = 100;
/** Longer lines are shown around the place alone: each complaint has its own copy. */
const [shownMax, shownBefore] = [1_000, 200];

function pointed(source: string, complaints: readonly Complaint[]): string {
  const lines = source.split('\n');
  const told = complaints.slice(0, complaintsMax).map(({ at, message }) => {
    let [line, column] = [0, at];
    while (column > lines[line]!.length && line < lines.length - 1) column -= lines[line++]!.length + 1;
    const text = lines[line]!;
    const from = text.length > shownMax ? Math.max(0, column - shownBefore) : 0;
    const shown = text.slice(from, from + shownMax).replaceAll('\t', ' ');
    return `ERROR: <input>:${line + 1}:${column + 1}: ${message}\n | ${shown}\n | ${'.'.repeat(column - from)}^`;
  });
  const more = complaints.length - told.length;
  return [...told, ...(more > 0 ? [`(and ${more} more errors)`] : [])].join('\n');
}

/** Declares variables of no known type. */
export const dynamic = (...names: readonly string[]): Declarations =>
  Object.fromEntries(names.map((name) => [name, dyn]));
