import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActivePods } from './active-pods.ts';

function drained(pods: ActivePods<string>): readonly string[] {
  const order: string[] = [];
  for (let next = pods.take(); next !== undefined; next = pods.take()) order.push(next);
  return order;
}

test('namespaces take turns among equals, and higher priorities go before them', () => {
  const pods = new ActivePods<string>();
  for (const name of ['a1', 'a2', 'a3', 'a4']) pods.add(name, 0, 'a');
  for (const name of ['b1', 'b2']) pods.add(name, 0, 'b');
  pods.add('c1', 5, 'c');
  assert.deepEqual(drained(pods), ['c1', 'a1', 'b1', 'a2', 'b2', 'a3', 'a4']);
});

test('what is removed is not served, and the turn goes on', () => {
  const pods = new ActivePods<string>();
  for (const name of ['a1', 'a2']) pods.add(name, 0, 'a');
  for (const name of ['b1', 'b2']) pods.add(name, 0, 'b');
  assert.equal(pods.take(), 'a1');
  pods.remove('a2', 0, 'a');
  pods.remove('a2', 0, 'a');
  assert.equal(pods.size, 2);
  assert.deepEqual(drained(pods), ['b1', 'b2']);
  assert.equal(pods.size, 0);
});
