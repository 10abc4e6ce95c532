/** Small kinds of the core group: kubernetes pkg/apis/core/validation. */
import { ConfigMap } from '#api/core/config-map.ts';
import { LimitRange } from '#api/core/limit-range.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Node } from '#api/core/node.ts';
import { ResourceQuota } from '#api/core/resource-quota.ts';
import { Secret } from '#api/core/secret.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const frozen = 'field is immutable when `immutable` is set';
const secret = (type: string, data: object = {}) => ({ type, data });
const encoded = (text: string) => Buffer.from(text).toString('base64');
const taint = (change: object) => spec({ taints: [{ key: 'a', effect: 'NoSchedule', ...change }] });
const hard = (list: object) => spec({ hard: list });
const limit = (item: object) => spec({ limits: [item] });
const selected = (expression: object) => spec({ scopeSelector: { matchExpressions: [expression] } });
const expressions = 'spec.scopeSelector.matchExpressions';

export const coreRecords: readonly RecordTable[] = [
  {
    kind: ConfigMap,
    operation: 'create',
    object: { metadata: { name: 'web' }, data: { a: 'b' } },
    records: [
      bad('IsConfigMapKey', { data: { 'a b': '' } }, `data[a b]: Invalid value: "a b": ${words.configKey}`),
      bad('IsConfigMapKey', { data: { '..': '' } }, `data[..]: Invalid value: "..": must not be '..'`),
      bad(
        'IsConfigMapKey',
        { binaryData: { '..a': '' } },
        `binaryData[..a]: Invalid value: "..a": must not start with '..'`,
      ),
      bad(
        'ValidateConfigMap',
        { binaryData: { a: '' } },
        'data[a]: Invalid value: "a": duplicate of key present in binaryData',
      ),
      bad(
        'ValidateConfigMap',
        { data: { a: 'x'.repeat(1_048_577) } },
        '[]: Too long: may not be more than 1048576 bytes',
      ),
    ],
  },
  {
    kind: ConfigMap,
    operation: 'update',
    object: { metadata: { name: 'frozen' }, data: { a: 'b' }, immutable: true },
    records: [
      bad('ValidateConfigMapUpdate', { immutable: false }, `immutable: Forbidden: ${frozen}`),
      bad('ValidateConfigMapUpdate', { data: { a: 'c' } }, `data: Forbidden: ${frozen}`),
      bad('ValidateConfigMapUpdate', { binaryData: { b: 'YQ==' } }, `binaryData: Forbidden: ${frozen}`),
      bad(
        'ValidateConfigMapUpdate',
        { immutable: null, data: null },
        `immutable: Forbidden: ${frozen}`,
        `data: Forbidden: ${frozen}`,
      ),
    ],
  },
  {
    kind: Secret,
    operation: 'create',
    object: { metadata: { name: 'web' }, data: { a: 'Yg==' } },
    records: [
      bad('IsConfigMapKey', { data: { 'a b': '' } }, `data[a b]: Invalid value: "a b": ${words.configKey}`),
      bad(
        'ValidateSecret',
        { data: { a: Buffer.alloc(1_048_577).toString('base64') } },
        'data: Too long: may not be more than 1048576 bytes',
      ),
      bad(
        'ValidateSecret',
        secret('kubernetes.io/service-account-token'),
        'metadata.annotations[kubernetes.io/service-account.name]: Required value',
      ),
      bad('ValidateSecret', secret('kubernetes.io/dockercfg'), 'data[.dockercfg]: Required value'),
      bad('ValidateSecret', secret('kubernetes.io/dockerconfigjson'), 'data[.dockerconfigjson]: Required value'),
      {
        source: 'ValidateSecret',
        change: secret('kubernetes.io/dockerconfigjson', { '.dockerconfigjson': encoded('x') }),
        causes: [
          'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid character \'x\' looking for beginning of value',
        ],
        deviation: {
          why: "upstream passes on what Go's JSON parser says",
          causes: ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be valid JSON'],
        },
      },
      bad(
        'ValidateSecret',
        secret('kubernetes.io/basic-auth'),
        'data[username]: Required value',
        'data[password]: Required value',
      ),
      bad('ValidateSecret', secret('kubernetes.io/ssh-auth'), 'data[ssh-privatekey]: Required value'),
      bad('ValidateSecret', secret('kubernetes.io/tls', { 'tls.crt': 'YQ==' }), 'data[tls.key]: Required value'),
    ],
  },
  {
    kind: Secret,
    operation: 'update',
    object: { metadata: { name: 'frozen' }, data: { a: 'Yg==' }, immutable: true },
    records: [
      bad(
        'ValidateSecretUpdate',
        { type: 'example.com/other' },
        'type: Invalid value: "example.com/other": field is immutable',
      ),
      bad('ValidateSecretUpdate', { immutable: null }, `immutable: Forbidden: ${frozen}`),
      bad('ValidateSecretUpdate', { data: { b: 'Yg==' } }, `data: Forbidden: ${frozen}`),
    ],
  },
  {
    kind: Namespace,
    operation: 'create',
    object: { metadata: { name: 'team' } },
    records: [
      bad(
        'validateKubeFinalizerName',
        spec({ finalizers: ['mine'] }),
        'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
      ),
    ],
  },
  {
    kind: Namespace,
    operation: 'update',
    subresource: 'status',
    object: { metadata: { name: 'there' } },
    records: [
      bad(
        'ValidateNamespaceStatusUpdate',
        { status: { phase: 'Terminating' } },
        'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
      ),
    ],
  },
  {
    kind: Node,
    operation: 'create',
    object: { metadata: { name: 'n1' } },
    records: [
      bad(
        'validateNodeTaints',
        taint({ key: 'a b' }),
        `metadata.taints[0].key: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'validateNodeTaints',
        taint({ value: '-' }),
        `metadata.taints[0].value: Invalid value: "-": ${words.labelValue}`,
      ),
      bad('validateTaintEffect', taint({ effect: '' }), 'metadata.taints[0].effect: Required value'),
      bad(
        'validateTaintEffect',
        taint({ effect: 'Never' }),
        'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      ),
      {
        source: 'validateNodeTaints',
        change: spec({
          taints: [
            { key: 'a', effect: 'NoSchedule' },
            { key: 'a', effect: 'NoSchedule' },
          ],
        }),
        causes: [
          'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
        ],
        deviation: {
          why: 'upstream quotes a struct of its own, with the names that its fields have in Go',
          causes: [
            'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}: taints must be unique by key and effect pair',
          ],
        },
      },
      bad(
        'ValidateNode',
        spec({ podCIDR: '10.0.0.0', podCIDRs: ['10.0.0.0'] }),
        `spec.podCIDRs[0]: Invalid value: "10.0.0.0": ${words.cidr}`,
      ),
      bad(
        'ValidateNode',
        spec({ podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24', '10.2.0.0/24'] }),
        'spec.podCIDRs: Invalid value: ["10.1.0.0/24","10.2.0.0/24"]: may specify no more than one CIDR for each IP family',
      ),
      bad(
        'ValidateNodeResources',
        { status: { capacity: { cpu: '-1' }, allocatable: { cpu: '1' } } },
        `status.capacity.cpu: Invalid value: "-1": ${words.negative}`,
      ),
    ],
  },
  {
    kind: Node,
    operation: 'update',
    object: {
      metadata: { name: 'n2' },
      spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'], providerID: 'here://n2' },
    },
    records: [
      bad(
        'ValidateNodeUpdate',
        spec({ podCIDR: '10.2.0.0/24', podCIDRs: ['10.2.0.0/24'] }),
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
      ),
      bad(
        'ValidateNodeUpdate',
        spec({ providerID: 'there://n2' }),
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
      ),
    ],
  },
  {
    kind: ResourceQuota,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { hard: { pods: '10' } } },
    records: [
      bad(
        'ValidateResourceQuotaResourceName',
        hard({ disk: '1' }),
        'spec.hard[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
        'spec.hard[disk]: Invalid value: "disk": must be a standard resource for quota',
      ),
      bad(
        'ValidateResourceQuotaResourceName',
        hard({ storage: '1' }),
        'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
      ),
      bad(
        'ValidateResourceQuantityValue',
        hard({ cpu: '-1' }),
        `spec.hard[cpu]: Invalid value: "-1": ${words.negative}`,
      ),
      bad(
        'ValidateResourceQuantityValue',
        hard({ pods: '500m' }),
        'spec.hard[pods]: Invalid value: "500m": must be an integer',
      ),
      bad(
        'validateResourceQuotaScopes',
        spec({ scopes: ['Any'] }),
        'spec.scopes: Invalid value: ["Any"]: unsupported scope',
      ),
      bad(
        'validateResourceQuotaScopes',
        spec({ hard: { pods: null, 'requests.cpu': '1' }, scopes: ['BestEffort'] }),
        'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
      ),
      bad(
        'validateResourceQuotaScopes',
        spec({ scopes: ['BestEffort', 'NotBestEffort'] }),
        'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
      ),
      bad(
        'validateScopedResourceSelectorRequirement',
        selected({ scopeName: 'Any', operator: 'Exists' }),
        `${expressions}.scopeName: Invalid value: "Any": unsupported scope`,
      ),
      bad(
        'validateScopedResourceSelectorRequirement',
        selected({ scopeName: 'Terminating', operator: 'DoesNotExist' }),
        `${expressions}.operator: Invalid value: "DoesNotExist": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`,
      ),
      bad(
        'validateScopedResourceSelectorRequirement',
        selected({ scopeName: 'PriorityClass', operator: 'In' }),
        `${expressions}.values: Required value: must be at least one value when \`operator\` is 'In' or 'NotIn' for scope selector`,
      ),
      bad(
        'validateScopedResourceSelectorRequirement',
        selected({ scopeName: 'PriorityClass', operator: 'Exists', values: ['a'] }),
        `${expressions}.values: Invalid value: ["a"]: must be no value when \`operator\` is 'Exist' or 'DoesNotExist' for scope selector`,
      ),
      bad(
        'validateScopedResourceSelectorRequirement',
        selected({ scopeName: 'PriorityClass', operator: 'Is' }),
        `${expressions}.operator: Invalid value: "Is": ${words.notAnOperator}`,
      ),
    ],
  },
  {
    kind: ResourceQuota,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: { hard: { pods: '10' }, scopes: ['BestEffort'] } },
    records: [
      bad(
        'ValidateResourceQuotaUpdate',
        spec({ scopes: ['NotBestEffort'] }),
        'spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable',
      ),
    ],
  },
  {
    kind: LimitRange,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { limits: [{ type: 'Pod', max: { cpu: '1' } }] } },
    records: [
      bad(
        'validateLimitRangeTypeName',
        limit({ type: 'Any' }),
        'spec.limits[0].type: Invalid value: "Any": must be a standard limit type or fully qualified',
      ),
      bad(
        'validateLimitRangeTypeName',
        limit({}),
        'spec.limits[0].type: Invalid value: "": name part must be non-empty',
        `spec.limits[0].type: Invalid value: "": ${words.namePart}`,
      ),
      bad(
        'ValidateLimitRange',
        spec({ limits: [{ type: 'Pod' }, { type: 'Pod' }] }),
        'spec.limits[1].type: Duplicate value: "Pod"',
      ),
      bad(
        'validateLimitRangeResourceName',
        limit({ type: 'Pod', max: { disk: '1' } }),
        'spec.limits[0].max[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
        'spec.limits[0].max[disk]: Invalid value: "disk": must be a standard resource for containers',
      ),
      bad(
        'ValidateLimitRange',
        limit({ type: 'Pod', default: { cpu: '1' }, defaultRequest: { cpu: '1' } }),
        "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        "spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'",
      ),
      bad(
        'ValidateLimitRange',
        limit({ type: 'PersistentVolumeClaim' }),
        'spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
      ),
      bad(
        'ValidateLimitRange',
        limit({ type: 'Pod', min: { cpu: '2' }, max: { cpu: '1' } }),
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
      ),
      bad(
        'ValidateLimitRange',
        limit({ type: 'Container', max: { cpu: '1' }, default: { cpu: '2' } }),
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1',
        'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
      ),
      bad(
        'ValidateLimitRange',
        limit({ type: 'Container', min: { cpu: '2' }, default: { cpu: '3' }, defaultRequest: { cpu: '1' } }),
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
      ),
      bad(
        'ValidateLimitRange',
        limit({ type: 'Pod', maxLimitRequestRatio: { cpu: '500m' } }),
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
      ),
      bad(
        'ValidateLimitRange',
        limit({ type: 'Pod', min: { cpu: '1' }, max: { cpu: '2' }, maxLimitRequestRatio: { cpu: '4' } }),
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "4": ratio 4 is greater than max/min = 2.000000',
      ),
    ],
  },
];
