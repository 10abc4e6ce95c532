import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  parseQuantity,
  quantityOfMilli,
  quantityOfUnits,
  subtractQuantity,
  toMilli,
  toNumber,
  toUnits,
} from './quantity.ts';

test('a quantity is printed in its canonical form', () => {
  const cases: readonly (readonly [string | number, string])[] = [
    ['0', '0'],
    ['0.0', '0'],
    ['1', '1'],
    [2, '2'],
    [0.5, '500m'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['1.5', '1500m'],
    ['0.1', '100m'],
    ['100m', '100m'],
    ['1000', '1k'],
    ['123456000', '123456k'],
    ['1024', '1024'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Ki', '512'],
    ['1Ki', '1Ki'],
    ['1023Ki', '1023Ki'],
    ['100Ei', '9223372036854775807'],
    ['2e3', '2e3'],
    ['2E3', '2e3'],
    ['1E', '1E'],
    ['1e-3', '1e-3'],
    ['1000e3', '1e6'],
    ['1n', '1n'],
    ['0.1n', '1n'],
    ['1u', '1u'],
    ['-1500m', '-1500m'],
    ['-2Ki', '-2Ki'],
    ['.5', '500m'],
    ['5.', '5'],
    ['1e21', '1e21'],
    ['Mi', '0'],
    ['1.3Gi', '1395864371200m'],
  ];
  for (const [text, expected] of cases) assert.equal(canonicalQuantity(text), expected, String(text));
});

test('what is no quantity is refused in the words clients know', () => {
  const wrongFormat = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  for (const text of ['', 'abc', '1 Gi', '1Gb', '1.2.3', '1x', 'constructor']) {
    assert.throws(() => canonicalQuantity(text), { reason: 'BadRequest', message: wrongFormat }, text);
  }
  assert.throws(() => canonicalQuantity('1ki'), { message: "unable to parse quantity's suffix" });
  assert.throws(() => canonicalQuantity('--1'), { message: "unable to parse quantity's suffix" });
  assert.throws(() => canonicalQuantity('1K'), { message: "unable to parse quantity's suffix" });
  assert.throws(() => canonicalQuantity('1e999999999'), { message: 'unable to parse numeric part of quantity' });
  assert.throws(() => canonicalQuantity('1'.repeat(10_000)), { reason: 'BadRequest' });
});

test('canonical forms are canonical, and reading them gives the same amount', () => {
  const texts = fc
    .tuple(
      fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
      fc.constantFrom('', 'm', 'u', 'k', 'M', 'Ki', 'Mi', 'e3'),
    )
    .map(([amount, suffix]) => `${amount}${suffix}`);
  fc.assert(
    fc.property(texts, (text) => {
      const canonical = canonicalQuantity(text);
      assert.equal(canonicalQuantity(canonical), canonical);
      assert.equal(compareQuantities(text, canonical), 0);
      assert.equal(parseQuantity(canonical).nanos, parseQuantity(text).nanos);
    }),
  );
});

test('amounts convert to thousandths and units, rounded up', () => {
  assert.equal(toMilli('100m'), 100);
  assert.equal(toMilli('1'), 1000);
  assert.equal(toMilli('1.5'), 1500);
  assert.equal(toMilli('1u'), 1);
  assert.equal(toMilli('2k'), 2_000_000);
  assert.equal(toUnits('1Gi'), 2 ** 30);
  assert.equal(toUnits('1.5Gi'), 1.5 * 2 ** 30);
  assert.equal(toUnits('1500m'), 2);
  assert.equal(toNumber('1500m'), 1.5);
  assert.equal(toNumber('128Mi'), 134217728);
});

test('amounts add, subtract and compare exactly', () => {
  assert.equal(addQuantities('100m', '1'), '1100m');
  assert.equal(addQuantities('512Mi', '512Mi'), '1Gi');
  assert.equal(addQuantities(), '0');
  assert.equal(subtractQuantity('1Gi', '512Mi'), '512Mi');
  assert.equal(compareQuantities('1000Mi', '1Gi'), -1);
  assert.equal(compareQuantities('1Gi', '1024Mi'), 0);
  assert.equal(compareQuantities('1', '999m'), 1);
  assert.equal(quantityOfMilli(2500), '2500m');
  assert.equal(quantityOfUnits(2 ** 31, 'BinarySI'), '2Gi');
});
