import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { nestingMax, parseExact } from './json.ts';
import { formatYaml, parseYaml, yamlBytesMax } from './yaml.ts';

const valueOf = (text: string) => parseYaml(text).value;

test('parseYaml() reads scalars as Kubernetes does', () => {
  const text =
    'mode: 0644\non: yes\nname: "yes"\nport: 80\nratio: .5\nmap: 80:80\nday: 2026-01-02\nnone: ~\nempty:\n8080: x\n';
  assert.deepEqual(valueOf(text), {
    mode: 420,
    on: true,
    name: 'yes',
    port: 80,
    ratio: 0.5,
    map: '80:80',
    day: '2026-01-02',
    none: null,
    empty: null,
    '8080': 'x',
  });
});

test('parseYaml() follows aliases and merges', () => {
  assert.deepEqual(valueOf('a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\n'), {
    a: { x: 1, y: 2 },
    b: { x: 1, y: 2 },
    c: { x: 1, y: 3 },
  });
});

test('parseYaml() names repeated keys and keeps the last', () => {
  assert.deepEqual(parseYaml('spec:\n  a: 1\n  a: 2\n'), { value: { spec: { a: 2 } }, duplicates: ['spec.a'] });
});

test('parseYaml() refuses bombs of every kind quickly', () => {
  const laughs = ['a0: &a0 [x,x,x,x,x,x,x,x,x]'];
  for (let level = 1; level < 10; level++)
    laughs.push(
      `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(',')}]`,
    );
  const bad: readonly [string, RegExp][] = [
    [laughs.join('\n'), /more than 200000 values once its aliases are followed/],
    ['['.repeat(20_000), /nested deeper|not valid YAML/],
    ['['.repeat(10_000) + ']'.repeat(10_000), /nested deeper than 500/],
    [
      Array.from({ length: 2 * nestingMax }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
      /nested deeper than 500/,
    ],
    ['a: &a [*a]', /nested deeper|unknown YAML alias/],
  ];
  for (const [text, message] of bad) assert.throws(() => parseYaml(text), { reason: 'BadRequest', message });
  assert.throws(() => parseYaml(`a: ${'x'.repeat(yamlBytesMax)}`), { reason: 'RequestEntityTooLarge' });
});

test('parseYaml() says what is wrong with a body', () => {
  const bad: readonly [string, RegExp][] = [
    ['', /the body is empty/],
    ['a: 1\n---\nb: 2\n', /several YAML documents/],
    ['a: [1', /not valid YAML: .* at line 1/s],
    ['? [a]\n: 1', /key of the document is no string/],
    ['a: .nan', /none of JSON's/],
  ];
  for (const [text, message] of bad) assert.throws(() => parseYaml(text), { reason: 'BadRequest', message });
});

test('parseYaml() makes no prototype of __proto__', () => {
  const value = valueOf('__proto__: {polluted: 1}\n');
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.ok(Object.hasOwn(value as object, '__proto__'));
});

test('parseYaml() reads back what formatYaml() writes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const plain = parseExact(JSON.stringify(value)); // no -0, and bigints where they belong
      assert.deepEqual(valueOf(formatYaml(plain)), plain);
    }),
    { numRuns: 200 },
  );
});

test('parseYaml() throws nothing but BadRequest', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from('ab:-[]{}&*!|>\'"#%@`,? \n\t01.~<')) }), (text) => {
      try {
        parseYaml(text);
      } catch (error) {
        assert.equal((error as { reason?: string }).reason, 'BadRequest', String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('an alias costs what it stands for, however many there are, and means the last anchor before it', () => {
  const text = `x: &x {a: 1}\ny:\n${'- *x\n'.repeat(9_000)}`;
  const start = performance.now();
  assert.equal((parseYaml(text).value as { y: unknown[] }).y.length, 9_000);
  assert.ok(performance.now() - start < 10_000); // once every alias searched the whole document: a minute
  const again = parseYaml('a: &n 1\nb: &y {c: &n 2}\nd: &n 3\ne: *y\nf: *n\n').value;
  assert.deepEqual(again, { a: 1, b: { c: 2 }, d: 3, e: { c: 2 }, f: 3 });
  assert.throws(() => parseYaml('a: *b\nb: &b 1\n'), /alias/);
});
