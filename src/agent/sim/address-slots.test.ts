import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressSlots } from './address-slots.ts';
import { podAddressesMax } from './node-shape.ts';

test('every address of a node is given once, the lowest free one first', () => {
  const slots = new AddressSlots();
  const taken = Array.from({ length: podAddressesMax }, () => slots.take());
  assert.deepEqual(
    taken,
    Array.from({ length: podAddressesMax }, (_, index) => index),
  );
  assert.equal(slots.take(), -1);
  slots.release(40);
  slots.release(31);
  slots.mark(31);
  assert.equal(slots.take(), 40);
});
