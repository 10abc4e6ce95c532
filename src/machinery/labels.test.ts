import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSelector } from './label-selector-parser.ts';
import { everything, formatLabels, formatSelector, labelsErrors, nothing, selectorOf } from './labels.ts';

test('a selector string is read, matched and printed', () => {
  const labels = { a: 'b', e: 'x', g: 'q', h: '', n: '7' };
  const cases: readonly (readonly [string, boolean, string])[] = [
    ['', true, ''],
    ['a=b', true, 'a=b'],
    ['a==b', true, 'a=b'],
    ['a = b', true, 'a=b'],
    ['a!=b', false, 'a!=b'],
    ['missing!=b', true, 'missing!=b'],
    ['e in (x,y)', true, 'e in (x,y)'],
    ['e in (y, x)', true, 'e in (x,y)'],
    ['e notin (x)', false, 'e notin (x)'],
    ['missing notin (x)', true, 'missing notin (x)'],
    ['!f', true, '!f'],
    ['!a', false, '!a'],
    ['h', true, 'h'],
    ['h=', true, 'h='],
    ['h in ()', true, 'h in ()'],
    ['a=b,c!=d,e in (x,y),!f,g notin (z),h', true, 'a=b,c!=d,e in (x,y),!f,g notin (z),h'],
    ['n>6', true, 'n>6'],
    ['n<7', false, 'n<7'],
    ['a>1', false, 'a>1'],
    ['in in (in)', false, 'in in (in)'],
    ['example.com/app=web', false, 'example.com/app=web'],
  ];
  for (const [text, matches, printed] of cases) {
    const selector = parseSelector(text);
    assert.equal(selector.matches(labels), matches, text);
    assert.equal(selector.toString(), printed, text);
  }
  assert.equal(parseSelector('constructor').matches({}), false);
  assert.equal(parseSelector('!a').matches(undefined), true);
});

test('what is no selector is refused with the place where it went wrong', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [',a', /found ',', expected: !, identifier, or 'end of string'/],
    ['a,', /found '', expected: identifier after ','/],
    ['a=b=c', /found '=', expected: ',' or 'end of string'/],
    ['a in x', /found 'x' expected: '\('/],
    ['a in (x', /found '', expected: ',' or '\)'/],
    ['a foo b', /found 'foo', expected: !, !=, <, =, ==, >, in, notin/],
    ['-a=b', /Invalid value: "-a": name part must consist of alphanumeric characters/],
    ['a=-b', /Invalid value: "-b": a valid label must be an empty string or consist/],
    ['a>x', /the value must be an integer/],
    ['!', /found '', expected: identifier/],
  ];
  for (const [text, message] of cases)
    assert.throws(() => parseSelector(text), { reason: 'BadRequest', message }, text);
});

test('a LabelSelector object that is empty selects everything, and an absent one nothing', () => {
  assert.equal(selectorOf({}).matches(undefined), true);
  assert.equal(selectorOf(undefined).matches({ a: 'b' }), false);
  assert.equal(everything.matches({}), true);
  assert.equal(nothing.matches({}), false);
  const selector = selectorOf({
    matchLabels: { app: 'web' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['front', 'back'] },
      { key: 'canary', operator: 'DoesNotExist' },
      { key: 'zone', operator: 'NotIn', values: ['c'] },
      { key: 'rack', operator: 'Exists' },
    ],
  });
  assert.equal(selector.matches({ app: 'web', tier: 'back', rack: '1' }), true);
  assert.equal(selector.matches({ app: 'web', tier: 'back' }), false);
  assert.equal(selector.matches({ app: 'web', tier: 'back', rack: '1', canary: '' }), false);
  assert.equal(selector.toString(), 'app=web,tier in (back,front),!canary,zone notin (c),rack');
  assert.equal(selectorOf({ matchExpressions: [{ key: 'a', operator: 'Odd' }] }).matches({}), false);
  assert.equal(formatSelector({}), '<none>');
  assert.equal(formatSelector({ matchLabels: { b: '2', a: '1' } }), 'a=1,b=2');
  assert.equal(formatLabels({}), '<none>');
});

test('bad labels are reported under the map that holds them', () => {
  assert.deepEqual(
    labelsErrors('metadata.labels', { 'a/b/c': 'x', ok: '-', fine: 'yes' }).map(({ type, field }) => [type, field]),
    [
      ['FieldValueInvalid', 'metadata.labels'],
      ['FieldValueInvalid', 'metadata.labels'],
    ],
  );
});
