import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  baitsOf,
  cpuMsMax,
  cpuMsOf,
  inputBytesMax,
  inputsOf,
  shuffled,
  slowness,
  treacherous,
  tryRead,
  type Target,
} from './target.ts';
import { targets } from './targets.ts';

/** How long each target is tried: shortly with all other tests, for as long as one likes by `npm run fuzz`. */
const msPerTarget = Number(process.env['TUTTI_FUZZ_MS'] ?? 400);
const seed = Number(process.env['TUTTI_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

for (const target of targets) {
  test(`${target.name}: whatever comes, only known errors`, (t) => {
    const property = fc.property(inputsOf(target), (input) => tryRead(target, input));
    const details = fc.check(property, {
      numRuns: Number.POSITIVE_INFINITY,
      interruptAfterTimeLimit: msPerTarget,
      markInterruptAsFailure: false,
      seed,
    });
    t.diagnostic(`${details.numRuns} inputs from seed ${details.seed}`);
    assert.equal(details.failed, false, fc.defaultReportMessage(details));
    assert.ok(details.numRuns > 20, 'hardly anything was tried');
  });

  const { bytesMax = inputBytesMax } = target;
  test(`${target.name}: at most ${cpuMsMax} ms for ${bytesMax / 1024} KiB, however they are made`, (t) => {
    const end = performance.now() + msPerTarget;
    const msMax = cpuMsMax * slowness();
    const baits = shuffled([...baitsOf(target)], seed);
    let tried = 0;
    for (const bait of baits) {
      if (performance.now() > end) break;
      tried++;
      const ms = cpuMsOf(() => tryRead(target, bait), msMax);
      assert.ok(ms <= msMax, `${ms.toFixed(0)} ms for ${JSON.stringify(bait.slice(0, 80))}…`);
    }
    t.diagnostic(`${tried} of ${baits.length} inputs in the order of seed ${seed}`);
  });
}

test('a reader that is careless in any of these ways is caught', () => {
  const careless = (read: Target['read']): Target => ({ name: 'careless', seeds: ['a'], tokens: ['a', 'b'], read });
  const { raise, pollute, foreign } = {
    raise: careless(() => {
      throw new TypeError('undefined is not a function');
    }),
    pollute: careless(() => {
      Object.assign(Object.prototype, { polluted: true });
      return {};
    }),
    foreign: careless(() => ({
      a: Object.setPrototypeOf({}, JSON.parse(`{"${treacherous[1]}":1}`) as object) as unknown,
    })),
  };
  assert.throws(() => tryRead(raise, 'a'), TypeError);
  try {
    assert.throws(() => tryRead(pollute, 'a'), /has been written to/);
  } finally {
    delete (Object.prototype as { polluted?: boolean }).polluted;
  }
  assert.throws(() => tryRead(foreign, 'a'), /prototype from the input/);
  const slow = (input: string) => {
    let same = 0;
    for (let i = 0; i < input.length; i++) for (let j = 0; j < input.length; j += 4) if (input[i] === input[j]) same++;
    return same;
  };
  assert.ok(cpuMsOf(() => slow('a'.repeat(inputBytesMax / 2)), Number.POSITIVE_INFINITY) > cpuMsMax);
});
