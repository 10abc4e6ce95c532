import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as core from '#api/core/types.generated.ts';
import { podOf, spec } from '../testing/pod-facts.ts';
import { containerSecurity, namespaceOptions } from './security-context.ts';
import { containerResources, cpuWeight, oomScoreAdjOf } from './linux-resources.ts';

const nobody = { uid: undefined, username: '' };
const secure = (
  own: core.SecurityContext,
  shared: core.PodSecurityContext = {},
  image = nobody as { uid: number | undefined; username: string },
) => {
  const container = spec('a', { securityContext: own });
  return containerSecurity(podOf({ containers: [container], securityContext: shared }), container, image, '/profiles');
};

test("A container's own settings come before its pod's", () => {
  const found = secure({ runAsUser: 5 }, { runAsUser: 7, runAsGroup: 8, fsGroup: 9, supplementalGroups: [10] });
  assert.deepEqual(
    [found.runAsUser, found.runAsGroup, found.supplementalGroups],
    [{ value: 5 }, { value: 8 }, [10, 9]],
  );
});

test('Without a profile the runtime default filters system calls; unknown profiles and paths that lead out are refused', () => {
  assert.deepEqual(secure({}).seccomp, { profileType: 'RuntimeDefault' });
  assert.deepEqual(secure({ privileged: true }).seccomp, { profileType: 'Unconfined' });
  const local = (localhostProfile: string) => secure({ seccompProfile: { type: 'Localhost', localhostProfile } });
  assert.deepEqual(local('a/b.json').seccomp, { profileType: 'Localhost', localhostRef: '/profiles/a/b.json' });
  assert.throws(() => local('../x'), /must be a path below/);
  assert.throws(() => local(''), /must be a path below/);
  assert.throws(() => secure({ seccompProfile: { type: 'Strange' } }), /is not known/);
});

test('runAsNonRoot refuses whoever would be root, and whom it cannot tell', () => {
  const refuse = (own: core.SecurityContext, image?: { uid: number | undefined; username: string }) => () =>
    secure({ runAsNonRoot: true, ...own }, {}, image);
  assert.throws(refuse({}), /image will run as root/);
  assert.throws(refuse({ runAsUser: 0 }), /breaks non-root policy/);
  assert.throws(refuse({}, { uid: undefined, username: 'web' }), /non-numeric user \(web\)/);
  assert.doesNotThrow(refuse({}, { uid: 1000, username: '1000' }));
});

test('User ids beyond what the kernel can tell apart from root are refused', () => {
  for (const runAsUser of [-1, 2 ** 31, 4294967296]) assert.throws(() => secure({ runAsUser }), /is not between/);
});

test('Namespaces are shared with host, pod or target as asked', () => {
  assert.deepEqual(namespaceOptions(podOf({})), { network: 'POD', ipc: 'POD', pid: 'CONTAINER' });
  assert.equal(namespaceOptions(podOf({ shareProcessNamespace: true })).pid, 'POD');
  assert.equal(namespaceOptions(podOf({ hostPID: true })).pid, 'NODE');
  assert.deepEqual(namespaceOptions(podOf({ hostNetwork: true }), 'x'), {
    network: 'NODE',
    ipc: 'POD',
    pid: 'TARGET',
    targetId: 'x',
  });
});

test('Requests and limits become what the kernel enforces', () => {
  const resources = { requests: { cpu: '250m', memory: '64Mi' }, limits: { cpu: '1500m', memory: '128Mi' } };
  const container = spec('a', { resources });
  const pod = podOf({ containers: [container] });
  assert.deepEqual(containerResources(pod, container, 1024 ** 3), {
    cpuPeriod: 100_000,
    cpuShares: 256,
    cpuQuota: 150_000,
    memoryLimitInBytes: 128 * 1024 ** 2,
    oomScoreAdj: 938,
  });
  assert.equal(oomScoreAdjOf(podOf({}), spec('a'), 1024 ** 3), 1000);
  assert.deepEqual([cpuWeight(2), cpuWeight(1024), cpuWeight(262_144)], [1, 39, 10_000]);
});
