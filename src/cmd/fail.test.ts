import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { StartError } from '#cluster/data-dir.ts';
import { badRequest } from '#machinery/status-error.ts';
import { StoreUnavailable } from '#store/store.ts';
import { explain, UsageError } from './fail.ts';

const textOf = (error: unknown) => stripVTControlCharacters(explain(error));

test('explain() gives what the user can mend without a stack, and what to do on a line of its own', () => {
  assert.equal(textOf(new UsageError('No server runs.', 'start one')), '✗ No server runs.\n  → start one\n');
  assert.equal(textOf(new StartError('Port 1 is taken.')), '✗ Port 1 is taken.\n');
  assert.equal(textOf(new StoreUnavailable('disk-full', 'The disk is full')), '✗ The disk is full\n');
  assert.equal(textOf(badRequest('no such field')), '✗ no such field\n');
});

test('explain() shows the stack of what should never happen', () => {
  assert.match(textOf(new TypeError('x is undefined')), /^✗ TypeError: x is undefined\n +at /);
  assert.equal(textOf('thrown text'), '✗ thrown text\n');
});
