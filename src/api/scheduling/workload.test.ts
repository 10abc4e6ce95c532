import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeProtobuf, openEnvelope, readMessage } from '#machinery/protobuf.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { Pod } from '../core/pod.ts';
import { check } from '../rules/testing/check.ts';
import { created, samples } from '../rules/samples.ts';
import { Workload } from './workload.ts';

const workers = { name: 'workers', policy: { gang: { minCount: 4 } } };
const sample = {
  metadata: { name: 'training', namespace: 'default' },
  spec: { controllerRef: { apiGroup: 'batch', kind: 'Job', name: 'training' }, podGroups: [workers] },
};
const groups = (...podGroups: readonly object[]) => ({ spec: { podGroups } });
const at = 'spec.podGroups[0]';

check('bad groups of a workload are named', Workload, sample, [
  [groups(), 'spec.podGroups Required'],
  [groups(...Array.from({ length: 9 }, (_, index) => ({ ...workers, name: `g${index}` }))), 'spec.podGroups TooMany'],
  [groups(workers, workers), 'spec.podGroups[1].name Duplicate'],
  [groups({ ...workers, name: 'Workers' }), `${at}.name Invalid`],
  [groups({ name: 'workers', policy: {} }), `${at}.policy Required`],
  [groups({ name: 'workers', policy: { basic: {}, gang: { minCount: 1 } } }), `${at}.policy Invalid`],
  [groups({ name: 'workers', policy: { gang: { minCount: 0 } } }), `${at}.policy.gang.minCount Invalid`],
  [groups({ name: 'workers', policy: { basic: {} } })],
  [{ spec: { controllerRef: { kind: '' } } }, 'spec.controllerRef.kind Required'],
  [{ spec: { controllerRef: { name: 'a/b' } } }, 'spec.controllerRef.name Invalid'],
]);

check('a bad reference of a pod to a workload is named', Pod, samples.pod, [
  [{ spec: { workloadRef: { name: 'training', podGroup: 'workers' } } }],
  [{ spec: { workloadRef: { podGroup: 'workers' } } }, 'spec.workloadRef.name Required'],
  [{ spec: { workloadRef: { name: 'training', podGroup: 'a.b' } } }, 'spec.workloadRef.podGroup Invalid'],
  [
    { spec: { workloadRef: { name: 'training', podGroup: 'workers', podGroupReplicaKey: 'A' } } },
    'spec.workloadRef.podGroupReplicaKey Invalid',
  ],
]);

test('the groups of a workload never change, and its controller only once', () => {
  const changing = (before: object, change: object) => {
    const stored = created(Workload, before);
    return (Workload.validateUpdate?.(applyMergePatch(stored, change), stored) ?? []).map(({ field }) => field);
  };
  assert.deepEqual(changing(sample, groups({ ...workers, policy: { gang: { minCount: 5 } } })), ['spec.podGroups']);
  assert.deepEqual(changing(sample, { spec: { controllerRef: { name: 'other' } } }), ['spec.controllerRef']);
  const { podGroups } = sample.spec;
  const free = { ...sample, spec: { podGroups } };
  assert.deepEqual(changing(free, { spec: { controllerRef: sample.spec.controllerRef } }), []);
});

test('an empty policy survives protobuf', () => {
  const basic = created(Workload, { ...sample, ...groups({ name: 'workers', policy: { basic: {} } }) });
  const read = readMessage(Workload.schema, openEnvelope(encodeProtobuf(Workload.schema, basic)));
  assert.deepEqual(read, basic);
});
