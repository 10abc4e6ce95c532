import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from './clock.ts';
import { silentLog } from './log.ts';
import { Tracer } from './tracing.ts';

const tracer = (samplingRatePerMillion: number, random = 0.5) =>
  new Tracer({
    endpoint: 'http://127.0.0.1:1',
    samplingRatePerMillion,
    serviceName: 'test',
    clock: new VirtualClock(0),
    log: silentLog,
    random: () => random,
  });
const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';

test('a trace is followed if whoever began it follows it, and begun as often as asked for', () => {
  assert.ok(tracer(0).serve('a', `${parent}-01`, {}));
  assert.equal(tracer(1_000_000).serve('a', `${parent}-00`, {}), undefined);
  assert.equal(tracer(400_000).serve('a', undefined, {}), undefined);
  assert.ok(tracer(600_000).serve('a', undefined, {}));
  for (const bad of [
    '',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    parent,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
  ]) {
    assert.equal(tracer(0).serve('a', bad, {}), undefined, bad);
  }
});

test('what no collector takes is bounded, dropped and counted, and what is not sampled makes no spans', async () => {
  const traced = tracer(1_000_000);
  for (let i = 0; i < 3_000; i++) traced.serve('a', undefined, {})?.end();
  assert.equal(traced.dropped, 3_000 - 2_048);
  await traced[Symbol.asyncDispose]();
  assert.ok(traced.dropped >= 3_000 - 2_048 + 512);
  const quiet = tracer(0);
  assert.equal(await quiet.child('b', {}, async () => 7), 7);
  assert.equal(quiet.dropped, 0);
});
