import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core/event.ts';
import { Event as EventsEvent } from '#api/events/event.ts';
import { VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { FakeClient } from './testing/fake-client.ts';
import { SeriesRecorder } from './series-recorder.ts';

function setup() {
  const clock = new VirtualClock();
  const client = new FakeClient(clock);
  const recorder = new SeriesRecorder({ client, clock, log: silentLog, controller: 'tester', instance: 'tester-n1' });
  const stop = new AbortController();
  return { clock, client, recorder, stop, running: recorder.run(stop.signal) };
}

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'ns', name: 'web', uid: 'u1' } };
const fact = { type: 'Warning', reason: 'FailedScheduling', action: 'Scheduling', message: 'no room' } as const;
const minutes = 60_000;

test('the first event stands alone, the second starts a series, and more are told of now and then', async () => {
  const { clock, client, recorder, stop, running } = setup();
  const told = () => client.all(Event).map(({ series }) => series?.count);
  recorder.record(pod, fact);
  await clock.advance(1 * minutes);
  const { metadata, ...rest } = client.all(Event)[0] as Event;
  assert.match(metadata.name ?? '', /^web\.[0-9a-f]{16}$/);
  assert.deepEqual(rest, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'web', uid: 'u1' },
    type: 'Warning',
    reason: 'FailedScheduling',
    message: 'no room',
    action: 'Scheduling',
    eventTime: '2026-01-01T00:00:00.000000Z',
    source: {},
    reportingComponent: 'tester',
    reportingInstance: 'tester-n1',
  });
  assert.deepEqual(EventsEvent.view?.of, Event);
  recorder.record(pod, fact);
  await clock.advance(0);
  assert.deepEqual(client.all(Event)[0]?.series, { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' });
  for (let i = 0; i < 10; i++) {
    await clock.advance(1 * minutes);
    recorder.record(pod, fact);
  }
  await clock.advance(0);
  assert.deepEqual(told(), [2], 'a series that goes on is not written each time');
  for (let i = 0; i < 25; i++) {
    await clock.advance(1 * minutes);
    recorder.record(pod, fact);
  }
  await clock.advance(0);
  assert.ok((told()[0] ?? 0) > 30, 'but now and then');
  await clock.advance(15 * minutes);
  assert.deepEqual(told(), [37], 'and once it has ended');
  recorder.record(pod, fact);
  await clock.advance(0);
  assert.deepEqual(told(), [37, undefined], 'what comes later is another one');
  stop.abort();
  await running;
});

test('an event may fall between two milliseconds', async () => {
  const { clock, client, recorder, stop, running } = setup();
  await clock.advance(0.25);
  recorder.record(pod, fact);
  await clock.advance(0);
  assert.match(client.all(Event)[0]?.metadata.name ?? '', /^web\.[0-9a-f]{16}$/);
  stop.abort();
  await running;
});

test('what is said otherwise, or of another object, is another event', async () => {
  const { clock, client, recorder, stop, running } = setup();
  recorder.record(pod, fact);
  recorder.record(pod, { ...fact, message: 'still no room' });
  recorder.record({ ...pod, metadata: { ...pod.metadata, uid: 'u2' } }, fact);
  await clock.advance(0);
  assert.equal(client.all(Event).length, 3);
  stop.abort();
  await running;
});
