import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchTerm } from './node-selector.ts';

const node = {
  name: 'n1',
  label: (key: string) => ({ size: '42', far: '9223372036854775807' } as Record<string, string>)[key],
};

test('labels are compared by size as whole numbers of 64 bits, and nothing else matches', () => {
  const cases: [string, string, string, boolean][] = [
    ['size', 'Gt', '41', true],
    ['size', 'Gt', '42', false],
    ['size', 'Gt', '-9223372036854775808', true],
    ['size', 'Lt', '+0043', true],
    ['far', 'Gt', '9223372036854775806', true],
    ['size', 'Lt', '9223372036854775808', false], // beyond 64 bits
    ['size', 'Gt', '4e0', false],
    ['size', 'Gt', '', false],
    ['none', 'Lt', '5', false],
  ];
  for (const [key, operator, value, expected] of cases) {
    const matches = matchTerm({ matchExpressions: [{ key, operator, values: [value] }] });
    assert.equal(matches(node), expected, `${key} ${operator} ${value}`);
  }
});

test('fields select a node by its name, together with expressions; a term without either matches nothing', () => {
  const named = (operator: string, value: string) => ({ key: 'metadata.name', operator, values: [value] });
  const large = { key: 'size', operator: 'Exists' };
  assert.ok(matchTerm({ matchFields: [named('In', 'n1')], matchExpressions: [large] })(node));
  assert.ok(!matchTerm({ matchFields: [named('NotIn', 'n1')], matchExpressions: [large] })(node));
  assert.ok(!matchTerm({ matchFields: [named('In', 'n2')] })(node));
  assert.ok(!matchTerm({})(node));
});
