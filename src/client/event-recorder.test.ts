import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event } from '#api/core/event.ts';
import { VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { unavailable } from '#machinery/status-error.ts';
import { EventRecorder } from './event-recorder.ts';
import { FakeClient } from './testing/fake-client.ts';

function setup() {
  const clock = new VirtualClock();
  const client = new FakeClient(clock);
  const recorder = new EventRecorder({ client, clock, log: silentLog, component: 'tester', host: 'n1' });
  const stop = new AbortController();
  return { clock, client, recorder, stop, running: recorder.run(stop.signal) };
}

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'ns', name: 'web', uid: 'u1', resourceVersion: '5' },
};
const fact = { type: 'Warning', reason: 'Failed', message: 'no such image' } as const;

test('an event names its object, and repetitions raise its count', async () => {
  const { clock, client, recorder, stop, running } = setup();
  recorder.record(pod, fact);
  await clock.advance(60_000);
  recorder.record(pod, fact);
  await clock.advance(0);
  const [event, ...others] = client.all(Event);
  assert.deepEqual(others, []);
  const { metadata, ...rest } = event as Event;
  assert.equal(metadata.namespace, 'ns');
  assert.match(metadata.name ?? '', /^web\.[0-9a-f]{16}$/);
  assert.deepEqual(rest, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'web', uid: 'u1', resourceVersion: '5' },
    type: 'Warning',
    reason: 'Failed',
    message: 'no such image',
    source: { component: 'tester', host: 'n1' },
    reportingComponent: 'tester',
    reportingInstance: 'n1',
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:01:00Z',
    count: 2,
  });
  stop.abort();
  await running;
});

test('one object cannot flood the cluster, and many different messages are combined', async () => {
  const { clock, client, recorder, stop, running } = setup();
  for (let i = 0; i < 100; i++) recorder.record(pod, { ...fact, message: `message ${i}` });
  await clock.advance(1000);
  const events = client.all(Event).map(({ message, count }) => [message, count]);
  assert.equal(events.length, 11);
  assert.deepEqual(events.at(-1), ['(combined from similar events): message 24', 15]);
  stop.abort();
  await running;
});

test('record() never fails, and what is left is written when the recorder stops', async () => {
  const { clock, client, recorder, stop, running } = setup();
  client.onRequest = () => {
    throw unavailable('down');
  };
  recorder.record(pod, fact);
  await clock.advance(0);
  client.onRequest = () => {};
  stop.abort();
  recorder.record({ ...pod, metadata: { ...pod.metadata, name: 'other' } }, fact);
  await running;
  assert.deepEqual(
    client.all(Event).map(({ involvedObject }) => involvedObject.name),
    ['other'],
  );
});
