import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expand } from './expand.ts';

test('expand() replaces known names, keeps unknown ones, and reads $$ as $', () => {
  const cases: [string, string][] = [
    ['$(A)', '1'],
    ['x$(A)y$(B)z', 'x1y2z'],
    ['$(C)', '$(C)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$A $', '$A $'],
    ['$(A', '$(A'],
    ['$()', '$()'],
    ['$(A)$(A)', '11'],
  ];
  const values = new Map([
    ['A', '1'],
    ['B', '2'],
  ]);
  for (const [text, expected] of cases)
    assert.equal(
      expand(text, (name) => values.get(name)),
      expected,
      text,
    );
});
