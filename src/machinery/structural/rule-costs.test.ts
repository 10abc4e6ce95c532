import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonSchema } from './json-schema.ts';
import { costComplaints, ruleCosts } from './rule-costs.ts';
import { sizeLimits } from './size-limits.ts';

type Make = (most?: number) => JsonSchema;

const scalar = (type: string): JsonSchema => {
  if (type === 'int-or-string') return { 'x-kubernetes-int-or-string': true };
  return ['duration', 'date', 'date-time', 'byte'].includes(type) ? { type: 'string', format: type } : { type };
};
const ruled = (schema: JsonSchema, rule: string): JsonSchema => ({ ...schema, 'x-kubernetes-validations': [{ rule }] });
const items = (maxItems: number | undefined) => (maxItems === undefined ? {} : { maxItems });
const entries = (maxProperties: number | undefined) => (maxProperties === undefined ? {} : { maxProperties });
const length = (maxLength: number | undefined) => (maxLength === undefined ? {} : { maxLength });

const array =
  (item: string | JsonSchema, rule: string): Make =>
  (most) =>
    ruled({ type: 'array', items: typeof item === 'string' ? scalar(item) : item, ...items(most) }, rule);
const map =
  (value: string | JsonSchema, rule: string): Make =>
  (most) => {
    const additionalProperties = typeof value === 'string' ? scalar(value) : value;
    return ruled({ type: 'object', additionalProperties, ...entries(most) }, rule);
  };
const text =
  (rule: string, more: JsonSchema = {}): Make =>
  (most) =>
    ruled({ type: 'string', ...more, ...length(most) }, rule);
const texts =
  (rule: string): Make =>
  (most) =>
    ruled({ type: 'array', items: { type: 'string', ...length(most) }, ...items(most) }, rule);
const strings = { required: { type: 'string' }, optional: { type: 'string' } };
const object: JsonSchema = { type: 'object', required: ['required'], properties: strings };
const nested =
  (all: boolean): Make =>
  (most) => {
    const inner = { type: 'object', additionalProperties: object, ...entries(all ? most : undefined) };
    return ruled(
      { type: 'array', items: inner, ...items(all ? most : undefined) },
      'self.all(x, x["y"].required == "z")',
    );
  };

/**
 * Estimates that upstream's own tests hold its implementation to: without limits, then with `most` of everything.
 * Source: apiextensions-apiserver pkg/apiserver/schema/cel (compilation_test.go, TestCostEstimation).
 */
const cases: readonly (readonly [make: Make, without: number, most: number, with_: number])[] = [
  [array('number', 'self.all(x, true)'), 4_718_591, 10, 32],
  [array('string', 'self.all(x, true)'), 3_145_727, 20, 62],
  [array('boolean', 'self.all(x, true)'), 1_887_437, 5, 17],
  [array({ type: 'array', items: { type: 'number' } }, 'self.all(x, true)'), 3_145_727, 100, 302],
  [array(object, 'self.all(x, true)'), 555_128, 50, 152],
  [map('number', 'self.all(x, true)'), 1_348_169, 10, 32],
  [map('string', 'self.all(x, true)'), 1_179_647, 3, 11],
  [map('boolean', 'self.all(x, true)'), 943_718, 100, 302],
  [text("self.contains('test')"), 314_574, 10, 5],
  [text("self.startsWith('test')"), 2, 15, 2],
  [text("self.endsWith('test')"), 2, 30, 2],
  [text('size(self + "hello") > size("hello")'), 314_578, 4, 7],
  [array('number', 'self[1] == 0.0'), 2, 5_000, 2],
  [array('string', 'self[1] == self[1]'), 314_577, 8, 314_577],
  [text('self.matches("x")'), 314_574, 50, 22],
  [text('"".matches("(((((((((())))))))))[0-9]")'), 7, 10, 7],
  [text('self.matches("")'), 1, 100, 1],
  [array('number', 'self[3] == 0.0'), 2, 0, 2],
  [map('number', 'self["x"] == 0.0'), 2, 0, 2],
  [text('self == "x"'), 2, 0, 1],
  [text('self == b"x"', { format: 'byte' }), 2, 0, 1],
  [array('number', 'self.all(x, x == 0.0)'), 6_291_454, 3 * 1024 * 2048, 25_165_826],
  [nested(true), 7_340_027, 10, 72],
  [nested(false), 7_340_027, 10, 7_340_027],
  [array('int-or-string', 'self.all(x, true)'), 4_718_591, 10, 32],
  [array('int-or-string', 'self[0] == 5'), 3, 10, 3],
  [array('boolean', 'self[0] == false'), 2, 25, 2],
  [array(object, 'self[0] == null'), 2, 422, 2],
  [array({ type: 'array', items: { type: 'number' } }, 'self[0][0] == -1.0'), 3, 51, 3],
  [array({ type: 'object', additionalProperties: { type: 'number' } }, 'self.all(x, x.y == 25.2)'), 6_291_452, 12, 74],
  [array({ type: 'object', additionalProperties: { type: 'number' } }, 'self[0].x > 2.0'), 4, 3_000, 4],
  [array('duration', 'self.all(x, true)'), 2_359_295, 5, 17],
  [array('duration', 'self[0].getHours() == 2'), 4, 525, 4],
  [array('date', 'self.all(x, true)'), 725_936, 15, 47],
  [array('date', 'self[2].getDayOfMonth() == 13'), 4, 42, 4],
  [array('date-time', 'self.all(x, true)'), 428_963, 25, 77],
  [map('int-or-string', 'self.all(x, true)'), 1_348_169, 15, 47],
  [map(object, 'self.all(x, true)'), 428_963, 20, 62],
  [map({ type: 'array', items: { type: 'number' } }, 'self.all(x, true)'), 1_179_647, 25, 77],
  [map('duration', 'self.all(x, true)'), 1_048_577, 5, 17],
  [map('date', 'self.all(x, true)'), 524_288, 10, 32],
  [map('date-time', 'self.all(x, true)'), 349_526, 25, 77],
  [text("self.find('[0-9]+') == ''"), 629_147, 10, 11],
  [texts("self.join(' ') == 'aa bb'"), 329_853_068_905, 10, 43],
  [texts('self.isSorted() == true'), 329_854_432_052, 10, 52],
  [text("self.lowerAscii() == 'lower!'"), 314_575, 10, 6],
  [map('integer', 'oldSelf.size() == self.size()'), 5, 10, 5],
  [map('date-time', 'self["a"] == self["b"]'), 8, 7, 8],
  [map('duration', 'self["c"] == self["d"]'), 8, 42, 8],
  [text("self.contains('A')", { enum: ['A', 'B', 'C', 'LongValue'] }), 2, 1_000, 401],
  [(most) => ruled({ 'x-kubernetes-int-or-string': true, ...length(most) }, 'isQuantity(self)'), 314_574, 20, 9],
  [
    (most) => {
      const str = { type: 'string', ...length(most) };
      const properties = { str, before: { type: 'string', maxLength: 2 }, after: { type: 'string', maxLength: 4 } };
      return ruled({ type: 'object', properties }, "self.str.replace(self.before, self.after) == 'does not matter'");
    },
    629_154,
    4,
    12,
  ],
  [
    (most) => {
      const str = { type: 'string', ...length(most) };
      return ruled({ type: 'object', properties: { str, separator: str } }, 'self.str.split(self.separator) == []');
    },
    629_160,
    10,
    22,
  ],
  [
    (most) => {
      const additionalProperties = { type: 'string', ...length(most) };
      return ruled({ type: 'object', additionalProperties, ...entries(most) }, 'self.all(x, x.contains(self[x]))');
    },
    2_752_507,
    10,
    72,
  ],
];

const costOf = (schema: JsonSchema) => ruleCosts(schema, sizeLimits(schema, false)!, false)[0]?.rule;

for (const [make, without, most, with_] of cases) {
  const [{ rule } = { rule: '' }] = make()['x-kubernetes-validations'] ?? [];
  test(`${rule} on ${make().type ?? 'an int or string'} is estimated as upstream does`, () => {
    assert.equal(costOf(make()), without);
    assert.equal(costOf(make(most)), with_);
  });
}

test('a rule that may cost too much is refused, and so are rules that do together', () => {
  const quadratic = ruled({ type: 'array', items: { type: 'number' } }, 'self.all(x, self.all(y, x != y))');
  const root = (list: JsonSchema): JsonSchema => ({ type: 'object', properties: { list } });
  const rule = 'root.properties[list].x-kubernetes-validations[0].rule';
  const advice =
    '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';
  const said = (schema: JsonSchema) =>
    costComplaints('root', schema).map(({ field, message }) => `${field}: ${message}`);
  assert.deepEqual(said(root(quadratic)), [
    `${rule}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${advice}`,
    `${rule}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
    `root: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x ${advice}`,
  ]);
  assert.deepEqual(said(root({ ...quadratic, maxItems: 100 })), []);
  const inside = ruled({ type: 'string', maxLength: 100 }, "self.matches('^a+$')");
  assert.deepEqual(said(root({ type: 'array', items: inside, maxItems: 1_000 })), []);
  assert.match(
    said(root({ type: 'array', items: inside }))[0] ?? '',
    /^root\.properties\[list\]\.items\.x-kubernetes-validations\[0\]\.rule: Forbidden: estimated rule cost exceeds budget by factor of \d+\.\dx /,
  );
});
