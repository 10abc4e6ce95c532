import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CgroupTree, controlFiles, podLimitsOf } from './cgroup.ts';
import { podOf, spec } from './testing/pod-facts.ts';

const resources = (requests: Record<string, string>, limits: Record<string, string>) => ({
  resources: { requests, limits },
});

test('A pod is limited by the sum of its containers, or by the one init container that wants more', () => {
  const pod = podOf({
    initContainers: [
      spec('big', resources({ cpu: '2' }, { cpu: '4', memory: '10Mi' })),
      spec('side', { restartPolicy: 'Always', ...resources({ cpu: '100m' }, { cpu: '1', memory: '10Mi' }) }),
    ],
    containers: [spec('a', resources({ cpu: '500m' }, { cpu: '1', memory: '20Mi' }))],
  });
  assert.deepEqual(podLimitsOf(pod), {
    cpuMilliRequest: 2000,
    cpuMilliLimit: 4000,
    memoryBytesLimit: 30 * 1024 ** 2,
    pidsMax: 4096,
  });
});

test('One container without a limit leaves the pod without one', () => {
  const pod = podOf({ containers: [spec('a', resources({}, { cpu: '1', memory: '1Mi' })), spec('b')] });
  assert.deepEqual(podLimitsOf(pod), { cpuMilliRequest: 1000, pidsMax: 4096 });
});

test('Both versions of control groups get the same limits in their own words', () => {
  const limits = { cpuMilliRequest: 1000, cpuMilliLimit: 1500, memoryBytesLimit: 4096, pidsMax: 10 };
  const words = (version: 1 | 2) => controlFiles(version, limits).map(({ file, value }) => `${file}=${value}`);
  assert.deepEqual(words(1), [
    'cpu.shares=1024',
    'cpu.cfs_period_us=100000',
    'cpu.cfs_quota_us=150000',
    'memory.limit_in_bytes=4096',
    'pids.max=10',
  ]);
  assert.deepEqual(words(2), ['cpu.weight=39', 'cpu.max=150000 100000', 'memory.max=4096', 'pids.max=10']);
});

test('Groups are arranged by quality of service', () => {
  const tree = new CgroupTree({ version: 1, controllers: new Map() }, '/root');
  assert.equal(tree.pathOf(podOf({})), '/root/besteffort/podu');
  const burstable = podOf({ containers: [spec('a', { resources: { requests: { cpu: '1' } } })] });
  assert.equal(tree.pathOf(burstable), '/root/burstable/podu');
  const guaranteed = podOf({ containers: [spec('a', { resources: { limits: { cpu: '1', memory: '1Gi' } } })] });
  assert.equal(tree.pathOf(guaranteed), '/root/podu');
});
