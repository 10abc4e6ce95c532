import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planPod } from './plan-pod.ts';
import { podStatus } from './pod-status.ts';
import { statusChanges } from './status-writer.ts';
import { ended, factsOf, instance, now, podOf, sandbox, spec } from '../testing/pod-facts.ts';
import type { PodFacts } from './pod-facts.ts';

const statusOf = (facts: PodFacts) => podStatus(facts, planPod(facts));
const condition = (facts: PodFacts, type: string) => {
  const found = statusOf(facts).conditions?.find((candidate) => candidate.type === type);
  return `${found?.status}${found?.reason === undefined ? '' : ` ${found.reason}`}${found?.message === undefined ? '' : `: ${found.message}`}`;
};

test('A pod that waits for its sandbox is Pending with containers being created', () => {
  const facts = factsOf(podOf({}), [], { sandboxes: [], volumes: 'none' });
  const status = statusOf(facts);
  assert.equal(status.phase, 'Pending');
  assert.equal(status.startTime, '2026-01-01T00:00:00Z');
  assert.deepEqual(status.containerStatuses?.[0]?.state, { waiting: { reason: 'ContainerCreating' } });
  assert.equal(condition(facts, 'PodReadyToStartContainers'), 'False');
  assert.equal(condition(facts, 'Ready'), 'False ContainersNotReady: containers with unready status: [a]');
});

test('A running pod shows addresses, readiness and what its containers are', () => {
  const facts = factsOf(podOf({}), [instance('a')]);
  const status = statusOf(facts);
  assert.equal(status.phase, 'Running');
  assert.deepEqual([status.podIP, status.hostIP], ['10.0.0.5', '192.0.2.1']);
  assert.equal(condition(facts, 'Ready'), 'True');
  assert.deepEqual(status.containerStatuses?.[0]?.state, { running: { startedAt: '2025-12-31T23:59:10Z' } });
  assert.equal(status.containerStatuses?.[0]?.containerID, 'containerd://a0');
});

test('Main containers of a pod with init containers wait in PodInitializing', () => {
  const facts = factsOf(podOf({ initContainers: [spec('i')] }), [instance('i')]);
  const status = statusOf(facts);
  assert.equal(status.phase, 'Pending');
  assert.equal(status.containerStatuses?.[0]?.state?.waiting?.reason, 'PodInitializing');
  assert.equal(
    condition(facts, 'Initialized'),
    'False ContainersNotInitialized: containers with incomplete status: [i]',
  );
});

test('A setback is shown as the reason of the wait', () => {
  const setbacks = new Map([['start/a', { reason: 'ErrImagePull', message: 'no such image', retryAt: now + 1 }]]);
  const { containerStatuses } = statusOf(factsOf(podOf({}), [], { setbacks }));
  assert.deepEqual(containerStatuses?.[0]?.state, { waiting: { reason: 'ErrImagePull', message: 'no such image' } });
});

test('The end of a pod is told only once nothing of it runs', () => {
  const pod = podOf({ restartPolicy: 'Never', initContainers: [spec('s', { restartPolicy: 'Always' })] });
  assert.equal(statusOf(factsOf(pod, [ended('a', 1), instance('s')])).phase, 'Running');
  const facts = factsOf(pod, [ended('a', 1), ended('s', 0)]);
  assert.equal(statusOf(facts).phase, 'Failed');
  assert.equal(condition(facts, 'Ready'), 'False PodFailed');
  const { exitCode, reason } = statusOf(facts).containerStatuses?.[0]?.state?.terminated ?? {};
  assert.deepEqual({ exitCode, reason }, { exitCode: 1, reason: 'Error' });
});

test('A container in back-off is waiting, and its last state tells how it ended', () => {
  const backoffs = new Map([['a', { delayMs: 80_000, since: now - 2000 }]]);
  const [status] = statusOf(factsOf(podOf({}), [ended('a', 2, { attempt: 5 })], { backoffs })).containerStatuses ?? [];
  assert.equal(status?.state?.waiting?.message, 'back-off 1m20s restarting failed container=a pod=p_ns(u)');
  assert.equal(status?.lastState?.terminated?.exitCode, 2);
  assert.equal(status?.restartCount, 5);
});

test('Readiness gates hold Ready back, but not ContainersReady', () => {
  const pod = podOf({ readinessGates: [{ conditionType: 'example.com/up' }] });
  const facts = factsOf(pod, [instance('a')]);
  assert.match(condition(facts, 'Ready'), /^False ReadinessGatesNotReady: .*"example.com\/up" does not exist/);
  assert.equal(condition(facts, 'ContainersReady'), 'True');
});

test('Conditions of others are kept, and a transition time changes only with its status', () => {
  const conditions = [
    { type: 'DisruptionTarget', status: 'True' },
    { type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' },
    { type: 'ContainersReady', status: 'False', lastTransitionTime: '2020-01-01T00:00:00Z' },
  ];
  const found = statusOf(factsOf(podOf({}, { status: { phase: 'Running', conditions } }), [instance('a')])).conditions;
  const timeOf = (type: string) => found?.find((candidate) => candidate.type === type)?.lastTransitionTime;
  assert.ok(found?.some(({ type }) => type === 'DisruptionTarget'));
  assert.equal(timeOf('Ready'), '2020-01-01T00:00:00Z');
  assert.equal(timeOf('ContainersReady'), '2026-01-01T00:00:00Z');
});

test("A lost container counts as killed, and a dead pod's address stays known", () => {
  const pod = podOf(
    { restartPolicy: 'Never' },
    { status: { phase: 'Running', podIP: '10.0.0.9', podIPs: [{ ip: '10.0.0.9' }] } },
  );
  const status = statusOf(
    factsOf(pod, [instance('a', { state: 'unknown' })], { sandboxes: [sandbox({ ready: false, ips: [] })] }),
  );
  assert.equal(status.phase, 'Failed');
  assert.equal(status.podIP, '10.0.0.9');
  assert.equal(status.containerStatuses?.[0]?.state?.terminated?.reason, 'ContainerStatusUnknown');
});

test('A status is stable: publishing what was published changes nothing', () => {
  const pod = podOf({ initContainers: [spec('i')] });
  const containers = [instance('a'), ended('i', 0)];
  const first = statusOf(factsOf(pod, containers));
  const again = statusOf(factsOf({ ...pod, status: first }, containers, { now: now + 5000 }));
  assert.equal(statusChanges(first, again), undefined);
});

test('statusChanges() names only whole fields that differ, and removes what is gone', () => {
  assert.deepEqual(statusChanges({ phase: 'Pending', reason: 'x', podIP: '1' }, { phase: 'Running', podIP: '1' }), {
    phase: 'Running',
    reason: null,
  });
});
