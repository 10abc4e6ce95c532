import { LabelRequirements } from './labels.ts';
import type { Operator, Requirement } from './labels.ts';
import { labelValueComplaints, qualifiedNameComplaints } from './names.ts';
import { badRequest } from './status-error.ts';

/** Bounds the work a query string can ask for. */
const selectorLengthMax = 64 * 1024;
const binaryOperators = '!, !=, <, =, ==, >, in, notin';

interface Token {
  readonly type: 'word' | 'symbol' | 'end';
  readonly text: string;
}

/**
 * Reads the string form of a label selector: `a=b,c!=d,e in (x,y),!f,g notin (z),h`. Throws `BadRequest` with
 * upstream's words. Source: k8s.io/apimachinery/pkg/labels (selector.go).
 */
export function parseSelector(text: string): LabelRequirements {
  if (text.length > selectorLengthMax) {
    throw badRequest(`unable to parse label selector: longer than ${selectorLengthMax} characters`);
  }
  const requirements = new Parser(tokensOf(text)).requirements();
  return new LabelRequirements(requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)));
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /[ \t\r\n]*(?:(!=|==|[=<>!(),])|([^=!(),<> \t\r\n]+))/y;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [, symbol, word] = match;
    tokens.push(symbol === undefined ? { type: 'word', text: word ?? '' } : { type: 'symbol', text: symbol });
  }
  tokens.push({ type: 'end', text: '' });
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  requirements(): Requirement[] {
    const requirements: Requirement[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.type === 'end') return requirements;
      if (token.type !== 'word' && token.text !== '!') {
        throw unparsable(`found '${token.text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      const next = this.#take();
      if (next.type === 'end') return requirements;
      if (next.text !== ',') throw unparsable(`found '${next.text}', expected: ',' or 'end of string'`);
      const after = this.#peek();
      if (after.type !== 'word' && after.text !== '!') {
        throw unparsable(`found '${after.text}', expected: identifier after ','`);
      }
    }
  }

  #requirement(): Requirement {
    const absent = this.#peek().text === '!';
    if (absent) this.#take();
    const { type, text: key } = this.#take();
    if (type !== 'word') throw badRequirement(`found '${key}', expected: identifier`);
    const complaints = qualifiedNameComplaints(key);
    if (complaints.length > 0)
      throw badRequirement(`<nil>: Invalid value: ${JSON.stringify(key)}: ${complaints.join('; ')}`);
    const next = this.#peek();
    if (absent) return { key, operator: '!', values: [] };
    if (next.type === 'end' || next.text === ',') return { key, operator: 'exists', values: [] };
    const operator = this.#operator();
    const values = operator === 'in' || operator === 'notin' ? this.#set() : [this.#exactValue()];
    for (const [index, value] of values.entries()) this.#checkValue(operator, value, index, key);
    return { key, operator, values };
  }

  #checkValue(operator: Operator, value: string, index: number, key: string): void {
    const path = operator === '>' || operator === '<' ? `values[${index}]` : `values[${index}][${key}]`;
    if ((operator === '>' || operator === '<') && !/^[-+]?\d{1,19}$/.test(value)) {
      throw badRequirement(
        `${path}: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    }
    const complaints = labelValueComplaints(value);
    if (complaints.length > 0) {
      throw badRequirement(`${path}: Invalid value: ${JSON.stringify(value)}: ${complaints.join('; ')}`);
    }
  }

  #operator(): Operator {
    const { text } = this.#take();
    switch (text) {
      case '=':
      case '==':
        return '=';
      case '!=':
      case 'in':
      case 'notin':
      case '>':
      case '<':
        return text;
      default:
        throw badRequirement(`found '${text}', expected: ${binaryOperators}`);
    }
  }

  #exactValue(): string {
    const token = this.#peek();
    if (token.type === 'end' || token.text === ',') return '';
    this.#take();
    if (token.type === 'word') return token.text;
    throw badRequirement(`found '${token.text}', expected: identifier`);
  }

  /** `(a,,b)` holds the empty string, and so does `()`. */
  #set(): string[] {
    const open = this.#take();
    if (open.text !== '(') throw badRequirement(`found '${open.text}' expected: '('`);
    const values = new Set<string>();
    for (let value = ''; ; value = '') {
      if (this.#peek().type === 'word') value = this.#take().text;
      values.add(value);
      const { text } = this.#take();
      if (text === ')') return [...values].toSorted();
      if (text !== ',') throw badRequirement(`found '${text}', expected: ',' or ')'`);
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { type: 'end', text: '' };
  }

  #take(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }
}

const unparsable = (detail: string) => badRequest(`unable to parse label selector: ${detail}`);
const badRequirement = (detail: string) => badRequest(`unable to parse requirement: ${detail}`);
