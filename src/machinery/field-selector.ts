import { badRequest } from './status-error.ts';

/** One comparison of a field selector. */
export interface FieldTerm {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/** Selects objects by the values of a few published fields; no terms select everything. */
export class FieldSelector {
  readonly terms: readonly FieldTerm[];

  constructor(terms: readonly FieldTerm[]) {
    this.terms = terms;
  }

  /** `valueOf` gives a field's value as text, `''` when it is unset. */
  matches(valueOf: (field: string) => string): boolean {
    return this.terms.every(({ field, equal, value }) => (valueOf(field) === value) === equal);
  }

  /** The value that `field` must have, if the selector demands one: a short cut for reads of one object. */
  requires(field: string): string | undefined {
    return this.terms.find((term) => term.equal && term.field === field)?.value;
  }

  toString(): string {
    return this.terms.map(({ field, equal, value }) => `${field}${equal ? '=' : '!='}${escapeValue(value)}`).join(',');
  }
}

export const everyField = new FieldSelector([]);

/** Makes any text usable as a value of a field selector. */
export const escapeValue = (value: string) => value.replaceAll(/[\\,=]/g, '\\$&');

/**
 * Reads `a=b,c!=d` (`==` too); `\` escapes `\`, `,` and `=` in values. Throws `BadRequest`.
 * Source: k8s.io/apimachinery/pkg/fields (selector.go).
 */
export function parseFieldSelector(text: string): FieldSelector {
  const terms: FieldTerm[] = [];
  for (const part of text.match(/(?:\\[^]|[^,\\])+\\?|\\$/g) ?? []) {
    const match = /^(.*?)(!=|==|=)([^]*)$/.exec(part);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, field = '', operator, value = ''] = match;
    terms.push({ field, equal: operator !== '!=', value: unescapeValue(value) });
  }
  return new FieldSelector(terms);
}

/** Throws `BadRequest` if a term names a field the kind does not publish. */
export function checkFields(selector: FieldSelector, supported: (field: string) => boolean): void {
  for (const { field } of selector.terms) {
    if (!supported(field)) throw badRequest(`field label not supported: ${field}`);
  }
}

function unescapeValue(value: string): string {
  return value.replaceAll(/\\([^]?)|[,=]/g, (sequence, escaped?: string) => {
    if (escaped === undefined) {
      throw badRequest(`invalid field selector: unescaped character in value: ${sequence.codePointAt(0)}`);
    }
    if (escaped !== '\\' && escaped !== ',' && escaped !== '=') {
      throw badRequest(`invalid field selector: invalid escape sequence: ${sequence}`);
    }
    return escaped;
  });
}
