import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { checkFields, escapeValue, parseFieldSelector } from './field-selector.ts';

test('a field selector is read, matched and printed', () => {
  const selector = parseFieldSelector('status.phase!=Running,metadata.name==web,spec.nodeName=');
  const fields: Record<string, string> = { 'status.phase': 'Pending', 'metadata.name': 'web' };
  assert.equal(
    selector.matches((field) => fields[field] ?? ''),
    true,
  );
  assert.equal(selector.toString(), 'status.phase!=Running,metadata.name=web,spec.nodeName=');
  assert.equal(selector.requires('metadata.name'), 'web');
  assert.equal(selector.requires('status.phase'), undefined);
  assert.deepEqual(parseFieldSelector('').terms, []);
  assert.deepEqual(parseFieldSelector(',a=b,').terms.length, 1);
});

test('any value survives escaping', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const { terms } = parseFieldSelector(`a=${escapeValue(a)},b!=${escapeValue(b)}`);
      assert.deepEqual(terms, [
        { field: 'a', equal: true, value: a },
        { field: 'b', equal: false, value: b },
      ]);
    }),
  );
});

test('what is no field selector is refused', () => {
  assert.throws(() => parseFieldSelector('abc'), { reason: 'BadRequest', message: /can't understand 'abc'/ });
  assert.throws(() => parseFieldSelector('a=b=c'), {
    message: 'invalid field selector: unescaped character in value: 61',
  });
  assert.throws(() => parseFieldSelector('a=\\n'), { message: 'invalid field selector: invalid escape sequence: \\n' });
  assert.throws(() => parseFieldSelector('a=\\'), { message: 'invalid field selector: invalid escape sequence: \\' });
  assert.throws(() => checkFields(parseFieldSelector('spec.x=1'), () => false), {
    message: 'field label not supported: spec.x',
  });
});
