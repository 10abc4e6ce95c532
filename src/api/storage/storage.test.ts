import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '#machinery/kind.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { RuntimeClass } from '../node/runtime-class.ts';
import { check } from '../rules/testing/check.ts';
import { created, samples } from '../rules/samples.ts';
import { CSIDriver } from './csi-driver.ts';
import { CSINode } from './csi-node.ts';
import { CSIStorageCapacity } from './csi-storage-capacity.ts';
import { VolumeAttachment } from './volume-attachment.ts';
import { VolumeAttributesClass } from './volume-attributes-class.ts';

const [driver] = samples.storageNode.spec.drivers;
const { storageNode: node, volumeAttachment: attachment, storageCapacity: capacity, runtimeClass } = samples;
const { storageDriver, volumeAttributesClass: attributes } = samples;

check('bad storage drivers are named', CSIDriver, storageDriver, [
  [{ spec: { fsGroupPolicy: 'Never' } }, 'spec.fsGroupPolicy NotSupported'],
  [{ spec: { volumeLifecycleModes: ['Forever'] } }, 'spec.volumeLifecycleModes NotSupported'],
  [{ spec: { nodeAllocatableUpdatePeriodSeconds: 9 } }, 'spec.nodeAllocatableUpdatePeriodSeconds Invalid'],
  [{ spec: { tokenRequests: [{ audience: 'a' }, { audience: 'a' }] } }, 'spec.tokenRequests[1].audience Duplicate'],
  [
    { spec: { tokenRequests: [{ audience: 'a', expirationSeconds: 599 }] } },
    'spec.tokenRequests[0].expirationSeconds Invalid',
  ],
]);
check('bad storage nodes are named', CSINode, node, [
  [{ spec: { drivers: [{ ...driver, name: '' }] } }, 'spec.drivers[0].name Required', 'spec.drivers[0].name Invalid'],
  [{ spec: { drivers: [{ ...driver, nodeID: '' }] } }, 'spec.drivers[0].nodeID Required'],
  [{ spec: { drivers: [{ ...driver, nodeID: 'x'.repeat(257) }] } }, 'spec.drivers[0].nodeID Invalid'],
  [{ spec: { drivers: [{ ...driver, allocatable: { count: -1 } }] } }, 'spec.drivers[0].allocatable.count Invalid'],
  [{ spec: { drivers: [{ ...driver, topologyKeys: ['a', 'a'] }] } }, 'spec.drivers[0] Duplicate'],
  [{ spec: { drivers: [driver, driver] } }, 'spec.drivers[1].name Duplicate'],
]);
check('bad attachments of volumes are named', VolumeAttachment, attachment, [
  [{ spec: { attacher: null } }, 'spec.attacher Required', 'spec.attacher Invalid'],
  [{ spec: { nodeName: null } }, 'spec.nodeName Invalid'],
  [{ spec: { source: null } }, 'spec.source Required'],
  [
    { spec: { source: { persistentVolumeName: '' } } },
    'spec.source.persistentVolumeName Required',
    'spec.source.persistentVolumeName Invalid',
  ],
  [{ spec: { source: { persistentVolumeName: 'A' } } }, 'spec.source.persistentVolumeName Invalid'],
  [{ spec: { source: { inlineVolumeSpec: {} } } }, 'spec.source Forbidden'],
]);
check('bad storage capacities are named', CSIStorageCapacity, capacity, [
  [{ storageClassName: 'A' }, 'storageClassName Invalid'],
  [{ capacity: '-1' }, 'capacity Invalid'],
  [
    { nodeTopology: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
    'nodeTopology.matchExpressions[0].values Required',
  ],
]);
check('bad classes of volume attributes are named', VolumeAttributesClass, attributes, [
  [{ driverName: '' }, 'driverName Required'],
  [{ driverName: 'a b' }, 'driverName Invalid'],
  [{ parameters: null }, 'parameters Required'],
  [{ parameters: { '': 'x' } }, 'parameters Invalid'],
]);
check('bad runtime classes are named', RuntimeClass, runtimeClass, [
  [{ handler: 'Run C' }, 'handler Invalid'],
  [{ overhead: { podFixed: { cpu: '-1' } } }, 'overhead.limits[cpu] Invalid'],
  [{ scheduling: { nodeSelector: { 'a b': 'c' } } }, 'scheduling.nodeSelector Invalid'],
  [{ scheduling: { tolerations: [{ operator: 'Equal' }] } }, 'scheduling.tolerations.tolerations[0].operator Invalid'],
]);

test('what storage objects say once is kept', () => {
  const changing = (kind: Kind, sample: object, change: object) =>
    kind
      .validateUpdate?.(created(kind, applyMergePatch(sample, change)), created(kind, sample))
      .map(({ field, message }) => `${field} ${message}`);
  assert.deepEqual(changing(CSIDriver, storageDriver, { spec: { attachRequired: false } }), [
    'spec.attachedRequired Invalid value: false: field is immutable',
  ]);
  assert.deepEqual(changing(CSINode, node, { spec: { drivers: [{ ...driver, allocatable: { count: 3 } }] } }), []);
  assert.equal(changing(CSINode, node, { spec: { drivers: [{ ...driver, nodeID: 'n2' }] } })?.length, 1);
  assert.equal(changing(VolumeAttachment, attachment, { spec: { nodeName: 'n2' } })?.length, 1);
  assert.deepEqual(changing(CSIStorageCapacity, capacity, { storageClassName: 'slow', capacity: '1Gi' }), [
    'storageClassName Invalid value: "slow": field is immutable',
  ]);
  assert.deepEqual(changing(VolumeAttributesClass, attributes, { parameters: { iops: '5' } }), [
    'parameters Forbidden: updates to parameters are forbidden.',
  ]);
  assert.deepEqual(changing(RuntimeClass, runtimeClass, { handler: 'kata' }), [
    'handler Invalid value: "kata": field is immutable',
  ]);
});
