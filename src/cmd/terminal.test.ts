import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { duration, step, table, type Terminal } from './terminal.ts';

test('table() aligns columns by their widest cell and leaves the last one ragged', () => {
  assert.equal(
    table(
      ['NODE', 'READY', 'ADDRESS'],
      [
        ['a', 'True', '10.0.0.1'],
        ['a-longer-name', 'False', ''],
      ],
    ),
    'NODE            READY   ADDRESS\na               True    10.0.0.1\na-longer-name   False   \n',
  );
  assert.equal(table(['A', 'B'], []), 'A   B\n');
});

test('duration() is in milliseconds below a second and in seconds from there', () => {
  assert.deepEqual([0, 999.4, 1000, 61_250].map(duration), ['0 ms', '999 ms', '1.0 s', '61.3 s']);
});

function recorder(): Terminal & { readonly text: () => string } {
  let written = '';
  return {
    isInteractive: false,
    write: (text) => {
      written += text;
    },
    text: () => stripVTControlCharacters(written),
  };
}

test('step() writes one line without a terminal: a tick with the last detail, or a cross', async () => {
  const terminal = recorder();
  const result = await step(terminal, 'Image', async (detail) => {
    detail('reading');
    detail('3 layers');
    return Promise.resolve(7);
  });
  assert.equal(result, 7);
  assert.match(terminal.text(), /^✔ Image {2}3 layers, \d+ ms\n$/);
  const failing = recorder();
  await assert.rejects(
    step(failing, 'Server', () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.match(failing.text(), /^✗ Server {2}\d+ ms\n$/);
});
