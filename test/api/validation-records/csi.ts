/** Kinds of storage drivers: kubernetes pkg/apis/storage/validation. */
import { CSIDriver } from '#api/storage/csi-driver.ts';
import { CSINode } from '#api/storage/csi-node.ts';
import { CSIStorageCapacity } from '#api/storage/csi-storage-capacity.ts';
import { VolumeAttachment } from '#api/storage/volume-attachment.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const driver = (change: object) => spec({ drivers: [{ name: 'disk.example.com', nodeID: 'n1', ...change }] });
const token = (...tokenRequests: object[]) => spec({ tokenRequests });
const one = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
const atDriver = 'spec.drivers[0]';
const capacity = { storageClassName: 'fast', nodeTopology: {}, capacity: '1Gi' };

export const csiRecords: readonly RecordTable[] = [
  {
    kind: CSIDriver,
    operation: 'create',
    object: { metadata: { name: 'disk.example.com' }, spec: {} },
    records: [
      bad(
        'validateFSGroupPolicy',
        spec({ fsGroupPolicy: 'Any' }),
        'spec.fsGroupPolicy: Unsupported value: "Any": supported values: "File", "None", "ReadWriteOnceWithFSType"',
      ),
      bad(
        'validateTokenRequests',
        token({ audience: 'a' }, { audience: 'a' }),
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
      ),
      bad(
        'validateTokenRequests',
        token({ audience: 'a', expirationSeconds: 599 }),
        'spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
      ),
      bad(
        'validateTokenRequests',
        token({ audience: 'a', expirationSeconds: 4_294_967_297 }),
        'spec.tokenRequests[0].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds',
      ),
      bad(
        'validateVolumeLifecycleModes',
        spec({ volumeLifecycleModes: ['Shared'] }),
        'spec.volumeLifecycleModes: Unsupported value: "Shared": supported values: "Persistent", "Ephemeral"',
      ),
    ],
  },
  {
    kind: CSIDriver,
    operation: 'update',
    object: { metadata: { name: 'kept.example.com' }, spec: {} },
    records: [
      bad(
        'ValidateCSIDriverUpdate',
        spec({ attachRequired: false }),
        'spec.attachedRequired: Invalid value: false: field is immutable',
      ),
      bad(
        'ValidateCSIDriverUpdate',
        spec({ volumeLifecycleModes: ['Ephemeral'] }),
        'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable',
      ),
    ],
  },
  {
    kind: CSINode,
    operation: 'create',
    object: { metadata: { name: 'n1' }, spec: { drivers: [] } },
    records: [
      bad(
        'ValidateCSIDriverName',
        driver({ name: '' }),
        `${atDriver}.name: Required value`,
        `${atDriver}.name: Invalid value: "": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidateCSIDriverName',
        driver({ name: 'a'.repeat(64) }),
        `${atDriver}.name: Too long: may not be more than 63 bytes`,
      ),
      bad(
        'ValidateCSIDriverName',
        driver({ name: 'My Disk' }),
        `${atDriver}.name: Invalid value: "My Disk": ${words.dnsSubdomain}`,
      ),
      bad('validateCSINodeDriverNodeID', driver({ nodeID: '' }), `${atDriver}.nodeID: Required value`),
      bad(
        'validateCSINodeDriverAllocatable',
        driver({ allocatable: { count: -1 } }),
        `${atDriver}.allocatable.count: Invalid value: -1: ${words.negative}`,
      ),
      bad(
        'validateCSINodeDriver',
        spec({ drivers: ['n1', 'n2'].map((nodeID) => ({ name: 'disk.example.com', nodeID })) }),
        'spec.drivers[1].name: Duplicate value: "disk.example.com"',
      ),
      bad('validateCSINodeDriver', driver({ topologyKeys: ['a', 'a'] }), `${atDriver}: Duplicate value: "a"`),
      bad(
        'validateCSINodeDriver',
        driver({ topologyKeys: ['a b'] }),
        `${atDriver}: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'validateCSINodeDriver',
        driver({ topologyKeys: [''] }),
        `${atDriver}: Required value`,
        `${atDriver}: Invalid value: "": name part must be non-empty`,
        `${atDriver}: Invalid value: "": ${words.namePart}`,
      ),
    ],
  },
  {
    kind: CSIStorageCapacity,
    operation: 'create',
    object: { metadata: { name: 'here' }, ...capacity },
    records: [
      bad(
        'ValidateCSIStorageCapacity',
        { storageClassName: 'Fast' },
        `storageClassName: Invalid value: "Fast": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidateCSIStorageCapacity',
        { nodeTopology: { matchExpressions: [{ key: 'zone', operator: 'In' }] } },
        `nodeTopology.matchExpressions[0].values: Required value: ${words.valuesNeeded}`,
      ),
      bad('ValidateCSIStorageCapacity', { capacity: '-1' }, `capacity: Invalid value: "-1": ${words.negative}`),
    ],
  },
  {
    kind: CSIStorageCapacity,
    operation: 'update',
    object: { metadata: { name: 'kept' }, ...capacity },
    records: [
      bad(
        'ValidateCSIStorageCapacityUpdate',
        { storageClassName: 'slow' },
        'storageClassName: Invalid value: "slow": field is immutable',
      ),
      bad(
        'ValidateCSIStorageCapacityUpdate',
        { nodeTopology: { matchLabels: { zone: 'a' } } },
        'nodeTopology: Invalid value: {"matchLabels":{"zone":"a"}}: field is immutable',
      ),
    ],
  },
  {
    kind: VolumeAttachment,
    operation: 'create',
    object: {
      metadata: { name: 'attached' },
      spec: { attacher: 'disk.example.com', nodeName: 'n1', source: { persistentVolumeName: 'data' } },
    },
    records: [
      bad(
        'validateAttacher',
        spec({ attacher: '' }),
        'spec.attacher: Required value',
        `spec.attacher: Invalid value: "": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidateVolumeAttachmentV1',
        spec({ attacher: 'My Disk' }),
        `spec.attacher: Invalid value: "My Disk": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateVolumeAttachmentSource',
        spec({ source: { persistentVolumeName: null } }),
        `spec.source: Required value: ${one}`,
      ),
      bad(
        'validateVolumeAttachmentSource',
        spec({
          source: {
            inlineVolumeSpec: {
              capacity: { storage: '1Gi' },
              accessModes: ['ReadWriteOnce'],
              csi: { driver: 'disk.example.com', volumeHandle: 'a' },
            },
          },
        }),
        `spec.source: Forbidden: ${one}`,
      ),
      bad(
        'ValidateVolumeAttachmentV1',
        spec({ source: { persistentVolumeName: 'Data' } }),
        `spec.source.persistentVolumeName: Invalid value: "Data": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateVolumeAttachmentSource',
        spec({ source: { persistentVolumeName: '' } }),
        'spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName',
        `spec.source.persistentVolumeName: Invalid value: "": ${words.dnsSubdomain}`,
      ),
      bad('validateNodeName', spec({ nodeName: 'N1' }), `spec.nodeName: Invalid value: "N1": ${words.dnsSubdomain}`),
    ],
  },
];
