import assert from 'node:assert/strict';
import { test } from 'node:test';
import { revision } from '#store/store.ts';
import { EventLog } from './event-log.ts';
import { Watcher } from './watcher.ts';

test('a watcher tells its owner of events that came before the owner listened', () => {
  const source = { log: new EventLog(revision(0)), revision: revision(0), forget: () => undefined };
  const watcher = new Watcher(source, {
    namespace: undefined,
    selection: { all: true, matches: () => true } as never, // nothing is selected here: only the call counts
    position: undefined,
    allowBookmarks: false,
  });
  watcher.wake(0);
  let told = 0;
  watcher.onReady(() => told++);
  assert.equal(told, 1);
});
