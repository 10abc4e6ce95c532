import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  assert as assertProperty,
  asyncProperty,
  boolean,
  constantFrom,
  integer,
  nat,
  record,
} from 'fast-check';
import { Job } from '#api/batch/job.ts';
import { Pod } from '#api/core/pod.ts';
import { formatIndexes, parseIndexes } from './job-indexes.ts';
import { jobController } from './job.ts';
import { isTracked } from './job-plan.ts';
import { isActive } from './pod-state.ts';
import { TestCluster } from './testing/test-cluster.ts';

function job(more: Partial<Job['spec']> = {}): Job {
  return {
    metadata: { name: 'work', namespace: 'ns' },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      selector: { matchLabels: { job: 'work' } },
      template: {
        metadata: { labels: { job: 'work' } },
        spec: { restartPolicy: 'Never', containers: [{ name: 'c' }] },
      },
      ...more,
    },
  };
}

async function started(more: Partial<Job['spec']> = {}): Promise<TestCluster> {
  const cluster = new TestCluster();
  await cluster.create(Job, job(more));
  await cluster.run([jobController]);
  return cluster;
}

const live = (cluster: TestCluster) => cluster.pods().filter(isActive);
const statusOf = (cluster: TestCluster) => cluster.get(Job, 'work')?.status;
const conditionsOf = (cluster: TestCluster) =>
  (statusOf(cluster)?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);

async function end(cluster: TestCluster, pod: Pod | undefined, phase: 'Succeeded' | 'Failed'): Promise<void> {
  assert.ok(pod);
  await cluster.setStatus(Pod, pod, { ...pod.status, phase });
  await cluster.settle();
}

test('a job runs its pod, counts it and is complete', async () => {
  await using cluster = await started();
  assert.deepEqual(statusOf(cluster), {
    active: 1,
    ready: 0,
    terminating: 0,
    uncountedTerminatedPods: {},
    startTime: '2026-01-01T00:00:00Z',
  });
  await cluster.setReady(live(cluster)[0] as Pod, true);
  await cluster.settle();
  assert.equal(statusOf(cluster)?.ready, 1);
  await end(cluster, live(cluster)[0], 'Succeeded');
  assert.deepEqual(conditionsOf(cluster), [
    'SuccessCriteriaMet=True CompletionsReached',
    'Complete=True CompletionsReached',
  ]);
  assert.equal(statusOf(cluster)?.succeeded, 1);
  assert.equal(statusOf(cluster)?.active, undefined);
  assert.ok(statusOf(cluster)?.completionTime);
  assert.ok(cluster.pods().every((pod) => !isTracked(pod)));
});

test('parallelism bounds what runs at once, completions what runs in all', async () => {
  await using cluster = await started({ parallelism: 3, completions: 5 });
  assert.equal(live(cluster).length, 3);
  await end(cluster, live(cluster)[0], 'Succeeded');
  await end(cluster, live(cluster)[0], 'Succeeded');
  assert.equal(live(cluster).length, 3);
  await end(cluster, live(cluster)[0], 'Succeeded');
  assert.equal(live(cluster).length, 2);
  await cluster.change(Job, 'work', (each) => ({ ...each, spec: { ...each.spec, parallelism: 1 } }));
  await cluster.settle();
  assert.equal(live(cluster).length, 1);
});

test('failed pods are tried again, later each time, until the limit is passed', async () => {
  await using cluster = await started({ backoffLimit: 2 });
  await end(cluster, live(cluster)[0], 'Failed');
  assert.equal(live(cluster).length, 0);
  await cluster.clock.advance(10_000);
  assert.equal(live(cluster).length, 1);
  await end(cluster, live(cluster)[0], 'Failed');
  await cluster.clock.advance(10_000);
  assert.equal(live(cluster).length, 0);
  await cluster.clock.advance(15_000);
  assert.equal(live(cluster).length, 1);
  await end(cluster, live(cluster)[0], 'Failed');
  assert.deepEqual(conditionsOf(cluster), [
    'FailureTarget=True BackoffLimitExceeded',
    'Failed=True BackoffLimitExceeded',
  ]);
  assert.equal(statusOf(cluster)?.failed, 3);
  assert.equal(cluster.pods().length, 3);
});

test('a job that takes too long fails, and its pods are stopped first', async () => {
  await using cluster = await started({ activeDeadlineSeconds: 100, parallelism: 2, completions: 2 });
  for (const pod of live(cluster)) await cluster.setReady(pod, true);
  await cluster.clock.advance(101_000);
  assert.deepEqual(conditionsOf(cluster), ['FailureTarget=True DeadlineExceeded']);
  cluster.finishDeletions();
  await cluster.settle();
  assert.deepEqual(conditionsOf(cluster), ['FailureTarget=True DeadlineExceeded', 'Failed=True DeadlineExceeded']);
});

test('a suspended job has no pods, and its deleted ones are no failures', async () => {
  await using cluster = await started({ parallelism: 2, completions: 2 });
  const suspend = (value: boolean) =>
    cluster.change(Job, 'work', (each) => ({ ...each, spec: { ...each.spec, suspend: value } }));
  await suspend(true);
  await cluster.settle();
  cluster.finishDeletions();
  await cluster.settle();
  assert.equal(cluster.pods().length, 0);
  assert.deepEqual(conditionsOf(cluster), ['Suspended=True JobSuspended']);
  assert.deepEqual([statusOf(cluster)?.failed, statusOf(cluster)?.startTime], [undefined, undefined]);
  await suspend(false);
  await cluster.settle();
  assert.equal(live(cluster).length, 2);
  assert.deepEqual(conditionsOf(cluster), ['Suspended=False JobResumed']);
});

test('an indexed job does every index once, and again those that failed', async () => {
  await using cluster = await started({ completionMode: 'Indexed', completions: 4, parallelism: 2 });
  const indexes = () =>
    live(cluster).map(({ metadata, spec }) => [
      metadata?.labels?.['batch.kubernetes.io/job-completion-index'],
      spec.hostname,
    ]);
  assert.deepEqual(indexes(), [
    ['0', 'work-0'],
    ['1', 'work-1'],
  ]);
  assert.equal(live(cluster)[0]?.spec.containers[0]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
  await end(cluster, live(cluster)[0], 'Succeeded');
  await end(cluster, live(cluster)[0], 'Failed');
  await cluster.clock.advance(15_000);
  assert.deepEqual(
    new Set(indexes()),
    new Set([
      ['1', 'work-1'],
      ['2', 'work-2'],
    ]),
  );
  for (let left = 3; left > 0; left--) await end(cluster, live(cluster)[0], 'Succeeded');
  assert.deepEqual(
    [statusOf(cluster)?.completedIndexes, statusOf(cluster)?.succeeded, statusOf(cluster)?.failed],
    ['0-3', 4, 1],
  );
  assert.equal(conditionsOf(cluster).at(-1), 'Complete=True CompletionsReached');
});

test('a finished job is deleted when its time to live is over', async () => {
  await using cluster = await started({ ttlSecondsAfterFinished: 60 });
  await end(cluster, live(cluster)[0], 'Succeeded');
  await cluster.clock.advance(50_000);
  assert.equal(cluster.get(Job, 'work')?.metadata?.deletionTimestamp, undefined);
  await cluster.clock.advance(20_000);
  assert.ok(cluster.get(Job, 'work')?.metadata?.deletionTimestamp);
});

test('pods of a job that is gone are let go', async () => {
  await using cluster = await started();
  cluster.client.remove(Job, { namespace: 'ns', name: 'work' });
  await cluster.settle();
  assert.ok(cluster.pods().every((pod) => !isTracked(pod)));
});

test('formatIndexes() and parseIndexes() are each other’s inverse', () => {
  assert.equal(formatIndexes(new Set([7, 0, 1, 3, 4, 5])), '0,1,3-5,7');
  assert.deepEqual(parseIndexes('0-2,9,x', 5), new Set([0, 1, 2]));
});

test('whatever fails and restarts, each completion is counted exactly once', async () => {
  const happening = record({ what: constantFrom('succeed', 'fail', 'vanish', 'restart'), pod: nat(), wait: boolean() });
  await assertProperty(
    asyncProperty(
      record({
        completions: integer({ min: 1, max: 6 }),
        parallelism: integer({ min: 1, max: 4 }),
        indexed: boolean(),
      }),
      array(happening, { maxLength: 25 }),
      async ({ completions, parallelism, indexed }, happenings) => {
        await using cluster = await started({
          completions,
          parallelism,
          backoffLimit: 1000,
          completionMode: indexed ? 'Indexed' : 'NonIndexed',
        });
        let succeeded = 0;
        for (const { what, pod: index, wait } of happenings) {
          const pods = live(cluster);
          assert.ok(pods.length <= parallelism);
          const pod = pods[index % Math.max(1, pods.length)];
          if (what === 'restart') {
            await cluster.kill();
            await cluster.run([jobController]);
          } else if (pod !== undefined && what === 'vanish') {
            const ref = { namespace: 'ns', name: pod.metadata?.name ?? '' };
            await cluster.client.delete(Pod, ref, { signal: cluster.signal });
          } else if (pod !== undefined) {
            await cluster.setStatus(Pod, pod, { phase: what === 'succeed' ? 'Succeeded' : 'Failed' });
            if (what === 'succeed') succeeded++;
          }
          if (wait) await cluster.clock.advance(1000);
        }
        for (let round = 0; round < 20; round++) {
          await cluster.clock.advance(700_000);
          for (const pod of live(cluster)) {
            await cluster.setStatus(Pod, pod, { phase: 'Succeeded' });
            succeeded++;
          }
        }
        assert.equal(statusOf(cluster)?.succeeded, completions);
        assert.equal(succeeded, completions);
        assert.equal(conditionsOf(cluster).at(-1), 'Complete=True CompletionsReached');
        assert.ok(cluster.pods().every((pod) => !isTracked(pod)));
      },
    ),
    { numRuns: 40 },
  );
});
