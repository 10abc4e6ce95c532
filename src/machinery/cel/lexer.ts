import { CelSyntaxError, type Literal } from './syntax.ts';

export type Token =
  | { readonly type: 'op'; readonly text: string; readonly at: number }
  | { readonly type: 'ident'; readonly text: string; readonly quoted: boolean; readonly at: number }
  | { readonly type: 'literal'; readonly value: Literal; readonly at: number }
  | { readonly type: 'end'; readonly at: number };

const operators = [
  '&&',
  '||',
  '==',
  '!=',
  '<=',
  '>=',
  '<',
  '>',
  '+',
  '-',
  '*',
  '/',
  '%',
  '!',
  '?',
  ':',
  '.',
  ',',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
];
const intMax = 2n ** 63n;
const uintMax = 2n ** 64n - 1n;
const number = /(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y;
const identifier = /[A-Za-z_][A-Za-z0-9_]*/y;
const space = /(?:[ \t\n\r\f]+|\/\/[^\n]*)+/y;
const string = /([rR]?[bB]?|[bB][rR])("""|'''|"|')/y;

/** Source: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax */
export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  while (at < source.length) {
    const blank = match(space);
    if (blank !== null) {
      at += blank[0].length;
      continue;
    }
    const quote = match(string);
    if (quote !== null) {
      const { value, end } = readString(source, at, quote);
      tokens.push({ type: 'literal', value, at });
      at = end;
      continue;
    }
    const word = match(identifier);
    if (word !== null) {
      tokens.push(wordToken(word[0], at));
      at += word[0].length;
      continue;
    }
    if (source[at] === '`') {
      const end = source.indexOf('`', at + 1);
      const text = end < 0 ? '' : source.slice(at + 1, end);
      if (!/^[A-Za-z0-9_.\-/ ]+$/.test(text))
        throw new CelSyntaxError(at, "Syntax error: token recognition error at: '`'");
      tokens.push({ type: 'ident', text, quoted: true, at });
      at = end + 1;
      continue;
    }
    const digits = match(number);
    if (digits !== null) {
      const unsigned = /[uU]/.test(source[at + digits[0].length] ?? '');
      tokens.push({ type: 'literal', value: numberOf(digits[0], unsigned, at), at });
      at += digits[0].length + (unsigned ? 1 : 0);
      continue;
    }
    const operator = operators.find((text) => source.startsWith(text, at));
    if (operator === undefined) {
      throw new CelSyntaxError(at, `Syntax error: token recognition error at: '${source.slice(at, at + 1)}'`);
    }
    tokens.push({ type: 'op', text: operator, at });
    at += operator.length;
  }
  tokens.push({ type: 'end', at });
  return tokens;
}

function wordToken(text: string, at: number): Token {
  switch (text) {
    case 'true':
    case 'false':
      return { type: 'literal', value: text === 'true', at };
    case 'null':
      return { type: 'literal', value: null, at };
    default:
      return { type: 'ident', text, quoted: false, at };
  }
}

/** A minus before it is read with it, so that the smallest int has a literal: hence 2^63 itself passes here. */
function numberOf(text: string, unsigned: boolean, at: number): Literal {
  if (!text.startsWith('0x') && /[.eE]/.test(text)) {
    if (unsigned) throw new CelSyntaxError(at, 'invalid uint literal');
    return Number(text);
  }
  const value = BigInt(text);
  if (unsigned) {
    if (value > uintMax) throw new CelSyntaxError(at, 'invalid uint literal');
    return { uint: value };
  }
  if (value > intMax) throw new CelSyntaxError(at, 'invalid int literal');
  return value;
}

function readString(
  source: string,
  at: number,
  [all, prefix = '', quote = '']: RegExpExecArray,
): { value: Literal; end: number } {
  const raw = /[rR]/.test(prefix);
  const bytes = /[bB]/.test(prefix);
  const parts: (string | number)[] = [];
  let i = at + all.length;
  for (;;) {
    if (i >= source.length || (quote.length === 1 && /[\n\r]/.test(source[i]!))) {
      throw new CelSyntaxError(at, `Syntax error: token recognition error at: '${source.slice(at, at + 10)}'`);
    }
    if (source.startsWith(quote, i)) break;
    if (source[i] === '\\' && !raw) {
      const { part, length } = escapeAt(source, i, bytes);
      parts.push(part);
      i += length;
    } else {
      const point = String.fromCodePoint(source.codePointAt(i)!);
      parts.push(point);
      i += point.length;
    }
  }
  const end = i + quote.length;
  if (!bytes)
    return { value: parts.map((part) => (typeof part === 'number' ? String.fromCodePoint(part) : part)).join(''), end };
  const chunks = parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part)));
  return { value: new Uint8Array(Buffer.concat(chunks)), end };
}

const simple: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
  '`': '`',
  '?': '?',
};

/** A number is a code point, or in bytes an octet. */
function escapeAt(source: string, at: number, bytes: boolean): { part: string | number; length: number } {
  const next = source[at + 1] ?? '';
  const plain = simple[next];
  if (plain !== undefined) return { part: plain, length: 2 };
  const [text, digits, radix] =
    next === 'x' || next === 'X'
      ? [source.slice(at + 2, at + 4), 2, 16]
      : next === 'u' && !bytes
        ? [source.slice(at + 2, at + 6), 4, 16]
        : next === 'U' && !bytes
          ? [source.slice(at + 2, at + 10), 8, 16]
          : [source.slice(at + 1, at + 4), 3, 8];
  const valid = radix === 16 ? /^[0-9a-fA-F]+$/ : /^[0-3][0-7]{2}$/;
  const value = Number.parseInt(text, radix);
  if (text.length !== digits || !valid.test(text) || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
    throw new CelSyntaxError(at, `Syntax error: invalid escape sequence in string literal`);
  }
  return { part: value, length: digits + (radix === 16 ? 2 : 1) };
}
