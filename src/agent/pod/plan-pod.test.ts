import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ObservedContainer } from './observed.ts';
import { planPod, stepKey, type Step } from './plan-pod.ts';
import { ended, factsOf, instance, now, podOf, sandbox, spec } from '../testing/pod-facts.ts';

const start = (name: string, attempt = 0, role: 'main' | 'init' | 'sidecar' | 'ephemeral' = 'main'): Step => ({
  do: 'start',
  name,
  role,
  attempt,
  sandboxId: 's0',
});
const stop = (name: string, graceSeconds: number, message = `Stopping container ${name}`): Step => ({
  do: 'stop',
  id: `${name}0`,
  name,
  graceSeconds,
  message,
});
const deleted = { metadata: { deletionTimestamp: 'x', deletionGracePeriodSeconds: 30 } };

test('A new pod gets its volumes and its sandbox side by side', () => {
  const plan = planPod(factsOf(podOf({}), [], { sandboxes: [], volumes: 'none' }));
  assert.deepEqual(plan.steps, [{ do: 'mount' }, { do: 'create-sandbox', attempt: 0 }]);
});

test('Containers wait for volumes and sandbox, then start together', () => {
  const pod = podOf({ containers: [spec('a'), spec('b')] });
  assert.deepEqual(planPod(factsOf(pod, [], { volumes: 'none' })).steps, [{ do: 'mount' }]);
  assert.deepEqual(planPod(factsOf(pod)).steps, [start('a'), start('b')]);
});

test('A step under way is not planned again, and a failed one waits for its time', () => {
  const pod = podOf({});
  assert.deepEqual(planPod(factsOf(pod, [], { busy: new Set(['start/a']) })).steps, []);
  const setbacks = new Map([['start/a', { reason: 'ErrImagePull', message: '', retryAt: now + 500 }]]);
  assert.deepEqual(planPod(factsOf(pod, [], { setbacks })), { steps: [], wakeAt: now + 500 });
});

test('Init containers run one after the other before the main ones; one that failed runs again', () => {
  const pod = podOf({ initContainers: [spec('i'), spec('j')] });
  assert.deepEqual(planPod(factsOf(pod)).steps, [start('i', 0, 'init')]);
  assert.deepEqual(planPod(factsOf(pod, [instance('i')])).steps, []);
  assert.deepEqual(planPod(factsOf(pod, [ended('i', 0)])).steps, [start('j', 0, 'init')]);
  assert.deepEqual(planPod(factsOf(pod, [ended('i', 1)])).steps, [start('i', 1, 'init')]);
  assert.deepEqual(planPod(factsOf(pod, [ended('j', 0), ended('i', 0)])).steps, [start('a')]);
});

test('An init container that fails for good fails the pod', () => {
  const pod = podOf({ initContainers: [spec('i')], restartPolicy: 'Never' });
  assert.equal(planPod(factsOf(pod, [ended('i', 1)])).outcome, 'Failed');
});

test('A sidecar holds the next containers back until it is started, and is kept up beside them', () => {
  const pod = podOf({ initContainers: [spec('s', { restartPolicy: 'Always' })] });
  assert.deepEqual(planPod(factsOf(pod, [instance('s')], { started: new Set() })).steps, []);
  assert.deepEqual(planPod(factsOf(pod, [instance('s')])).steps, [start('a')]);
  assert.deepEqual(planPod(factsOf(pod, [instance('a'), ended('s', 0)])).steps, [start('s', 1, 'sidecar')]);
});

test('A restart waits for its back-off, and the plan says until when', () => {
  const backoffs = new Map([['a', { delayMs: 20_000, since: now - 30_000 }]]);
  const plan = planPod(factsOf(podOf({}), [ended('a', 1)], { backoffs }));
  assert.deepEqual(plan, { steps: [], wakeAt: now - 1000 + 20_000 });
  assert.deepEqual(planPod(factsOf(podOf({}), [ended('a', 1)])).steps, [start('a', 1)]);
});

test('Restart policies decide between a restart and the end of the pod', () => {
  const cases: [policy: string, exitCode: number, outcome: string | undefined][] = [
    ['Always', 0, undefined],
    ['Always', 1, undefined],
    ['OnFailure', 0, 'Succeeded'],
    ['OnFailure', 1, undefined],
    ['Never', 0, 'Succeeded'],
    ['Never', 1, 'Failed'],
  ];
  for (const [restartPolicy, exitCode, outcome] of cases) {
    const plan = planPod(factsOf(podOf({ restartPolicy }), [ended('a', exitCode)]));
    assert.equal(plan.outcome, outcome, `${restartPolicy} ${exitCode}`);
    if (outcome === undefined) assert.deepEqual(plan.steps, [start('a', 1)]);
  }
});

test("A container's own restart rules come before the pod's policy", () => {
  const rules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }];
  const pod = podOf({
    restartPolicy: 'Never',
    containers: [spec('a', { restartPolicy: 'Never', restartPolicyRules: rules })],
  });
  assert.deepEqual(planPod(factsOf(pod, [ended('a', 42)])).steps, [start('a', 1)]);
  assert.equal(planPod(factsOf(pod, [ended('a', 1)])).outcome, 'Failed');
});

test('A sandbox that died takes its containers with it: a new one, and everything from the start', () => {
  const pod = podOf({ initContainers: [spec('i')] });
  const dead = sandbox({ ready: false });
  const old = [ended('a', 137), ended('i', 0)];
  assert.deepEqual(planPod(factsOf(pod, old, { sandboxes: [dead] })).steps, [{ do: 'create-sandbox', attempt: 1 }]);
  const fresh = sandbox({ id: 's1', attempt: 1 });
  const plan = planPod(factsOf(pod, old, { sandboxes: [fresh, dead] }));
  assert.deepEqual(plan.steps, [{ ...start('i', 1, 'init'), sandboxId: 's1' }]);
});

test('A finished pod gets no new sandbox', () => {
  const plan = planPod(
    factsOf(podOf({ restartPolicy: 'Never' }), [ended('a', 0)], { sandboxes: [sandbox({ ready: false })] }),
  );
  assert.deepEqual(plan, { steps: [{ do: 'unmount' }], outcome: 'Succeeded' });
});

test('A changed image and a failed liveness probe stop the container, with the right grace', () => {
  const pod = podOf({ terminationGracePeriodSeconds: 7 });
  assert.deepEqual(planPod(factsOf(pod, [instance('a', { hash: 'old' })])).steps, [
    stop('a', 7, 'Container a definition changed, will be restarted'),
  ]);
  const unhealthy = new Map([['a0', { message: 'sick', graceSeconds: 3 }]]);
  assert.deepEqual(planPod(factsOf(pod, [instance('a')], { unhealthy })).steps, [stop('a', 3, 'sick')]);
});

test('A deleted pod ends step by step: main containers, sidecars from the last, sandbox, volumes, object', () => {
  const sidecars = ['s', 't'].map((name) => spec(name, { restartPolicy: 'Always' }));
  const pod = podOf({ initContainers: sidecars, containers: [spec('a'), spec('b')] }, deleted);
  const ending = { endingSince: now - 5000 };
  const all = ['a', 'b', 's', 't'].map((name) => instance(name));
  assert.deepEqual(planPod(factsOf(pod, all, ending)).steps, [stop('a', 25), stop('b', 25)]);
  assert.deepEqual(planPod(factsOf(pod, all.slice(1), ending)).steps, [stop('b', 25)]);
  assert.deepEqual(planPod(factsOf(pod, all.slice(2), ending)).steps, [stop('t', 25)]);
  assert.deepEqual(planPod(factsOf(pod, all.slice(2, 3), ending)).steps, [stop('s', 25)]);
  assert.deepEqual(planPod(factsOf(pod, [], ending)).steps, [{ do: 'stop-sandbox', id: 's0' }]);
  const down = { ...ending, sandboxes: [sandbox({ ready: false })] };
  assert.deepEqual(planPod(factsOf(pod, [], down)).steps, [{ do: 'unmount' }]);
  assert.deepEqual(planPod(factsOf(pod, [], { ...down, volumes: 'none' })).steps, [{ do: 'release' }]);
  assert.deepEqual(planPod(factsOf(pod, [], { ...down, volumes: 'none', isReleased: true })).steps, []);
  assert.deepEqual(planPod(factsOf(pod, [], { ...down, volumes: 'none', isGone: true })).steps, [{ do: 'forget' }]);
});

test('A shorter grace overtakes a stop under way; a longer one does not', () => {
  const running = [instance('a')];
  const stopDeadlines = new Map([['a0', now + 20_000]]);
  const facts = (seconds: number) =>
    factsOf(podOf({}, { metadata: { deletionTimestamp: 'x', deletionGracePeriodSeconds: seconds } }), running, {
      stopDeadlines,
      busy: new Set(['stop/a0/later']),
      endingSince: now,
    });
  assert.deepEqual(planPod(facts(1)).steps, [stop('a', 1)]);
  assert.deepEqual(planPod(facts(30)).steps, []);
});

test('A pod past its deadline gets a verdict and ends', () => {
  const pod = podOf(
    { activeDeadlineSeconds: 10 },
    { status: { phase: 'Running', startTime: new Date(now - 10_000).toISOString() } },
  );
  const plan = planPod(factsOf(pod, [instance('a')]));
  assert.equal(plan.verdict?.reason, 'DeadlineExceeded');
  assert.deepEqual(plan.steps, [stop('a', 30)]);
  const early = podOf(
    { activeDeadlineSeconds: 11 },
    { status: { phase: 'Running', startTime: new Date(now - 10_000).toISOString() } },
  );
  assert.deepEqual(planPod(factsOf(early, [instance('a')])), { steps: [], wakeAt: now + 1000 });
});

test('A container that was created but never started is removed and made anew', () => {
  assert.deepEqual(planPod(factsOf(podOf({}), [instance('a', { state: 'created' })])).steps, [
    { do: 'remove-container', id: 'a0' },
  ]);
});

test('One ended instance is kept beside the current one; older ones and empty old sandboxes go', () => {
  const containers = [instance('a', { attempt: 3 }), ended('a', 1, { attempt: 2 }), ended('a', 1, { attempt: 1 })];
  const sandboxes = [sandbox({ id: 's0', attempt: 1 }), sandbox({ id: 'old', ready: false })];
  assert.deepEqual(planPod(factsOf(podOf({}), containers, { sandboxes })).steps, [
    { do: 'remove-container', id: 'a1' },
    { do: 'remove-sandbox', id: 'old' },
  ]);
});

test('Ephemeral containers start once, even before init is done, and never again', () => {
  const pod = podOf({ initContainers: [spec('i')], ephemeralContainers: [{ name: 'e', image: 'i' }] });
  assert.deepEqual(planPod(factsOf(pod, [instance('i')])).steps, [start('e', 0, 'ephemeral')]);
  assert.deepEqual(planPod(factsOf(pod, [ended('e', 1), instance('i')])).steps, []);
});

test('The restart count goes on where the API left it when the runtime lost its records', () => {
  const status = { name: 'a', image: 'i', imageID: '', ready: false, restartCount: 4, containerID: 'containerd://x' };
  const pod = podOf({}, { status: { phase: 'Running', containerStatuses: [status] } });
  assert.deepEqual(planPod(factsOf(pod)).steps, [start('a', 5)]);
});

test('Whatever the state, a plan never repeats a step, nor starts what runs or a pod that ends', () => {
  const state = fc.constantFrom<ObservedContainer['state']>('created', 'running', 'exited', 'unknown');
  const observed = fc.record({
    state,
    exitCode: fc.constantFrom(0, 1),
    attempt: fc.nat(3),
    hash: fc.constantFrom('h', 'x'),
  });
  const names = ['i', 's', 'a', 'b'] as const;
  fc.assert(
    fc.property(
      fc.tuple(...names.map(() => fc.option(observed, { nil: undefined }))),
      fc.constantFrom('Always', 'OnFailure', 'Never'),
      fc.boolean(),
      fc.boolean(),
      fc.subarray(['start/i', 'start/a', 'mount', 'create-sandbox']),
      (states, restartPolicy, ready, ends, busy) => {
        const containers = states.flatMap((found, index) =>
          found === undefined ? [] : [instance(names[index] ?? '', { ...found, finishedAt: now - 1 })],
        );
        const pod = podOf(
          {
            restartPolicy,
            initContainers: [spec('i'), spec('s', { restartPolicy: 'Always' })],
            containers: [spec('a'), spec('b')],
          },
          ends ? deleted : {},
        );
        const facts = factsOf(pod, containers, { sandboxes: [sandbox({ ready })], busy: new Set(busy) });
        const { steps } = planPod(facts);
        assert.deepEqual(planPod(facts).steps, steps);
        const keys = steps.map(stepKey);
        assert.equal(new Set(keys).size, keys.length);
        for (const step of steps) {
          assert.ok(!busy.includes(stepKey(step)));
          if (step.do !== 'start') continue;
          assert.ok(!ends && ready);
          const latest = containers.find(({ name }) => name === step.name);
          assert.ok(latest === undefined || latest.state === 'exited' || latest.state === 'unknown');
          assert.ok(latest === undefined || step.attempt > latest.attempt);
        }
      },
    ),
    { numRuns: 300 },
  );
});
