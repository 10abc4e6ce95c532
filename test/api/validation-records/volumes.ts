/** PersistentVolumes and their claims: kubernetes pkg/apis/core/validation (ValidatePersistentVolume and its claim's). */
import { PersistentVolume } from '#api/core/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const modes = 'supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"';
const source = (change: object) => spec({ hostPath: null, ...change });
const structDifference = 'upstream ends with a difference of Go structs that is told differently from run to run';
const volume = {
  capacity: { storage: '1Gi' },
  accessModes: ['ReadWriteOnce'],
  hostPath: { path: '/data' },
};
const claim = { accessModes: ['ReadWriteOnce'], storageClassName: '', resources: { requests: { storage: '2Gi' } } };
const requests = (list: object) => spec({ resources: { requests: list } });
const claimKept =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n';

export const volumeRecords: readonly RecordTable[] = [
  {
    kind: PersistentVolume,
    operation: 'create',
    object: { metadata: { name: 'pv' }, spec: volume },
    records: [
      bad('ValidatePersistentVolumeSpec', spec({ accessModes: null }), 'spec.accessModes: Required value'),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ accessModes: ['Any'] }),
        `spec.accessModes: Unsupported value: "Any": ${modes}`,
      ),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ accessModes: ['ReadWriteOnce', 'ReadWriteOncePod'] }),
        'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
      ),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ capacity: null }),
        'spec.capacity: Required value',
        'spec.capacity: Unsupported value: null: supported values: "storage"',
      ),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ capacity: { cpu: '1' } }),
        'spec.capacity: Unsupported value: {"cpu":"1","storage":"1Gi"}: supported values: "storage"',
      ),
      bad(
        'ValidatePositiveQuantityValue',
        spec({ capacity: { storage: '0' } }),
        `spec.capacity[storage]: Invalid value: "0": ${words.notPositive}`,
      ),
      bad(
        'validateBasicResource',
        spec({ capacity: { storage: '-1' } }),
        'spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity',
        `spec.capacity[storage]: Invalid value: "-1": ${words.notPositive}`,
      ),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ persistentVolumeReclaimPolicy: 'Keep' }),
        'spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"',
      ),
      bad('ValidatePersistentVolumeSpec', source({}), 'spec: Required value: must specify a volume type'),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ nfs: { server: 'a', path: '/a' } }),
        'spec.nfs: Forbidden: may not specify more than 1 volume type',
      ),
      bad('validateHostPathVolumeSource', spec({ hostPath: { path: null } }), 'spec.hostPath.path: Required value'),
      bad(
        'validatePathNoBacksteps',
        spec({ hostPath: { path: '/a/..' } }),
        `spec.hostPath.path: Invalid value: "/a/..": must not contain '..'`,
      ),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ hostPath: { path: '/' }, persistentVolumeReclaimPolicy: 'Recycle' }),
        "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
      ),
      bad(
        'ValidatePersistentVolumeSpec',
        source({ local: { path: '/a' } }),
        'spec.nodeAffinity: Required value: Local volume requires node affinity',
      ),
      bad(
        'validateNFSVolumeSource',
        source({ nfs: { server: '', path: 'a' } }),
        'spec.nfs.server: Required value',
        'spec.nfs.path: Invalid value: "a": must be an absolute path',
      ),
      bad(
        'validateCSIPersistentVolumeSource',
        source({ csi: { driver: 'a.example.com', volumeHandle: '' } }),
        'spec.csi.volumeHandle: Required value',
      ),
      bad(
        'ValidateCSIDriverName',
        source({ csi: { driver: 'a b', volumeHandle: 'v' } }),
        `spec.csi.driver: Invalid value: "a b": ${words.dnsSubdomain}`,
      ),
      bad(
        'validatePVSecretReference',
        source({ csi: { driver: 'a.example.com', volumeHandle: 'v', nodePublishSecretRef: {} } }),
        'spec.csi.nodePublishSecretRef.name: Required value',
        'spec.csi.nodePublishSecretRef.namespace: Required value',
      ),
      bad(
        'ValidateClassName',
        spec({ storageClassName: 'A' }),
        `spec.storageClassName: Invalid value: "A": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidatePersistentVolumeSpec',
        spec({ volumeMode: 'Raw' }),
        'spec.volumeMode: Unsupported value: "Raw": supported values: "Block", "Filesystem"',
      ),
      bad(
        'validateVolumeNodeAffinity',
        spec({ nodeAffinity: {} }),
        'spec.nodeAffinity.required: Required value: must specify required node constraints',
      ),
      bad(
        'ValidateNodeSelector',
        spec({ nodeAffinity: { required: {} } }),
        'spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term',
      ),
    ],
  },
  {
    kind: PersistentVolume,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: volume },
    records: [
      bad(
        'ValidatePersistentVolumeUpdate',
        spec({ volumeMode: 'Block' }),
        'volumeMode: Invalid value: "Block": field is immutable',
      ),
      {
        source: 'ValidatePersistentVolumeUpdate',
        change: spec({ hostPath: { path: '/other' } }),
        causes: ['spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n…'],
        deviation: {
          why: structDifference,
          causes: [
            'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n  changed: spec.hostPath',
          ],
        },
      },
    ],
  },
  {
    kind: PersistentVolumeClaim,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: claim },
    records: [
      bad(
        'ValidatePersistentVolumeClaimSpec',
        spec({ accessModes: null }),
        'spec.accessModes: Required value: at least 1 access mode is required',
      ),
      bad(
        'ValidatePersistentVolumeClaimSpec',
        spec({ accessModes: ['Any'] }),
        `spec.accessModes: Unsupported value: "Any": ${modes}`,
      ),
      bad('ValidatePersistentVolumeClaimSpec', requests({ storage: null }), 'spec.resources[storage]: Required value'),
      bad(
        'ValidatePositiveQuantityValue',
        requests({ storage: '0' }),
        `spec.resources[storage]: Invalid value: "0": ${words.notPositive}`,
      ),
      bad(
        'ValidateClassName',
        spec({ storageClassName: 'A' }),
        `spec.storageClassName: Invalid value: "A": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidatePersistentVolumeClaimSpec',
        spec({ volumeMode: 'Raw' }),
        'spec.volumeMode: Unsupported value: "Raw": supported values: "Block", "Filesystem"',
      ),
      bad(
        'ValidateLabelSelector',
        spec({ selector: { matchLabels: { a: '-' } } }),
        `spec.selector.matchLabels: Invalid value: "-": ${words.labelValue}`,
      ),
    ],
  },
  {
    kind: PersistentVolumeClaim,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: claim },
    status: { phase: 'Bound', capacity: { storage: '2Gi' } },
    records: [
      bad(
        'ValidatePersistentVolumeClaimUpdate',
        requests({ storage: '1Gi' }),
        'spec.resources.requests.storage: Forbidden: field can not be less than status.capacity',
      ),
      {
        source: 'ValidatePersistentVolumeClaimUpdate',
        change: spec({ accessModes: ['ReadWriteMany'] }),
        causes: [`spec: Forbidden: ${claimKept}…`],
        deviation: { why: structDifference, causes: [`spec: Forbidden: ${claimKept}  changed: spec.accessModes`] },
      },
    ],
  },
  {
    kind: PersistentVolumeClaim,
    operation: 'update',
    object: { metadata: { name: 'waiting' }, spec: claim },
    records: [
      {
        source: 'ValidatePersistentVolumeClaimUpdate',
        change: requests({ storage: '3Gi' }),
        causes: [`spec: Forbidden: ${claimKept}…`],
        deviation: { why: structDifference, causes: [`spec: Forbidden: ${claimKept}  changed: spec.resources`] },
      },
    ],
  },
];
