import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame } from './frames.ts';
import { joinOutput, overlapOf } from './join-output.ts';
import { compareTimes, mergeByTime, readPieces, type LogPiece } from './log-lines.ts';
import { terminalLines } from './terminal-lines.ts';

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}
async function textOf(source: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of source) text += chunk.toString();
  return text;
}

test('frame() writes stream, length and bytes', () => {
  assert.deepEqual(frame(2, Buffer.from('hi')), Buffer.from([2, 0, 0, 0, 0, 0, 0, 2, 0x68, 0x69]));
});

test('readPieces() finds lines wherever the chunks are cut, and a last one without an end', async () => {
  const log = '2026-01-01T00:00:00.1Z one\n2026-01-01T00:00:00.2Z two words\n2026-01-01T00:00:00.3Z rest';
  for (let cut = 0; cut <= log.length; cut++) {
    const pieces = await Array.fromAsync(readPieces(chunks(log.slice(0, cut), log.slice(cut)), 1));
    assert.deepEqual(
      pieces.map(({ time, data, isStart }) => [time.slice(19), data.toString(), isStart]),
      [['.1Z', 'one\n', true], ['.2Z', 'two words\n', true], ['.3Z', 'rest', true]], // prettier-ignore
    );
  }
});

test('readPieces() hands a very long line on in parts', async () => {
  const part = 'x'.repeat(70_000);
  const pieces = await Array.fromAsync(readPieces(chunks(`T ${part}`, part, '\nU end\n'), 2));
  assert.deepEqual(pieces.map(({ data, isStart, time }) => [data.length, isStart, time]), [[70_000, true, 'T'], [70_000, false, 'T'], [1, false, 'T'], [4, true, 'U']]); // prettier-ignore
});

test('mergeByTime() puts two logs that have ended into the order of their times', async () => {
  const out = readPieces(chunks('2026-01-01T00:00:00.1Z a\n', '2026-01-01T00:00:00.15Z c\n'), 1);
  const err = readPieces(chunks('2026-01-01T00:00:00.12Z b\n', '2026-01-01T00:00:01Z d\n'), 2);
  const merged = await Array.fromAsync(mergeByTime(out, err));
  assert.deepEqual(merged.map(({ stream, data }) => `${stream}${data.toString().trim()}`), ['1a', '2b', '1c', '2d']); // prettier-ignore
});

test('mergeByTime() does not wait long for a stream that says nothing', async () => {
  const silence = Promise.withResolvers<void>();
  async function* silent(): AsyncGenerator<LogPiece> {
    await silence.promise;
    yield* [];
  }
  const slept: number[] = [];
  const sleep = async (ms: number) => void slept.push(ms);
  const merged = mergeByTime(readPieces(chunks('2026-01-01T00:00:00Z a\n', '2026-01-01T00:00:00Z b\n'), 1), silent(), { now: () => Date.UTC(2026, 0, 1), sleep, holdMs: 30, firstMs: 100 }); // prettier-ignore
  assert.equal((await merged.next()).value?.data.toString(), 'a\n');
  assert.equal((await merged.next()).value?.data.toString(), 'b\n');
  assert.ok(slept.length > 0 && slept.every((ms) => ms <= 100));
  silence.resolve();
  assert.equal((await merged.next()).done, true);
});

test('compareTimes() compares fractions of any length', () => {
  assert.ok(compareTimes('2026-01-01T00:00:00.12Z', '2026-01-01T00:00:00.123Z') < 0);
  assert.equal(compareTimes('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'), 0);
});

test('joinOutput() shows what was written before and after attaching once', async () => {
  assert.equal(overlapOf(Buffer.from('abcd'), Buffer.from('cdef')), 2);
  assert.equal(
    await textOf(joinOutput(chunks('two\r\n', 'three'), () => chunks('one\r\ntwo\r\n'), 1)),
    'one\r\ntwo\r\nthree',
  );
  assert.equal(await textOf(joinOutput(chunks(), () => chunks('all'), 1)), 'all');
  assert.equal(await textOf(joinOutput(chunks('$ '), () => chunks(), 1)), '$ ');
});

test('terminalLines() ends lines as a terminal does', async () => {
  assert.equal(await textOf(terminalLines(chunks('a\nb\r', '\nc\n', '\nd'))), 'a\r\nb\r\nc\r\n\r\nd');
});
