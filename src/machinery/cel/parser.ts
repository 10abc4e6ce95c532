import { tokensOf, type Token } from './lexer.ts';
import { CelSyntaxError, type Entry, type Expr, type Item, type Macro, type StructField } from './syntax.ts';

/** Characters of an expression, its nesting and its nodes: what is longer is refused before anything is done with it. */
const sourceMax = 64 * 1024;
const nestingMax = 250;
/** Arithmetic and comparisons: a row of them is as deep as it is long. */
const operatorsMax = 1_000;

const reserved = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

/** Parses an expression. Throws CelSyntaxError. */
export function parseCel(source: string): Expr {
  if (source.length > sourceMax)
    throw new CelSyntaxError(0, `expression has ${source.length} characters; at most ${sourceMax} are read`);
  const parser = new Parser(tokensOf(source));
  const expr = parser.expression();
  parser.end();
  return expr;
}

/** Binary operators by how tightly they bind. */
const levels: readonly (readonly string[])[] = [
  ['<', '<=', '>=', '>', '==', '!=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
];

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  #operators = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  end(): void {
    if (this.#token.type !== 'end') throw this.#unexpected();
  }

  expression(): Expr {
    if (++this.#depth > nestingMax)
      throw new CelSyntaxError(this.#token.at, `expression is nested deeper than ${nestingMax} levels`);
    const test = this.#or();
    const { at } = this.#token;
    if (!this.#take('?')) {
      this.#depth--;
      return test;
    }
    const yes = this.#or();
    this.#expect(':');
    const no = this.expression();
    this.#depth--;
    return { kind: 'choice', test, yes, no, at };
  }

  #or(): Expr {
    return this.#balanced('||', 'or', () => this.#and());
  }

  #and(): Expr {
    return this.#balanced('&&', 'and', () => this.#binary(0));
  }

  /** Operands in a tree as flat as can be: however many there are, it is not deep. Source: cel-go parser/helper.go. */
  #balanced(operator: string, kind: 'and' | 'or', operand: () => Expr): Expr {
    const operands = [operand()];
    const places: number[] = [];
    for (let { at } = this.#token; this.#take(operator); at = this.#token.at) {
      places.push(at);
      operands.push(operand());
    }
    const tree = (from: number, to: number): Expr => {
      if (from === to) return operands[from]!;
      const middle = (from + to + 1) >> 1; // operands before it are on the left
      return { kind, left: tree(from, middle - 1), right: tree(middle, to), at: places[middle - 1]! };
    };
    return tree(0, operands.length - 1);
  }

  #binary(level: number): Expr {
    const operators = levels[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const token = this.#token;
      const text = token.type === 'op' || (token.type === 'ident' && token.text === 'in') ? token.text : '';
      if (!operators.includes(text)) return left;
      if (++this.#operators > operatorsMax)
        throw new CelSyntaxError(token.at, `expression has more than ${operatorsMax} operators`);
      this.#next++;
      left = {
        kind: 'call',
        name: text === 'in' ? '@in' : `_${text}_`,
        args: [left, this.#binary(level + 1)],
        at: token.at,
      };
    }
  }

  #unary(): Expr {
    const { at } = this.#token;
    let nots = 0;
    while (this.#take('!')) nots++;
    if (nots > 0) {
      const operand = this.#member();
      return nots % 2 === 0 ? operand : { kind: 'call', name: '!_', args: [operand], at };
    }
    let minuses = 0;
    while (this.#take('-')) minuses++;
    if (minuses === 0) return this.#member();
    const token = this.#token;
    if (token.type === 'literal' && (typeof token.value === 'bigint' || typeof token.value === 'number')) {
      const { value } = token;
      const isNegative = minuses % 2 === 1;
      if (typeof value === 'bigint' && value === 2n ** 63n && !isNegative)
        throw new CelSyntaxError(token.at, 'invalid int literal');
      this.#next++;
      const signed = isNegative ? (typeof value === 'bigint' ? -value : -value) : value;
      return this.#suffixes({ kind: 'literal', value: signed, at });
    }
    const operand = this.#member();
    return minuses % 2 === 0 ? operand : { kind: 'call', name: '-_', args: [operand], at };
  }

  #member(): Expr {
    return this.#suffixes(this.#primary());
  }

  #suffixes(start: Expr): Expr {
    let expr = start;
    for (let chain = 0; ; chain++) {
      if (chain > nestingMax) throw new CelSyntaxError(this.#token.at, `more than ${nestingMax} selections in a row`);
      const { at } = this.#token;
      if (this.#take('.')) {
        const optional = this.#take('?');
        const token = this.#token;
        if (token.type !== 'ident' || (!token.quoted && token.text === 'in')) throw this.#unexpected();
        this.#next++;
        if (!optional && !token.quoted && this.#is('(')) expr = this.#call(expr, token.text, at);
        else expr = { kind: 'select', operand: expr, field: token.text, optional, at };
      } else if (this.#take('[')) {
        const optional = this.#take('?');
        const index = this.expression();
        this.#expect(']');
        expr = { kind: 'index', operand: expr, index, optional, at };
      } else if (this.#is('{') && typeName(expr) !== undefined) {
        expr = { kind: 'struct', type: typeName(expr)!, fields: this.#fields(), at };
      } else return expr;
    }
  }

  #primary(): Expr {
    const token = this.#token;
    const { at } = token;
    switch (token.type) {
      case 'literal':
        this.#next++;
        if (token.value === 2n ** 63n) throw new CelSyntaxError(at, 'invalid int literal');
        return { kind: 'literal', value: token.value, at };
      case 'ident':
        this.#next++;
        if (token.quoted) throw new CelSyntaxError(at, 'Syntax error: a quoted name is only allowed behind a dot');
        if (token.text === 'in') throw new CelSyntaxError(at, "Syntax error: mismatched input 'in'");
        if (reserved.has(token.text)) throw new CelSyntaxError(at, `reserved identifier: ${token.text}`);
        if (this.#is('(')) return this.#call(undefined, token.text, at);
        return { kind: 'ident', name: token.text, at };
      case 'op':
        break;
      default:
        throw this.#unexpected();
    }
    if (this.#take('.')) {
      const name = this.#token;
      if (name.type !== 'ident' || name.quoted) throw this.#unexpected();
      this.#next++;
      return this.#is('(') ? this.#call(undefined, name.text, at) : { kind: 'ident', name: name.text, at };
    }
    if (this.#take('(')) {
      const inner = this.expression();
      this.#expect(')');
      return inner;
    }
    if (this.#is('[')) return { kind: 'list', items: this.#items(), at };
    if (this.#is('{')) return { kind: 'map', entries: this.#entries(), at };
    throw this.#unexpected();
  }

  #items(): readonly Item[] {
    this.#expect('[');
    const items: Item[] = [];
    while (!this.#take(']')) {
      const optional = this.#take('?');
      items.push({ expr: this.expression(), optional });
      if (!this.#take(',')) {
        this.#expect(']');
        break;
      }
    }
    return items;
  }

  #entries(): readonly Entry[] {
    this.#expect('{');
    const entries: Entry[] = [];
    while (!this.#take('}')) {
      const optional = this.#take('?');
      const key = this.expression();
      this.#expect(':');
      entries.push({ key, value: this.expression(), optional });
      if (!this.#take(',')) {
        this.#expect('}');
        break;
      }
    }
    return entries;
  }

  #fields(): readonly StructField[] {
    this.#expect('{');
    const fields: StructField[] = [];
    while (!this.#take('}')) {
      const optional = this.#take('?');
      const token = this.#token;
      if (token.type !== 'ident') throw this.#unexpected();
      this.#next++;
      this.#expect(':');
      fields.push({ name: token.text, value: this.expression(), optional });
      if (!this.#take(',')) {
        this.#expect('}');
        break;
      }
    }
    return fields;
  }

  #call(target: Expr | undefined, name: string, at: number): Expr {
    this.#expect('(');
    const args: Expr[] = [];
    while (!this.#take(')')) {
      args.push(this.expression());
      if (!this.#take(',')) {
        this.#expect(')');
        break;
      }
    }
    return (
      expand(target, name, args, at) ?? { kind: 'call', name, ...(target === undefined ? {} : { target }), args, at }
    );
  }

  #is(text: string): boolean {
    const token = this.#token;
    return token.type === 'op' && token.text === text;
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw this.#unexpected(text);
  }

  #unexpected(wanted?: string): CelSyntaxError {
    const token = this.#token;
    const found = token.type === 'end' ? '<EOF>' : token.type === 'literal' ? 'literal' : token.text;
    const hint = wanted === undefined ? '' : ` expecting '${wanted}'`;
    return new CelSyntaxError(token.at, `Syntax error: mismatched input '${found}'${hint}`);
  }
}

/** `Object.spec.template`, if the expression is nothing but a name. */
function typeName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name;
  if (expr.kind !== 'select' || expr.optional) return undefined;
  const outer = typeName(expr.operand);
  return outer === undefined ? undefined : `${outer}.${expr.field}`;
}

/** The macro that a call is, if it is one. */
function expand(target: Expr | undefined, name: string, args: readonly Expr[], at: number): Expr | undefined {
  if (target === undefined) {
    if (name !== 'has' || args.length !== 1) return undefined;
    const [field] = args;
    if (field?.kind !== 'select' || field.optional) throw new CelSyntaxError(at, 'invalid argument to has() macro');
    return { kind: 'has', operand: field.operand, field: field.field, at };
  }
  if (target.kind === 'ident' && target.name === 'cel' && name === 'bind' && args.length === 3) {
    return { kind: 'bind', name: nameIn(args[0]!), value: args[1]!, body: args[2]!, at };
  }
  if ((name === 'optMap' || name === 'optFlatMap') && args.length === 2) {
    return { kind: 'optMap', flat: name === 'optFlatMap', target, name: nameIn(args[0]!), body: args[1]!, at };
  }
  return comprehension(target, name, args, at);
}

function comprehension(range: Expr, name: string, args: readonly Expr[], at: number): Expr | undefined {
  const each = (macro: Macro, names: readonly Expr[], parts: { test?: Expr; result?: Expr }): Expr => ({
    kind: 'each',
    macro,
    range,
    names: names.map(nameIn),
    ...parts,
    at,
  });
  const [a, b, c, d] = args;
  switch (name) {
    case 'all':
    case 'exists':
    case 'exists_one':
    case 'existsOne': {
      const macro = name === 'existsOne' ? 'exists_one' : name;
      if (args.length === 2) return each(macro, [a!], { test: b! });
      return args.length === 3 ? each(macro, [a!, b!], { test: c! }) : undefined;
    }
    case 'filter':
      return args.length === 2 ? each('filter', [a!], { test: b! }) : undefined;
    case 'map':
      if (args.length === 2) return each('map', [a!], { result: b! });
      return args.length === 3 ? each('map', [a!], { test: b!, result: c! }) : undefined;
    case 'transformList':
    case 'transformMap':
      if (args.length === 3) return each(name, [a!, b!], { result: c! });
      return args.length === 4 ? each(name, [a!, b!], { test: c!, result: d! }) : undefined;
    default:
      return undefined;
  }
}

function nameIn(expr: Expr): string {
  if (expr.kind !== 'ident') throw new CelSyntaxError(expr.at, 'argument must be a simple name');
  return expr.name;
}
