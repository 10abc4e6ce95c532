/** What keeps sets of pods: kubernetes pkg/apis/apps/validation, and pkg/registry/apps for what may never change. */
import { ControllerRevision } from '#api/apps/controller-revision.ts';
import { DaemonSet } from '#api/apps/daemon-set.ts';
import { Deployment } from '#api/apps/deployment.ts';
import { ReplicaSet } from '#api/apps/replica-set.ts';
import { StatefulSet } from '#api/apps/stateful-set.ts';
import { ReplicationController } from '#api/core/replication-controller.ts';
import { bad, type RecordTable, type ValidationRecord } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const labels = { app: 'web' };
const selector = { matchLabels: labels };
const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'busybox:1.36' }] } };
const unmatched = '`selector` does not match template `labels`';
const struct = 'upstream quotes a struct of its own, with the names that its fields have in Go';
const rolling = (field: 'strategy' | 'updateStrategy', rollingUpdate: object) =>
  spec({ [field]: { type: 'RollingUpdate', rollingUpdate } });

/** What holds for every kind with a selector and a template for pods that always run; `what` is told in one message. */
const running = (what: string): readonly ValidationRecord[] => [
  bad(
    'ValidateLabelSelector',
    spec({ selector: { matchLabels: { 'z z': 'x' } } }),
    `spec.selector.matchLabels: Invalid value: "z z": ${words.namePart}`,
    ...(what === 'StatefulSet'
      ? ['spec.selector: Invalid value: {"matchLabels":{"app":"web","z z":"x"}}']
      : what === 'DaemonSet'
        ? []
        : ['spec.selector: Invalid value: {"matchLabels":{"app":"web","z z":"x"}}: invalid label selector']),
  ),
  bad(
    'ValidatePodTemplateSpec',
    spec({ template: { metadata: { labels: { app: 'other' } } } }),
    `spec.template.metadata.labels: Invalid value: {"app":"other"}: ${unmatched}`,
  ),
  bad(
    'ValidatePodTemplateSpecForReplicaSet and its like',
    spec({ template: { spec: { restartPolicy: 'Never' } } }),
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ),
  bad(
    'ValidatePodTemplateSpecForReplicaSet and its like',
    spec({ template: { spec: { activeDeadlineSeconds: 3 } } }),
    `spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ${what} is not Supported`,
  ),
  bad(
    'ValidateNonnegativeField',
    spec({ minReadySeconds: -1 }),
    `spec.minReadySeconds: Invalid value: -1: ${words.negative}`,
  ),
];
const replicated: readonly ValidationRecord[] = [
  bad('ValidateNonnegativeField', spec({ replicas: -1 }), `spec.replicas: Invalid value: -1: ${words.negative}`),
];

export const appsRecords: readonly RecordTable[] = [
  {
    kind: Deployment,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { selector, template } },
    records: [
      ...running('ReplicaSet'),
      ...replicated,
      bad(
        'ValidateDeploymentSpec',
        spec({ selector: null }),
        'spec.selector: Required value',
        `spec.template.metadata.labels: Invalid value: {"app":"web"}: ${unmatched}`,
      ),
      bad(
        'ValidateDeploymentSpec',
        spec({ selector: { matchLabels: null } }),
        'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
      ),
      bad(
        'ValidatePodTemplateSpec',
        spec({ template: null }),
        `spec.template.metadata.labels: Invalid value: null: ${unmatched}`,
        'spec.template.spec.containers: Required value',
      ),
      bad('validateContainers', spec({ template: { spec: null } }), 'spec.template.spec.containers: Required value'),
      bad(
        'validateContainerCommon',
        spec({ template: { spec: { containers: [{ name: 'Main' }] } } }),
        `spec.template.spec.containers[0].name: Invalid value: "Main": ${words.dnsLabel}`,
        'spec.template.spec.containers[0].image: Required value',
      ),
      bad(
        'ValidatePodTemplateSpec',
        spec({ template: { metadata: { labels: { tier: '-' } } } }),
        `spec.template.labels: Invalid value: "-": ${words.labelValue}`,
      ),
      bad(
        'ValidatePodTemplateSpec',
        spec({ template: { metadata: { annotations: { 'a b': '' } } } }),
        `spec.template.annotations: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'ValidatePodTemplateSpec',
        spec({ template: { spec: { ephemeralContainers: [{ name: 'debug', image: 'busybox:1.36' }] } } }),
        'spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template',
      ),
      {
        source: 'ValidateDeploymentStrategy',
        change: spec({ strategy: { type: 'Any' } }),
        causes: [
          'spec.strategy: Unsupported value: {"Type":"Any","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
        ],
        deviation: {
          why: struct,
          causes: ['spec.strategy: Unsupported value: {"type":"Any"}: supported values: "Recreate", "RollingUpdate"'],
        },
      },
      bad(
        'ValidateDeploymentStrategy',
        spec({ strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }),
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
      ),
      bad(
        'ValidateRollingUpdateDeployment',
        rolling('strategy', { maxSurge: 0, maxUnavailable: 0 }),
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
      ),
      bad(
        'ValidatePositiveIntOrPercent',
        rolling('strategy', { maxSurge: 'some' }),
        `spec.strategy.rollingUpdate.maxSurge: Invalid value: "some": ${words.percent}`,
      ),
      bad(
        'ValidatePositiveIntOrPercent',
        rolling('strategy', { maxUnavailable: -1 }),
        `spec.strategy.rollingUpdate.maxUnavailable: Invalid value: -1: ${words.negative}`,
      ),
      bad(
        'IsNotMoreThan100Percent',
        rolling('strategy', { maxUnavailable: '101%' }),
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
      ),
      bad(
        'ValidateDeploymentSpec',
        spec({ progressDeadlineSeconds: 10, minReadySeconds: 10 }),
        'spec.progressDeadlineSeconds: Invalid value: 10: must be greater than minReadySeconds',
      ),
      bad(
        'ValidateDeploymentSpec',
        spec({ revisionHistoryLimit: -1 }),
        `spec.revisionHistoryLimit: Invalid value: -1: ${words.negative}`,
      ),
    ],
  },
  {
    kind: Deployment,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: { selector, template } },
    records: [
      bad(
        'deploymentStrategy.ValidateUpdate',
        spec({ selector: { matchLabels: { app: 'new' } }, template: { metadata: { labels: { app: 'new' } } } }),
        'spec.selector: Invalid value: {"matchLabels":{"app":"new"}}: field is immutable',
      ),
    ],
  },
  {
    kind: Deployment,
    operation: 'update',
    subresource: 'status',
    object: { metadata: { name: 'counted' }, spec: { selector, template } },
    records: [
      bad(
        'ValidateDeploymentStatus',
        { status: { replicas: 1, readyReplicas: 2, availableReplicas: 1 } },
        'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
      ),
      bad(
        'ValidateDeploymentStatus',
        { status: { replicas: 2, readyReplicas: 1, availableReplicas: 2 } },
        'status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas',
      ),
      bad(
        'ValidateDeploymentStatus',
        { status: { replicas: -1 } },
        `status.replicas: Invalid value: -1: ${words.negative}`,
        'status.updatedReplicas: Invalid value: 0: cannot be greater than status.replicas',
        'status.readyReplicas: Invalid value: 0: cannot be greater than status.replicas',
        'status.availableReplicas: Invalid value: 0: cannot be greater than status.replicas',
      ),
    ],
  },
  {
    kind: ReplicaSet,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { selector, template } },
    records: [
      ...running('ReplicaSet'),
      ...replicated,
      bad(
        'ValidateReplicaSetSpec',
        spec({ selector: { matchLabels: null } }),
        'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
      ),
    ],
  },
  {
    kind: ReplicaSet,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: { selector, template } },
    records: [
      bad(
        'rsStrategy.ValidateUpdate',
        spec({ selector: { matchLabels: { app: 'new' } }, template: { metadata: { labels: { app: 'new' } } } }),
        'spec.selector: Invalid value: {"matchLabels":{"app":"new"}}: field is immutable',
      ),
    ],
  },
  {
    kind: StatefulSet,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { selector, template, serviceName: 'web' } },
    records: [
      ...running('StatefulSet'),
      ...replicated,
      bad(
        'ValidateStatefulSetName',
        { metadata: { name: 'a.b' } },
        'metadata.name: Invalid value: "a.b": must not contain dots',
      ),
      bad(
        'ValidateStatefulSetSpec',
        spec({ podManagementPolicy: 'Any' }),
        "spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'",
      ),
      {
        source: 'ValidateStatefulSetSpec',
        change: spec({ updateStrategy: { type: 'Any' } }),
        causes: [
          'spec.updateStrategy: Invalid value: {"Type":"Any","RollingUpdate":null}: must be \'RollingUpdate\' or \'OnDelete\'',
        ],
        deviation: {
          why: struct,
          causes: ['spec.updateStrategy: Invalid value: {"type":"Any"}: must be \'RollingUpdate\' or \'OnDelete\''],
        },
      },
      bad(
        'validateRollingUpdateStatefulSet',
        rolling('updateStrategy', { partition: -1 }),
        `spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: ${words.negative}`,
      ),
      bad(
        'ValidatePersistentVolumeClaimRetentionPolicyType',
        spec({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Archive' } }),
        'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Archive": supported values: "Retain", "Delete"',
      ),
      bad(
        'ValidateStatefulSetSpec',
        spec({ ordinals: { start: -1 } }),
        `spec.ordinals.start: Invalid value: -1: ${words.negative}`,
      ),
      bad(
        'ValidateStatefulSetSpec',
        spec({ selector: { matchLabels: null } }),
        'spec.selector: Invalid value: {}: empty selector is invalid for statefulset',
      ),
    ],
  },
  {
    kind: StatefulSet,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: { selector, template, serviceName: 'web' } },
    records: [
      bad(
        'ValidateStatefulSetUpdate',
        spec({ serviceName: 'other' }),
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      ),
    ],
  },
  {
    kind: DaemonSet,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { selector, template } },
    records: [
      ...running('DaemonSet'),
      bad(
        'ValidateDaemonSetSpec',
        spec({ selector: { matchLabels: null } }),
        'spec.selector: Invalid value: {}: empty selector is invalid for daemonset',
      ),
      {
        source: 'ValidateDaemonSetUpdateStrategy',
        change: spec({ updateStrategy: { type: 'Any' } }),
        causes: [
          'spec.updateStrategy: Unsupported value: {"Type":"Any","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"',
        ],
        deviation: {
          why: struct,
          causes: [
            'spec.updateStrategy: Unsupported value: {"type":"Any"}: supported values: "RollingUpdate", "OnDelete"',
          ],
        },
      },
      bad(
        'ValidateRollingUpdateDaemonSet',
        rolling('updateStrategy', { maxUnavailable: 1, maxSurge: 1 }),
        'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero',
      ),
      bad(
        'ValidateRollingUpdateDaemonSet',
        rolling('updateStrategy', { maxUnavailable: 0 }),
        'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
      ),
      bad(
        'ValidateDaemonSetSpec',
        spec({ revisionHistoryLimit: -1 }),
        `spec.revisionHistoryLimit: Invalid value: -1: ${words.negative}`,
      ),
    ],
  },
  {
    kind: DaemonSet,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: { selector, template } },
    records: [
      bad(
        'daemonSetStrategy.ValidateUpdate',
        spec({ selector: { matchLabels: { app: 'new' } }, template: { metadata: { labels: { app: 'new' } } } }),
        'spec.selector: Invalid value: {"matchLabels":{"app":"new"}}: field is immutable',
      ),
    ],
  },
  {
    kind: ControllerRevision,
    operation: 'create',
    object: { metadata: { name: 'web' }, data: { a: 1 }, revision: 1 },
    records: [
      bad('ValidateControllerRevision', { data: null }, 'data: Required value: data is mandatory'),
      bad('ValidateControllerRevision', { revision: -1 }, `revision: Invalid value: -1: ${words.negative}`),
    ],
  },
  {
    kind: ReplicationController,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { selector: labels, template } },
    records: [
      ...replicated,
      bad(
        'ValidateNonEmptySelector',
        spec({ selector: null, template: { metadata: { labels: null } } }),
        'spec.selector: Required value',
      ),
      bad(
        'ValidatePodTemplateSpecForRC',
        spec({ template: { metadata: { labels: { app: 'other' } } } }),
        `spec.template.metadata.labels: Invalid value: {"app":"other"}: ${unmatched}`,
      ),
      bad('ValidatePodTemplateSpecForRC', spec({ template: null }), 'spec.template: Required value'),
      bad(
        'ValidatePodTemplateSpecForRC',
        spec({ template: { spec: { activeDeadlineSeconds: 3 } } }),
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
      ),
    ],
  },
];
