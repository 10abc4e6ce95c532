import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { recordsOf, type ContainerRecord } from './container-record.ts';
import { stateOf } from './container-state.ts';
import { statusText } from './container-view.ts';
import { actionsOf } from './events.ts';
import { marks } from './marks.ts';
import { startFailure } from './start-failure.ts';

const now = Date.parse('2026-01-01T01:00:00Z');
const started = '2026-01-01T00:59:00Z';

function record(
  status: Partial<core.PodStatus>,
  more: { spec?: Partial<core.PodSpec>; uid?: string; annotations?: Record<string, string> } = {},
): ContainerRecord {
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'default', uid: more.uid ?? 'u1', annotations: { [marks.id]: 'i', [marks.name]: 'n', [marks.config]: '{"Image":"demo"}', ...more.annotations } },
    spec: { containers: [{ name: 'main', image: 'demo' }], restartPolicy: 'Never', ...more.spec },
    status,
  }; // prettier-ignore
  const [only] = recordsOf(pod, 'default');
  assert.ok(only !== undefined);
  return only;
}

const container = (state: core.ContainerState, more: Partial<core.ContainerStatus> = {}) => ({
  containerStatuses: [{ name: 'main', image: 'demo', imageID: '', ready: true, restartCount: 0, state, ...more }],
});
const running = { phase: 'Running', ...container({ running: { startedAt: started } }) };
const ended = (exitCode: number, phase = exitCode === 0 ? 'Succeeded' : 'Failed') => ({
  phase,
  ...container({ terminated: { exitCode, startedAt: started, finishedAt: '2026-01-01T00:59:30Z' } }),
});
const gated = { spec: { schedulingGates: [{ name: marks.gate }] } };

test('stateOf() and the STATUS column say what Docker would', () => {
  const table: [ContainerRecord, status: string, exitCode: number, text: string][] = [
    [record({}, gated), 'created', 0, 'Created'],
    [record(running), 'running', 0, 'Up About a minute'],
    [record(ended(0)), 'exited', 0, 'Exited (0) 30 seconds ago'],
    [record(ended(143)), 'exited', 143, 'Exited (143) 30 seconds ago'],
    [record(ended(1, 'Running'), { spec: { restartPolicy: 'Always' } }), 'restarting', 1, 'Restarting (1) 30 seconds ago'],
    [record(ended(1, 'Running'), { spec: { restartPolicy: 'OnFailure' } }), 'restarting', 1, 'Restarting (1) 30 seconds ago'],
    [record({ phase: 'Failed', message: 'evicted' }), 'exited', 137, 'Exited (137)'],
    // A pretend node leaves the container as it was.
    [record({ ...running, phase: 'Failed' }), 'exited', 137, 'Exited (137)'],
    [record({ phase: 'Pending', ...container({ waiting: { reason: 'ImagePullBackOff' } }) }), 'created', 0, 'Created (ImagePullBackOff)'],
    [record({}, { ...gated, annotations: { [marks.failure]: '{"exitCode":127,"error":"no such program"}' } }), 'created', 127, 'Created'],
  ]; // prettier-ignore
  for (const [of, status, exitCode, text] of table) {
    const state = stateOf(of, now);
    assert.deepEqual([state.status, state.exitCode, statusText(state, now)], [status, exitCode, text]);
  }
});

test('actionsOf() tells what happened in the order it did', () => {
  const names = (previous: ContainerRecord, next: ContainerRecord) => actionsOf({ type: 'changed', record: next, previous }, now).map(({ action, attributes }) => `${action}${attributes?.['exitCode'] ?? ''}`); // prettier-ignore
  const created = record({}, gated);
  assert.deepEqual(names(created, record(running)), ['start']);
  assert.deepEqual(names(record(running), record(ended(3))), ['die3']);
  assert.deepEqual(names(created, record(ended(0))), ['start', 'die0']);
  assert.deepEqual(names(record(ended(0)), record({}, { ...gated, uid: 'u2' })), []);
  assert.deepEqual(names(record({}, { uid: 'u2' }), record(running, { uid: 'u2' })), ['start']);
  assert.deepEqual(names(record(running), record(running)), []);
  const restarted = container({ running: { startedAt: '2026-01-01T00:59:50Z' } }, { restartCount: 1, lastState: { terminated: { exitCode: 2 } } }); // prettier-ignore
  assert.deepEqual(names(record(ended(2, 'Running')), record({ phase: 'Running', ...restarted })), ['start']);
  assert.deepEqual(actionsOf({ type: 'removed', record: record(running) }, now).map(({ action }) => action), ['die', 'destroy']); // prettier-ignore
});

test('startFailure() finds what keeps a container from starting, with the exit code of docker run', () => {
  const waiting = (reason: string, message: string) =>
    record({ phase: 'Pending', ...container({ waiting: { reason, message } }) });
  const unplaced = (message: string, spec: Partial<core.PodSpec> = {}) =>
    record(
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] },
      { spec },
    );
  assert.equal(startFailure(waiting('ContainerCreating', '')), undefined);
  assert.equal(
    startFailure(waiting('RunContainerError', 'exec: "x": executable file not found in $PATH'))?.exitCode,
    127,
  );
  assert.equal(startFailure(waiting('RunContainerError', 'exec /x: permission denied'))?.exitCode, 126);
  assert.equal(startFailure(waiting('ErrImagePull', 'no such host'))?.message, 'no such host');
  const ports = { containers: [{ name: 'main', image: 'demo', ports: [{ containerPort: 80, hostPort: 8080 }] }] };
  assert.match(startFailure(unplaced("1 node(s) didn't have free ports", ports))?.message ?? '', /^Bind for 0\.0\.0\.0:8080 failed: port is already allocated: /); // prettier-ignore
  assert.match(
    startFailure(unplaced('Insufficient cpu'))?.message ?? '',
    /^no resources available to schedule container: /,
  );
});

test('recordsOf() names the containers of other pods so that none shares a name', () => {
  const pod = (namespace: string, ...containers: string[]): Pod => ({
    metadata: { name: 'p', namespace, uid: namespace },
    spec: { containers: containers.map((name) => ({ name, image: 'x' })) },
  });
  const names = (of: Pod) => recordsOf(of, 'default').map(({ name }) => name);
  assert.deepEqual(names(pod('default', 'a')), ['p']);
  assert.deepEqual(names(pod('default', 'a', 'b')), ['p_a', 'p_b']);
  assert.deepEqual(names(pod('kube-system', 'a')), ['p_a_kube-system']);
  assert.match(recordsOf(pod('default', 'a'), 'default')[0]?.id ?? '', /^[0-9a-f]{64}$/);
});
