import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tests as suite } from '@bufbuild/cel-spec/testdata/conformance.js';
import { CelCompileError, compileCel, dynamic } from './compile.ts';
import { kubernetesFunctions } from './environment.ts';
import { CelBudget, evaluate } from './evaluate.ts';
import { parseCel } from './parser.ts';
import {
  BuiltMap,
  CelError,
  celEquals,
  celText,
  Duration,
  durationOf,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
  type CelValue,
} from './values.ts';
import { parseTimestamp } from '../timestamp.ts';

/** Suites about protobuf messages, or about extensions that Kubernetes does not have. */
const left = new Set([
  'block_ext',
  'encoders_ext',
  'math_ext',
  'dynamic',
  'enums',
  'proto2',
  'proto2_ext',
  'proto3',
  'wrappers',
  'type_deductions',
  'unknowns',
]);
interface Value {
  readonly [kind: string]: unknown;
}
interface Case {
  readonly original: {
    readonly name?: string;
    readonly expr: string;
    readonly container?: string;
    readonly disableCheck?: boolean;
    readonly bindings?: Readonly<Record<string, { readonly value?: Value }>>;
    readonly value?: Value;
    readonly evalError?: unknown;
    readonly typedResult?: { readonly result?: Value };
  };
}
interface Suite {
  readonly name: string;
  readonly suites?: readonly Suite[];
  readonly tests?: readonly Case[];
}

/** A value of the suite's JSON; throws for protobuf messages. */
function valueOf(value: Value): CelValue {
  const [[kind, content] = ['', undefined]] = Object.entries(value);
  switch (kind) {
    case 'nullValue':
      return null;
    case 'boolValue':
    case 'stringValue':
      return content as boolean | string;
    case 'int64Value':
      return BigInt(content as string);
    case 'uint64Value':
      return new Uint(BigInt(content as string));
    case 'doubleValue':
      return Number(content);
    case 'bytesValue':
      return new Uint8Array(Buffer.from(content as string, 'base64'));
    case 'listValue':
      return ((content as { values?: readonly Value[] }).values ?? []).map(valueOf);
    case 'mapValue': {
      const map = new BuiltMap();
      const { entries = [] } = content as { entries?: readonly { key: Value; value: Value }[] };
      for (const entry of entries) map.set(valueOf(entry.key), valueOf(entry.value));
      return map;
    }
    case 'typeValue':
      return new TypeValue(content as string);
    case 'objectValue': {
      const { '@type': type, value: text } = content as { '@type': string; value: string };
      if (type.endsWith('google.protobuf.Duration')) return durationOf(text) ?? new Duration(0n);
      if (type.endsWith('google.protobuf.Timestamp')) {
        const { seconds = 0, nanos = 0 } = parseTimestamp(text) ?? {};
        return new Timestamp(BigInt(seconds) * 1_000_000_000n + BigInt(nanos));
      }
      throw new Error(type);
    }
    default:
      throw new Error(kind);
  }
}

const speaksProtobuf = (text: string) =>
  /TestAllTypes|google\.protobuf\.(?!Timestamp|Duration)|cel\.expr|NestedEnum|NullValue/.test(text);

function failureOf({ original }: Case): string | undefined {
  const { expr, bindings = {}, value, evalError, typedResult } = original;
  const expected = value ?? typedResult?.result;
  try {
    const environment = { variables: dynamic(...Object.keys(bindings)), functions: kubernetesFunctions };
    const bound = Object.fromEntries(
      Object.entries(bindings).map(([name, { value: given }]) => [name, valueOf(given ?? {})]),
    );
    const budget = new CelBudget(1e6);
    const result =
      original.disableCheck === true
        ? evaluate(parseCel(expr), bound, kubernetesFunctions, budget)
        : compileCel(expr, environment).evaluate(bound, budget);
    if (evalError !== undefined) return `gives ${typeNameOf(result)} instead of failing`;
    if (expected === undefined) return result === true ? undefined : 'is not true';
    const wanted = valueOf(expected);
    const bothNaN = Number.isNaN(result) && Number.isNaN(wanted);
    if (bothNaN || (celEquals(result, wanted) && typeNameOf(result) === typeNameOf(wanted))) return undefined;
    return `gives ${typeNameOf(result)} ${celText(result)}, not ${celText(wanted)}`;
  } catch (error) {
    if (!(error instanceof CelError) && !(error instanceof CelCompileError)) throw error;
    return evalError !== undefined ? undefined : error.message.split('\n')[0];
  }
}

test('expressions do what the conformance suite of CEL says', () => {
  const failures: string[] = [];
  let count = 0;
  const walk = ({ suites = [], tests = [] }: Suite, path: string) => {
    for (const each of suites) if (!left.has(each.name)) walk(each, `${path}/${each.name}`);
    for (const each of tests) {
      const { original } = each;
      if (speaksProtobuf(JSON.stringify(original)) || (original.container ?? '') !== '') continue;
      count++;
      const failure = failureOf(each);
      const id = `${path}/${original.name ?? original.expr}`;
      if (failure !== undefined) failures.push(`${id}: ${original.expr.slice(0, 80)} ${failure}`);
    }
  };
  walk(suite, '');
  assert.deepEqual(failures, []);
  assert.ok(count > 1000, `${count} tests were run`);
});
