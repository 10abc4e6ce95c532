import { dyn, listOf, mapOf, opaque, optionalOf, types, type Type } from './types.ts';
import { typeNameOf, type CelValue } from './values.ts';

/** What functions may use while they run. */
export interface CallContext {
  /** Counts work; throws CelError once there has been too much of it. */
  readonly charge: (cost: number) => void;
}

export interface Overload {
  readonly args: readonly Type[];
  readonly result: Type;
  readonly call: (context: CallContext, ...args: readonly never[]) => CelValue;
}

export interface CelFunction {
  readonly name: string;
  /** The first argument stands before the dot. */
  readonly isMethod: boolean;
  readonly overloads: Overload[];
}

type Call = (context: CallContext, ...args: never[]) => CelValue;
export type Library = Readonly<Record<string, Call>>;

/** All functions by name; methods and plain functions of one name are told apart by a dot before the name. */
export type FunctionTable = ReadonlyMap<string, CelFunction>;

/**
 * A table out of libraries whose keys are signatures: `string.contains(string) bool`, `size(list<A>) int`,
 * `min(A, A) A`. A capital letter is a type parameter.
 */
export function functionTable(...libraries: readonly Library[]): FunctionTable {
  const table = new Map<string, CelFunction>();
  for (const library of libraries) {
    for (const [signature, call] of Object.entries(library)) {
      const { name, isMethod, args, result } = parseSignature(signature);
      const key = isMethod ? `.${name}` : name;
      let entry = table.get(key);
      if (entry === undefined) table.set(key, (entry = { name, isMethod, overloads: [] }));
      entry.overloads.push({ args, result, call });
    }
  }
  return table;
}

function parseSignature(signature: string): { name: string; isMethod: boolean; args: Type[]; result: Type } {
  const open = signature.indexOf('(');
  const close = signature.lastIndexOf(')');
  const head = signature.slice(0, open);
  const result = parseType(signature.slice(close + 1).trim());
  const args = split(signature.slice(open + 1, close)).map(parseType);
  // `ip(string)` is a function, `ip.isCanonical(string)` one with a dotted name (capital receivers are types).
  const dot = head.startsWith('@') || head.startsWith('_') ? -1 : methodDot(head);
  if (dot < 0) return { name: head, isMethod: false, args, result };
  return { name: head.slice(dot + 1), isMethod: true, args: [parseType(head.slice(0, dot)), ...args], result };
}

/** Where the receiver's type ends; -1 for plain functions, whose dotted names begin with `:`. */
function methodDot(head: string): number {
  if (head.startsWith(':')) return -1;
  return head.lastIndexOf('.');
}

function split(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === '<') depth++;
    else if (text[i] === '>') depth--;
    else if ((text[i] === ',' && depth === 0) || i === text.length) {
      if (text.slice(start, i).trim() !== '') parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return parts;
}

function parseType(text: string): Type {
  const generic = /^(list|map|optional|type)<(.*)>$/s.exec(text);
  if (generic !== null) {
    const [a = dyn, b = dyn] = split(generic[2] ?? '').map(parseType);
    if (generic[1] === 'list') return listOf(a);
    if (generic[1] === 'optional') return optionalOf(a);
    if (generic[1] === 'type') return { kind: 'type', of: a };
    return mapOf(a, b);
  }
  if (/^[A-Z]$/.test(text)) return { kind: 'parameter', name: text };
  switch (text) {
    case 'null':
    case 'timestamp':
    case 'duration':
      return types[text];
    case 'dyn':
      return dyn;
    default:
      return opaque(text);
  }
}

/** Whether a value may be handed to an overload that takes `type`. */
export function accepts(type: Type, value: CelValue): boolean {
  switch (type.kind) {
    case 'parameter':
      return true;
    case 'simple':
      return type.name === 'dyn' || typeNameOf(value) === type.name;
    case 'list':
      return typeNameOf(value) === 'list';
    case 'optional':
      return typeNameOf(value) === 'optional_type';
    case 'type':
      return typeNameOf(value) === 'type';
    default:
      return typeNameOf(value) === 'map';
  }
}
