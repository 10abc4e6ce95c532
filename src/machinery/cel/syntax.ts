/** Expressions as the parser leaves them, macros already told from calls. */
export type Expr =
  | { readonly kind: 'literal'; readonly value: Literal; readonly at: number }
  | { readonly kind: 'ident'; readonly name: string; readonly at: number }
  | {
      readonly kind: 'select';
      readonly operand: Expr;
      readonly field: string;
      readonly optional: boolean;
      readonly at: number;
    }
  | { readonly kind: 'has'; readonly operand: Expr; readonly field: string; readonly at: number }
  | {
      readonly kind: 'index';
      readonly operand: Expr;
      readonly index: Expr;
      readonly optional: boolean;
      readonly at: number;
    }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly target?: Expr;
      readonly args: readonly Expr[];
      readonly at: number;
    }
  | { readonly kind: 'list'; readonly items: readonly Item[]; readonly at: number }
  | { readonly kind: 'map'; readonly entries: readonly Entry[]; readonly at: number }
  | { readonly kind: 'struct'; readonly type: string; readonly fields: readonly StructField[]; readonly at: number }
  | { readonly kind: 'and' | 'or'; readonly left: Expr; readonly right: Expr; readonly at: number }
  | { readonly kind: 'choice'; readonly test: Expr; readonly yes: Expr; readonly no: Expr; readonly at: number }
  | {
      readonly kind: 'each';
      readonly macro: Macro;
      readonly range: Expr;
      /** One name, or two: index or key, and value. */
      readonly names: readonly string[];
      /** What must hold of an element; of `map` and `transform…` with three arguments, the filter. */
      readonly test?: Expr;
      readonly result?: Expr;
      readonly at: number;
    }
  | { readonly kind: 'bind'; readonly name: string; readonly value: Expr; readonly body: Expr; readonly at: number }
  | {
      readonly kind: 'optMap';
      readonly flat: boolean;
      readonly target: Expr;
      readonly name: string;
      readonly body: Expr;
      readonly at: number;
    };

export type Literal = null | boolean | bigint | number | string | Uint8Array | { readonly uint: bigint };
export interface Item {
  readonly expr: Expr;
  readonly optional: boolean;
}
export interface Entry {
  readonly key: Expr;
  readonly value: Expr;
  readonly optional: boolean;
}
export interface StructField {
  readonly name: string;
  readonly value: Expr;
  readonly optional: boolean;
}
export type Macro = 'all' | 'exists' | 'exists_one' | 'map' | 'filter' | 'transformList' | 'transformMap';

/** A wrong expression; `at` is the offset of what is wrong with it. */
export class CelSyntaxError extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.name = 'CelSyntaxError';
    this.at = at;
  }
}
