import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { duplicateFields, formatJson, nestingMax, parseJson } from './json.ts';

const duplicatesIn = (text: string) => duplicateFields(text, JSON.parse(text));

test('parseJson() reads UTF-8 bytes', () => {
  assert.deepEqual(parseJson(Buffer.from('{"a":["é",1,null]}')), { a: ['é', 1, null] });
});

test('parseJson() says what is wrong with a body and where', () => {
  assert.throws(() => parseJson(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), {
    reason: 'BadRequest',
    message: 'the body is not valid UTF-8 at byte 2',
  });
  assert.throws(() => parseJson(Buffer.from('"é').subarray(0, 2)), {
    reason: 'BadRequest',
    message: /not valid UTF-8/,
  });
  assert.throws(() => parseJson('{"a":1,}'), { reason: 'BadRequest', message: /not valid JSON: .*position 7/ });
  assert.throws(() => parseJson(''), { reason: 'BadRequest', message: /the body is empty/ });
});

test('parseJson() refuses what is nested too deep, but not brackets in a string', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  assert.ok(parseJson(nested(nestingMax)));
  assert.throws(() => parseJson(nested(nestingMax + 1)), {
    reason: 'BadRequest',
    message: /nested deeper than 500 levels/,
  });
  assert.throws(() => parseJson('{"a":'.repeat(100_000)), { reason: 'BadRequest' });
  assert.deepEqual(parseJson(JSON.stringify({ a: '[{'.repeat(2000) })), { a: '[{'.repeat(2000) });
});

test('duplicateFields() names every field that is given twice', () => {
  assert.deepEqual(duplicatesIn('{"a":1,"b":{"a":2},"c":[{"a":1},{"a":1}]}'), []);
  assert.deepEqual(duplicatesIn('{"a":{"b":1,"b":2},"c":[{"x":"}","x":1}],"a":3}'), ['a.b', 'c[0].x', 'a']);
  assert.deepEqual(duplicatesIn('{"a":1,"\\u0061":2}'), ['a']);
  assert.deepEqual(duplicatesIn('{"__proto__":1,"__proto__":2}'), ['__proto__']);
});

test('duplicateFields() finds nothing in what JSON.stringify() writes', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(duplicatesIn(JSON.stringify(JSON.parse(text))), []);
    }),
  );
});

test('integers beyond 2^53 come through exactly, as far as 64 bits go, and nothing else is touched', () => {
  const text =
    '{"big":9007199254740993,"low":-9223372036854775808,"list":[9223372036854775807],"small":9007199254740991,"text":":9007199254740993","float":1234567890123456.5,"e":1e17}';
  const value = parseJson(text) as Record<string, unknown>;
  assert.equal(value['big'], 9_007_199_254_740_993n);
  assert.equal(value['small'], 9_007_199_254_740_991);
  assert.equal(formatJson(value), text.replace('1e17', '100000000000000000'));
  // Go reads what 64 bits do not hold as a double, too.
  assert.equal(formatJson(parseJson('{"a":99999999999999999999}')), '{"a":100000000000000000000}');
  assert.equal(formatJson(parseJson('[9007199254740993]'), 2), '[\n  9007199254740993\n]');
  assert.throws(
    () =>
      formatJson({
        get a() {
          throw new TypeError('no');
        },
      }),
    TypeError,
  );
});
