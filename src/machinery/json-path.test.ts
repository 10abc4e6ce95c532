import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJsonPath } from './json-path.ts';

const object = {
  metadata: { name: 'x', labels: { 'a.b/c': 'dotted' } },
  spec: {
    list: [
      { type: 'Ready', status: 'True', port: 80 },
      { type: 'Live', status: 'False', port: 8080 },
    ],
    numbers: [1, 2, 3, 4, 5],
    nested: { name: 'inner' },
  },
};

test('find() follows fields, indexes, slices, wildcards, descents and filters', () => {
  const cases: readonly (readonly [path: string, found: readonly unknown[]])[] = [
    ['.metadata.name', ['x']],
    ['.metadata.labels.a\\.b/c', ['dotted']],
    [".metadata.labels['a.b/c']", ['dotted']],
    ['.spec.missing.deeper', []],
    ['.spec.numbers[0]', [1]],
    ['.spec.numbers[-1]', [5]],
    ['.spec.numbers[9]', []],
    ['.spec.numbers[1:3]', [2, 3]],
    ['.spec.numbers[::2]', [1, 3, 5]],
    ['.spec.list[*].type', ['Ready', 'Live']],
    ['.spec.list[?(@.type=="Ready")].status', ['True']],
    ['.spec.list[?(@.port>100)].type', ['Live']],
    ['..name', ['x', 'inner']],
    ['.constructor', []],
    ['.spec.numbers.length', []],
  ];
  for (const [path, found] of cases) assert.deepEqual(parseJsonPath(path).find(object), found, path);
});

test('parseJsonPath() says what it cannot read', () => {
  for (const path of ['.spec[', '.spec[abc]', '.spec[?(1)]x(', `.${'a.'.repeat(300)}a`]) {
    assert.throws(() => parseJsonPath(path), SyntaxError, path);
  }
});

test('a path that looks at everything many times over ends, and one nested without end is refused', () => {
  const deep = { a: { a: { a: { a: { a: { a: { a: 1 } } } } } } };
  assert.deepEqual(parseJsonPath('..'.repeat(90) + 'a').find(deep), []);
  assert.throws(() => parseJsonPath('[?(@'.repeat(20) + ')]'.repeat(20)), /filters within each other/);
  assert.throws(() => parseJsonPath('.a'.repeat(300)), /more than 200 steps/);
});
