import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import type { PodSpec } from '#api/core/types.generated.ts';
import { planPod, type PodPlan } from './pod-plan.ts';

const born = Date.UTC(2026, 0, 1);

function podOf(annotations: Readonly<Record<string, string>> = {}, spec: Partial<PodSpec> = {}): Pod {
  const prefixed = Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [`sim.tutti.dev/${name}`, value]),
  );
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'u1', annotations: prefixed },
    spec: { containers: [{ name: 'main', image: 'web:1' }], nodeName: 'sim-00001', ...spec },
    status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True' }] },
  };
}

const plan = (pod: Pod, afterMs: number): PodPlan =>
  planPod(pod, { now: born + afterMs, since: born, startMs: 500, hostIp: '10.64.0.1', podIp: '10.128.0.1' });

/** The pod as it is after its plan was carried out; fails if there is nothing to report. */
function after(pod: Pod, ms: number): Pod {
  const next = plan(pod, ms);
  assert.equal(next.do, 'report');
  return next.do === 'report' ? { ...pod, status: { ...pod.status, ...next.status } } : pod;
}

const condition = (pod: Pod, type: string) => pod.status?.conditions?.find((each) => each.type === type)?.status;
const container = (pod: Pod) => pod.status?.containerStatuses?.[0];

test('a pod runs and is ready once its start delay is over, and then needs nothing', () => {
  const pod = podOf();
  assert.deepEqual(plan(pod, 100), { do: 'wait', untilMs: born + 500 });
  const running = after(pod, 500);
  assert.equal(running.status?.phase, 'Running');
  assert.equal(condition(running, 'Ready'), 'True');
  assert.equal(running.status?.podIP, '10.128.0.1');
  assert.deepEqual(plan(running, 60_000), { do: 'nothing' });
});

test('a pod that runs for a while ends as its exit code and restart policy say', () => {
  const cases = [
    [{ 'run-seconds': '5' }, 'Never', 'Succeeded'],
    [{ 'run-seconds': '5', 'exit-code': '3' }, 'Never', 'Failed'],
    [{ 'run-seconds': '5' }, 'OnFailure', 'Succeeded'],
  ] as const;
  for (const [annotations, restartPolicy, phase] of cases) {
    const running = after(podOf(annotations, { restartPolicy }), 1000);
    assert.deepEqual(plan(running, 2000), { do: 'wait', untilMs: born + 6000 });
    const ended = after(running, 6000);
    assert.equal(ended.status?.phase, phase);
    assert.deepEqual(plan(ended, 7000), { do: 'nothing' });
  }
});

test('a container that fails is restarted with growing delays', () => {
  let pod = after(podOf({ 'run-seconds': '5', 'exit-code': '1' }, { restartPolicy: 'OnFailure' }), 1000);
  pod = after(pod, 6000);
  assert.equal(container(pod)?.state?.waiting?.reason, 'CrashLoopBackOff');
  assert.equal(condition(pod, 'Ready'), 'False');
  assert.deepEqual(plan(pod, 7000), { do: 'wait', untilMs: born + 16_000 });
  pod = after(pod, 16_000);
  assert.equal(container(pod)?.restartCount, 1);
  assert.equal(condition(pod, 'Ready'), 'True');
  pod = after(pod, 21_000);
  assert.deepEqual(plan(pod, 22_000), { do: 'wait', untilMs: born + 41_000 });
});

test('readiness follows its annotation', () => {
  const running = after(podOf(), 1000);
  const failing = { ...running, metadata: { ...running.metadata, annotations: { 'sim.tutti.dev/ready': 'false' } } };
  assert.equal(condition(after(failing, 2000), 'Ready'), 'False');
});

test('a deleted pod stops within its grace, says how it ended and goes', () => {
  const running = after(podOf({ 'stop-seconds': '3' }), 1000);
  const deletionTimestamp = new Date(born + 10_000 + 30_000).toISOString();
  const deleted = { ...running, metadata: { ...running.metadata, deletionTimestamp, deletionGracePeriodSeconds: 30 } };
  assert.deepEqual(plan(deleted, 10_000), { do: 'wait', untilMs: born + 13_000 });
  const stopped = after(deleted, 13_000);
  assert.equal(stopped.status?.phase, 'Succeeded');
  assert.deepEqual(plan(stopped, 13_000), { do: 'delete' });
});

test('a pod past its active deadline fails', () => {
  const running = after(podOf({}, { activeDeadlineSeconds: 20 }), 1000);
  assert.deepEqual(plan(running, 2000), { do: 'wait', untilMs: born + 21_000 });
  const failed = after(running, 21_000);
  assert.equal(failed.status?.reason, 'DeadlineExceeded');
});

test('a pod that waits for its image stays pending and says so', () => {
  const pod = after(podOf({ waiting: 'ImagePullBackOff' }), 1000);
  assert.equal(pod.status?.phase, 'Pending');
  assert.equal(container(pod)?.state?.waiting?.reason, 'ImagePullBackOff');
  assert.deepEqual(plan(pod, 2000), { do: 'nothing' });
});
