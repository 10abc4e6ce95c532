import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, property, string } from 'fast-check';
import type { ObjectSchema } from '../schema.ts';
import { CelCompileError, compileCel, dynamic } from './compile.ts';
import { costPerCallMax, kubernetesFunctions } from './environment.ts';
import { CelBudget } from './evaluate.ts';
import { types, typeOfSchema } from './types.ts';
import { CelError, celText, fromJson } from './values.ts';

const functions = kubernetesFunctions;
const self = {
  a: 1,
  text: 'hello',
  list: [3, 1, 2],
  map: { 'app.kubernetes.io/name': 'x' },
  namespace: 'n',
  'a-b': 1,
  none: null,
};
const run = (source: string, object: unknown = self) =>
  celText(
    compileCel(source, { variables: dynamic('self'), functions }).evaluate(
      { self: fromJson(object) },
      new CelBudget(costPerCallMax),
    ),
  );

test('expressions read JSON objects, optional fields and escaped names', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['self.a + 1', '2'],
    ['self.?missing.orValue("none")', 'none'],
    ['self.list[?7].hasValue()', 'false'],
    ['self.?map[?"app.kubernetes.io/name"].orValue("")', 'x'],
    ['self.__namespace__ + string(self.a__dash__b)', 'n1'],
    ['self.`a-b`', '1'],
    ['has(self.none) && self.none == null', 'true'],
    ['[?self.?missing, ?self.?a]', '[1]'],
    ['{?"k": self.?a}', '{k: 1}'],
    ['self.?a.optMap(x, x * 2).value()', '2'],
    ['self.list.all(i, v, v > i || i > 0)', 'true'],
    ['cel.bind(l, self.list, l.sum() + l.max())', '9'],
  ];
  for (const [source, result] of cases) assert.equal(run(source), result, source);
});

test("Kubernetes' libraries", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['self.list.isSorted() || [1, 2, 2].isSorted()', 'true'],
    ['[1, 2, 3, 2].indexOf(2) + [1, 2, 3, 2].lastIndexOf(2)', '4'],
    ['[duration("1s"), duration("2s")].sum()', '3s'],
    ['sets.contains([1, 2], [2]) && sets.equivalent([1, 2, 1], [2, 1]) && !sets.intersects([1], [2])', 'true'],
    ['"abc 123".find("[0-9]+") + "1 2 3".findAll("[0-9]", 2).join("-")', '1231-2'],
    ['url("https://user@example.com:80/a%20b?k=1&k=2").getHost()', 'example.com:80'],
    ['url("https://[::1]:80/").getHostname() + url("/p").getScheme()', '::1'],
    ['url("https://e.com/?k=1&k=2").getQuery()["k"].size()', '2'],
    ['isURL("https://e.com:port/")', 'false'],
    ['quantity("1Gi").isGreaterThan(quantity("1G")) && quantity("1000m") == quantity("1")', 'true'],
    ['string(quantity("1Gi").add(quantity("1Gi")).asInteger())', '2147483648'],
    ['isQuantity("1.3Gx")', 'false'],
    ['string(ip("2001:DB8::1")) + string(ip("10.0.0.1").family())', '2001:db8::14'],
    ['isIP("::ffff:1.2.3.4") || ip.isCanonical("2001:DB8::1") || ip("127.0.0.1").isGlobalUnicast()', 'false'],
    ['cidr("10.0.0.0/8").containsIP("10.1.2.3") && cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16")', 'true'],
    ['string(cidr("10.1.2.3/9").masked()) + string(cidr("2001:db8::ff/121").masked())', '10.0.0.0/92001:db8::80/121'],
    ['format.dns1123Label().validate("a.b").value()[0]', 'must not contain dots'],
    ['format.named("uuid").value().validate("123e4567-e89b-12d3-a456-426614174000").hasValue()', 'false'],
    ['semver("1.2.3-rc.1").isLessThan(semver("1.2.3")) && semver("v1.2", true).patch() == 0', 'true'],
    ['isSemver("1.2") || isSemver("01.2.3")', 'false'],
    ['"%s is %d and %.2f".format(["a", 1, 2.5])', 'a is 1 and 2.50'],
    ['jsonpatch.escapeKey("a/b~c")', 'a~1b~0c'],
  ];
  for (const [source, result] of cases) assert.equal(run(source), result, source);
});

const pod: ObjectSchema = {
  type: 'object',
  name: 'Object',
  required: [],
  fields: {
    replicas: { schema: { type: 'integer' } },
    name: { schema: { type: 'string' } },
    at: { schema: { type: 'string', format: 'date-time' } },
    labels: { schema: { type: 'map', values: { type: 'string' } } },
    ports: {
      schema: {
        type: 'array',
        items: { type: 'object', required: [], fields: { port: { schema: { type: 'integer' } } } },
      },
    },
  },
};
const typed = { variables: { self: typeOfSchema(pod) }, functions };

test('what a schema says is checked before anything runs, and told with its place', () => {
  const said = (source: string) => {
    try {
      compileCel(source, typed, [types.bool]);
      return 'fine';
    } catch (error) {
      assert.ok(error instanceof CelCompileError);
      return error.message;
    }
  };
  assert.equal(
    said('self.replicas > 1 && self.ports.all(p, p.port < 100) && self.at < timestamp("2026-01-01T00:00:00Z")'),
    'fine',
  );
  assert.equal(said('self.foo == 1'), "ERROR: <input>:1:5: undefined field 'foo'\n | self.foo == 1\n | ....^");
  assert.match(said('self.replicas == "1"'), /found no matching overload for '_==_' applied to '\(int, string\)'/);
  assert.match(said('self.ports.all(p, p.prot > 1)'), /<input>:1:20: undefined field 'prot'/);
  assert.equal(said('self.ports[0] == null && null != self.at && self != null'), 'fine');
  assert.match(said('self.replicas == null'), /found no matching overload for '_==_' applied to '\(int, null_type\)'/);
  assert.match(said('nope > 1'), /undeclared reference to 'nope' \(in container ''\)/);
  assert.match(said('self.name.frob()'), /undeclared reference to 'frob'/);
  assert.equal(said('self.name'), 'must evaluate to bool');
  assert.match(said('self.name.size() > '), /Syntax error: mismatched input '<EOF>'/);
});

test('an error on one side of a logical operator counts only if the other does not settle it', () => {
  assert.equal(run('self.missing == 1 || true'), 'true');
  assert.equal(run('true || self.missing == 1'), 'true');
  assert.throws(() => run('self.missing == 1 || false'), new CelError('no such key: missing'));
  assert.throws(() => run('1 / 0 == 1'), new CelError('division by zero'));
  assert.throws(() => run('9223372036854775807 + 1'), new CelError('integer overflow'));
});

test('work is bounded, whatever absorbs errors, and no expression holds the process for long', () => {
  const list = Array.from({ length: 2_000 }, (_, i) => i);
  const started = performance.now();
  assert.throws(
    () => run('self.all(a, self.all(b, self.all(c, a + b + c >= 0))) || true', list),
    /actual cost limit exceeded/,
  );
  assert.throws(() => run('self.map(a, self.map(b, "x" + "y")).size() > 0 || true', list), /cost limit exceeded/);
  assert.ok(performance.now() - started < 5_000);
  const pattern = run('self.matches("^(a+)+$")', `${'a'.repeat(5_000)}!`);
  assert.equal(pattern, 'false');
});

test('hostile sources are refused and crash nothing', () => {
  assert.throws(() => run('('.repeat(10_000)), CelCompileError);
  assert.throws(() => run('['.repeat(5_000)), CelCompileError);
  assert.throws(() => run(`self${'.a'.repeat(5_000)}`), CelCompileError);
  assert.throws(() => run('1'.repeat(70_000)), CelCompileError);
  holds(
    property(string({ unit: 'grapheme', maxLength: 60 }), (source) => {
      try {
        run(source);
      } catch (error) {
        assert.ok(error instanceof CelCompileError || error instanceof CelError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a row of operators is as long as one likes where it is flat, and bounded where it is deep', () => {
  assert.equal(run(`${'true && '.repeat(5_000)}true`), 'true');
  assert.equal(run(`${'false || '.repeat(5_000)}1 < 2`), 'true');
  assert.throws(() => run(`${'1 + '.repeat(5_000)}1`), /more than 1000 operators/);
  assert.throws(
    () => run(`[${'nobody, '.repeat(5_000)}1]`),
    (error: Error) => error.message.length < 200_000,
  );
});
