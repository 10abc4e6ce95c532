import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasReason } from '#machinery/status-error.ts';
import { parseYaml } from '#machinery/yaml.ts';
import { hereBytesMax, YamlThread, yamlMsMax } from './yaml-thread.ts';

const size = 64 * 1024;
/** Texts of 64 KiB that keep a parser busy. */
const bombs: Readonly<Record<string, string>> = {
  'nested lists': '['.repeat(size),
  'nested maps': '{a: '.repeat(size / 4),
  'nested dashes': '- '.repeat(size / 2),
  'a list of nothing': `[${','.repeat(size - 1)}`,
  'aliases of a list': `a: &a [1,1,1,1,1,1,1,1,1,1]\nb: [${'*a,'.repeat(20_000)}]`,
  'merges of a map': `x: &x {a: 1}\n${'<<: *x\n'.repeat(9_000)}`,
  'a billion laughs': `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from('bcdefghi', (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`).join('\n')}`,
  'many documents': '---\n'.repeat(size / 4),
  'many keys': Array.from({ length: 8_000 }, (_, i) => `k${i}: 1`).join('\n'),
};

/** Milliseconds of this thread's own work while `run` ran: what everybody else waits for, however busy the machine is. */
async function workOf(run: () => Promise<unknown>): Promise<number> {
  const before = process.threadCpuUsage();
  await run();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

test('a hostile body of 64 KiB is read or refused without holding anybody up', async () => {
  using thread = new YamlThread();
  await thread.parse(Buffer.from(`a: ${'x'.repeat(hereBytesMax)}`)); // the thread is up
  for (const [name, bomb] of Object.entries(bombs)) {
    const body = Buffer.from(bomb.slice(0, size));
    const outcome: unknown[] = [];
    const work = await workOf(() =>
      thread.parse(body).then(
        (value) => outcome.push(value),
        (error: unknown) => outcome.push(error),
      ),
    );
    assert.ok(work < 100, `${name} held the server up for ${Math.round(work)} ms`);
    assert.ok(
      'value' in (outcome[0] as object) || hasReason(outcome[0], 'BadRequest'),
      `${name}: ${String(outcome[0])}`,
    );
  }
  // The control: read in place, one of them alone takes longer than that.
  const work = await workOf(async () => assert.throws(() => parseYaml(bombs['a list of nothing']!)));
  assert.ok(work > 100, `${work} ms in place`);
});

test('what the thread reads is what is read in place, refusals and repeated keys included', async () => {
  using thread = new YamlThread();
  const padding = `pad: ${'x'.repeat(hereBytesMax)}\n`;
  for (const text of [
    'a: [1, yes, 0644, ~, "é"]\nb: &b {c: d}\ne: *b\n',
    'a: 1\na: 2\n',
    'a: b: c\n',
    '__proto__: {x: 1}\n',
    '- 1\n',
  ]) {
    const body = Buffer.from(padding + text);
    const expected = inPlace(body);
    const found = await thread.parse(body).catch((error: unknown) => error);
    if (expected instanceof Error) assert.equal((found as Error).message, expected.message);
    else assert.deepEqual(found, expected);
  }
});

test('a body that takes too long loses its thread, the others get a new one', async (t) => {
  using thread = new YamlThread();
  const slow = Buffer.from(`[${','.repeat(1024 * 1024 - 2)}`);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const refused = assert.rejects(
    thread.parse(slow),
    (error) => hasReason(error, 'BadRequest') && /within 5 seconds/.test(error.message),
  );
  const other = thread.parse(Buffer.from(`a: ${'x'.repeat(hereBytesMax)}`));
  t.mock.timers.tick(yamlMsMax);
  await refused;
  t.mock.timers.reset();
  assert.equal((await other).duplicates.length, 0);
});

function inPlace(body: Buffer): unknown {
  try {
    return parseYaml(body);
  } catch (error) {
    return error;
  }
}
