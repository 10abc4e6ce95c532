import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TurnGate } from './turn-gate.ts';

type Request = Parameters<TurnGate['add']>[1];
type Response = Parameters<TurnGate['add']>[2];

test('a connection with hundreds of requests begins a few a turn; cancelled ones never begin', async () => {
  const served: string[] = [];
  const gate = new TurnGate((req) => void served.push(req.url));
  const [many, one] = [{}, {}];
  const cancelled = new Set<number>();
  // A request is no more to the gate than whether its stream is still there.
  const request = (url: string, i: number) =>
    ({
      url,
      stream: {
        get destroyed() {
          return cancelled.has(i);
        },
      },
    }) as unknown as Request;
  for (let i = 0; i < 200; i++) gate.add(many, request(`many-${i}`, i), {} as Response);
  gate.add(one, request('one', -1), {} as Response);
  assert.equal(served.length, 9);
  assert.equal(served.at(-1), 'one');
  for (let i = 50; i < 190; i++) cancelled.add(i);
  while (served.length < 61) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  const numbers = served.filter((url) => url !== 'one').map((url) => Number(url.slice('many-'.length)));
  assert.deepEqual(numbers, [
    ...Array.from({ length: 50 }, (_, i) => i),
    ...Array.from({ length: 10 }, (_, i) => 190 + i),
  ]);
});
