import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, PodSpec } from '#api/core/types.generated.ts';
import { describeAmount, nominalRequests, podRequests } from './requests.ts';

const container = (cpu: string, memory?: string, more: Partial<Container> = {}): Container => ({
  name: 'c',
  resources: { requests: { cpu, ...(memory === undefined ? {} : { memory }) } },
  ...more,
});
const pod = (spec: PodSpec) => ({ spec });
const mebi = 2 ** 20;

test('podRequests() takes the peak of the init sequence or the sum of all that runs, whichever is larger', () => {
  const cases: [PodSpec, Record<string, number>][] = [
    [{ containers: [container('100m'), container('1.5')] }, { cpu: 1600 }],
    [
      { initContainers: [container('2'), container('1')], containers: [container('500m', '64Mi')] },
      { cpu: 2000, memory: 64 * mebi },
    ],
    // A sidecar runs beside the containers, and beside the init containers after it.
    [
      {
        initContainers: [container('300m', undefined, { restartPolicy: 'Always' }), container('1')],
        containers: [container('500m')],
      },
      { cpu: 1300 },
    ],
    // An init container before the sidecar does not run beside it.
    [
      {
        initContainers: [container('1'), container('300m', undefined, { restartPolicy: 'Always' })],
        containers: [container('500m')],
      },
      { cpu: 1000 },
    ],
    [
      { containers: [container('1')], overhead: { cpu: '250m', memory: '10Mi' } },
      { cpu: 1250, memory: 10 * mebi },
    ],
    [
      { containers: [container('1', '1Gi')], resources: { requests: { cpu: '2', 'example.com/gpu': '1' } } },
      { cpu: 2000, memory: 1024 * mebi },
    ],
  ];
  for (const [spec, expected] of cases) assert.deepEqual(Object.fromEntries(podRequests(pod(spec))), expected);
});

test('a container that is being resized counts with the larger of what it asks and what it has', () => {
  const status = {
    containerStatuses: [
      {
        name: 'c',
        image: '',
        imageID: '',
        ready: true,
        restartCount: 0,
        allocatedResources: { cpu: '2' },
        resources: { requests: { cpu: '2' } },
      },
    ],
  };
  assert.equal(podRequests({ spec: { containers: [container('1')] }, status }).get('cpu'), 2000);
});

test('a container that its node can never resize counts with what it has, in filtering and in scoring', () => {
  const started = { name: 'c', image: '', imageID: '', ready: true, restartCount: 0 };
  const has = { ...started, allocatedResources: { cpu: '1' }, resources: { requests: { cpu: '1' } } };
  const waits = (reason: string) => ({
    spec: { containers: [container('8', '1Mi')] },
    status: { containerStatuses: [has], conditions: [{ type: 'PodResizePending', status: 'True', reason }] },
  });
  assert.equal(podRequests(waits('Infeasible')).get('cpu'), 1000);
  assert.equal(nominalRequests(waits('Infeasible')).cpuMilli, 1000);
  assert.equal(podRequests(waits('Deferred')).get('cpu'), 8000);
  assert.equal(nominalRequests(waits('Deferred')).cpuMilli, 8000);
});

test('containers without requests count nominally when nodes are scored', () => {
  const spec = { containers: [{ name: 'a' }, container('1')] };
  assert.deepEqual(nominalRequests(pod(spec)), { cpuMilli: 1100, memoryBytes: 400 * mebi });
});

test('amounts are described in the units that people use', () => {
  assert.equal(describeAmount('cpu', 1500), '1500m');
  assert.equal(describeAmount('memory', 300 * mebi), '300Mi');
  assert.equal(describeAmount('example.com/gpu', 2), '2');
});
