import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultDataDir } from './options.ts';

test('root keeps its cluster in /var/lib, everybody else in their own state folder', () => {
  assert.equal(defaultDataDir({ HOME: '/root', XDG_STATE_HOME: '/root/state' }, 0), '/var/lib/tutti');
  assert.equal(defaultDataDir({ HOME: '/home/ada' }, 1000), '/home/ada/.local/state/tutti');
  assert.equal(defaultDataDir({ HOME: '/home/ada', XDG_STATE_HOME: '/data/state' }, 1000), '/data/state/tutti');
  assert.equal(defaultDataDir({}, 1000), '.local/state/tutti');
});
