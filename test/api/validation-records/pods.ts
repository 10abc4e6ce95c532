/** Pods but for their containers: kubernetes pkg/apis/core/validation (ValidatePodSpec, ValidatePodUpdate and around). */
import { Pod } from '#api/core/pod.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const container = { name: 'main', image: 'busybox:1.36' };
const spec = (change: object) => ({ spec: change });
const volume = (source: object) => spec({ volumes: [{ name: 'data', ...source }] });
const projected = (...sources: readonly object[]) => volume({ projected: { sources } });
const security = (securityContext: object) => spec({ securityContext });
const hard = 'requiredDuringSchedulingIgnoredDuringExecution';
const soft = 'preferredDuringSchedulingIgnoredDuringExecution';
const nodeTerm = (requirement: object) =>
  spec({ affinity: { nodeAffinity: { [hard]: { nodeSelectorTerms: [{ matchExpressions: [requirement] }] } } } });
const nodeField = (requirement: object) =>
  spec({ affinity: { nodeAffinity: { [hard]: { nodeSelectorTerms: [{ matchFields: [requirement] }] } } } });
const podTerm = (term: object) => spec({ affinity: { podAffinity: { [hard]: [{ topologyKey: 'zone', ...term }] } } });
const toleration = (change: object) => spec({ tolerations: [change] });
const constraint = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} };
const spread = (change: object, ...others: readonly object[]) =>
  spec({ topologySpreadConstraints: [{ ...constraint, ...change }, ...others] });
const inTerm = `spec.affinity.nodeAffinity.${hard}.nodeSelectorTerms[0]`;
const inPodTerm = `spec.affinity.podAffinity.${hard}[0]`;
const inSpread = 'spec.topologySpreadConstraints[0]';
const effects = 'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"';

export const podRecords: RecordTable = {
  kind: Pod,
  operation: 'create',
  object: { metadata: { name: 'web' }, spec: { containers: [container] } },
  records: [
    // Volumes
    bad('ValidateVolumes', spec({ volumes: [{ emptyDir: {} }] }), 'spec.volumes[0].name: Required value'),
    bad(
      'ValidateVolumes',
      spec({ volumes: [{ name: 'Data', emptyDir: {} }] }),
      `spec.volumes[0].name: Invalid value: "Data": ${words.dnsLabel}`,
    ),
    bad(
      'ValidateVolumes',
      spec({
        volumes: [
          { name: 'data', emptyDir: {} },
          { name: 'data', emptyDir: {} },
        ],
      }),
      'spec.volumes[1].name: Duplicate value: "data"',
    ),
    bad(
      'validateVolumeSource',
      volume({ secret: { secretName: 's' }, emptyDir: {} }),
      'spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type',
    ),
    bad(
      'validateVolumeSource',
      volume({ emptyDir: { sizeLimit: '-1' } }),
      'spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity',
    ),
    bad('validateHostPathVolumeSource', volume({ hostPath: {} }), 'spec.volumes[0].hostPath.path: Required value'),
    bad(
      'validateHostPathVolumeSource',
      volume({ hostPath: { path: '/a/../b' } }),
      `spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain '..'`,
    ),
    bad(
      'validateHostPathType',
      volume({ hostPath: { path: '/a', type: 'Pipe' } }),
      'spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    ),
    bad('validateSecretVolumeSource', volume({ secret: {} }), 'spec.volumes[0].secret.secretName: Required value'),
    bad(
      'validateSecretVolumeSource',
      volume({ secret: { secretName: 's', defaultMode: 512 } }),
      `spec.volumes[0].secret.defaultMode: Invalid value: 512: ${words.mode}`,
    ),
    bad('validateConfigMapVolumeSource', volume({ configMap: {} }), 'spec.volumes[0].configMap.name: Required value'),
    bad(
      'validateKeyToPath',
      volume({ configMap: { name: 'c', items: [{}] } }),
      'spec.volumes[0].configMap.items[0].key: Required value',
      'spec.volumes[0].configMap.items[0].path: Required value',
    ),
    bad(
      'validateKeyToPath',
      volume({ configMap: { name: 'c', items: [{ key: 'k', path: '/p', mode: -1 }] } }),
      'spec.volumes[0].configMap.items[0].path: Invalid value: "/p": must be a relative path',
      `spec.volumes[0].configMap.items[0].mode: Invalid value: -1: ${words.mode}`,
    ),
    bad(
      'ValidateLocalNonReservedPath',
      volume({ secret: { secretName: 's', items: [{ key: 'k', path: '..p' }] } }),
      `spec.volumes[0].secret.items[0].path: Invalid value: "..p": must not start with '..'`,
    ),
    bad(
      'validateDownwardAPIVolumeFile',
      volume({ downwardAPI: { items: [{ path: 'a' }] } }),
      'spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required',
    ),
    bad(
      'validateDownwardAPIVolumeFile',
      volume({ downwardAPI: { items: [{ fieldRef: { fieldPath: 'metadata.name' } }] } }),
      'spec.volumes[0].downwardAPI.path: Required value',
    ),
    bad(
      'validateObjectFieldSelector',
      volume({ downwardAPI: { items: [{ path: 'a', fieldRef: { fieldPath: 'status.podIP' } }] } }),
      'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
    ),
    bad(
      'validateContainerResourceFieldSelector',
      volume({ downwardAPI: { items: [{ path: 'a', resourceFieldRef: { resource: 'limits.cpu' } }] } }),
      'spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value',
    ),
    bad(
      'validateProjectionSources',
      projected(
        { secret: { name: 'a', items: [{ key: 'k', path: 'p' }] } },
        { configMap: { name: 'b', items: [{ key: 'k', path: 'p' }] } },
      ),
      'spec.volumes[0].projected: Invalid value: "b": conflicting duplicate paths',
    ),
    bad(
      'validateProjectionSources',
      projected({ secret: { name: 'a' }, configMap: { name: 'b' } }),
      'spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source',
    ),
    bad(
      'validateProjectionSources',
      projected({ serviceAccountToken: { path: 't', expirationSeconds: 599 } }),
      'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    ),
    bad(
      'validateProjectionSources',
      projected({ serviceAccountToken: {} }),
      'spec.volumes[0].projected.path: Required value',
    ),
    bad(
      'validatePersistentClaimVolumeSource',
      volume({ persistentVolumeClaim: {} }),
      'spec.volumes[0].persistentVolumeClaim.claimName: Required value',
    ),
    bad(
      'validateNFSVolumeSource',
      volume({ nfs: { server: 'n', path: 'a' } }),
      'spec.volumes[0].nfs.path: Invalid value: "a": must be an absolute path',
    ),
    bad(
      'ValidateCSIDriverName',
      volume({ csi: { driver: '-a' } }),
      `spec.volumes[0].csi.driver: Invalid value: "-a": ${words.dnsSubdomain}`,
    ),
    bad(
      'validateEphemeralVolumeSource',
      volume({ ephemeral: {} }),
      'spec.volumes[0].ephemeral.volumeClaimTemplate: Required value',
    ),
    bad(
      'ValidateVolumes',
      spec({
        volumes: [{ name: 'data', secret: {} }],
        containers: [{ ...container, volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      }),
      'spec.volumes[0].secret.secretName: Required value',
      'spec.containers[0].volumeMounts[0].name: Not found: "data"',
    ),
    // Plain fields
    bad(
      'validateRestartPolicy',
      spec({ restartPolicy: 'Sometimes' }),
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ),
    bad(
      'validateDNSPolicy',
      spec({ dnsPolicy: 'Any' }),
      'spec.dnsPolicy: Unsupported value: "Any": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    ),
    bad(
      'validatePodDNSConfig',
      spec({ dnsPolicy: 'None' }),
      'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
    ),
    bad(
      'validatePodDNSConfig',
      spec({ dnsPolicy: 'None', dnsConfig: { searches: ['a'] } }),
      'spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None',
    ),
    bad(
      'validatePodDNSConfig',
      spec({ dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'] } }),
      'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]: must not have more than 3 nameservers',
    ),
    bad(
      'IsValidIPForLegacyField',
      spec({ dnsConfig: { nameservers: ['dns'] } }),
      `spec.dnsConfig.nameservers[0]: Invalid value: "dns": ${words.ip}`,
    ),
    bad(
      'validatePodDNSConfig',
      spec({ dnsConfig: { searches: ['a b'] } }),
      `spec.dnsConfig.searches[0]: Invalid value: "a b": ${words.dnsSubdomainUnderscored}`,
    ),
    bad(
      'validatePodDNSConfig',
      spec({ dnsConfig: { options: [{ value: '1' }] } }),
      'spec.dnsConfig.options[0]: Required value: must not be empty',
    ),
    bad(
      'ValidateLabels',
      spec({ nodeSelector: { a: '-' } }),
      `spec.nodeSelector: Invalid value: "-": ${words.labelValue}`,
    ),
    bad('ValidatePodSpec', spec({ hostname: 'a.b' }), 'spec.hostname: Invalid value: "a.b": must not contain dots'),
    bad('ValidatePodSpec', spec({ subdomain: 'A' }), `spec.subdomain: Invalid value: "A": ${words.dnsLabel}`),
    bad(
      'validatePodHostName',
      spec({ hostnameOverride: 'a', hostNetwork: true }),
      'spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true',
    ),
    bad(
      'validatePodHostName',
      spec({ hostnameOverride: 'a', setHostnameAsFQDN: true }),
      'spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true',
    ),
    bad(
      'ValidatePodSpec',
      spec({ activeDeadlineSeconds: 0 }),
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ),
    bad('ValidateNodeName', spec({ nodeName: 'N' }), `spec.nodeName: Invalid value: "N": ${words.dnsSubdomain}`),
    bad(
      'ValidateHostAliases',
      spec({ hostAliases: [{ ip: 'x', hostnames: ['a', 'B'] }] }),
      `spec.hostAliases[0].ip: Invalid value: "x": ${words.ip}`,
      `spec.hostAliases[0].hostnames[1]: Invalid value: "B": ${words.dnsSubdomain}`,
    ),
    bad(
      'validateReadinessGates',
      spec({ readinessGates: [{ conditionType: 'a b' }] }),
      `spec.readinessGates[0].conditionType: Invalid value: "a b": ${words.namePart}`,
    ),
    bad(
      'validateOS',
      spec({ os: { name: 'plan9' } }),
      'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"',
    ),
    bad('validateOS', spec({ os: {} }), 'spec.os.name: Required value'),
    bad(
      'ValidatePodCreate',
      spec({ ephemeralContainers: [{ name: 'debug', image: 'busybox:1.36' }] }),
      'spec.ephemeralContainers: Forbidden: cannot be set on create',
    ),
    // Gates
    bad(
      'validateSchedulingGates',
      spec({ schedulingGates: [{ name: 'a b' }] }),
      `spec.schedulingGates[0]: Invalid value: "a b": ${words.namePart}`,
    ),
    bad(
      'validateSchedulingGates',
      spec({ schedulingGates: [{ name: 'a' }, { name: 'a' }] }),
      'spec.schedulingGates[1]: Duplicate value: "a"',
    ),
    bad(
      'ValidatePodCreate',
      spec({ schedulingGates: [{ name: 'a' }], nodeName: 'n1' }),
      'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
    ),
    // Security of the whole pod
    bad(
      'validatePodSpecSecurityContext',
      security({ fsGroup: -1 }),
      `spec.securityContext.fsGroup: Invalid value: -1: ${words.id}`,
    ),
    bad(
      'validatePodSpecSecurityContext',
      security({ supplementalGroups: [1, -1] }),
      `spec.securityContext.supplementalGroups[1]: Invalid value: -1: ${words.id}`,
    ),
    bad(
      'validateFSGroupChangePolicy',
      security({ fsGroupChangePolicy: 'Never' }),
      'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"',
    ),
    bad(
      'validateSupplementalGroupsPolicy',
      security({ supplementalGroupsPolicy: 'Loose' }),
      'spec.securityContext.supplementalGroupsPolicy: Unsupported value: "Loose": supported values: "Merge", "Strict"',
    ),
    bad(
      'validateSysctls',
      security({ sysctls: [{ name: 'A b', value: '1' }] }),
      'spec.securityContext.sysctls[0].name: Invalid value: "A b": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$',
    ),
    bad(
      'validateSysctls',
      security({
        sysctls: [
          { name: 'a.b', value: '1' },
          { name: 'a.b', value: '2' },
        ],
      }),
      'spec.securityContext.sysctls[1].name: Duplicate value: "a.b"',
    ),
    bad(
      'ValidateHostSysctl',
      spec({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] } }),
      `spec.securityContext.sysctls[0].name: Invalid value: "net.ipv4.tcp_syncookies": may not be specified when 'hostNetwork' is true`,
    ),
    bad(
      'validatePodSpecSecurityContext',
      spec({ hostPID: true, shareProcessNamespace: true }),
      'spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled',
    ),
    bad(
      'validateHostUsers',
      spec({ hostUsers: false, hostNetwork: true, hostPID: true }),
      'spec.hostNetwork: Forbidden: when `hostUsers` is false',
      'spec.HostPID: Forbidden: when `hostUsers` is false',
    ),
    bad(
      'validateSeccompProfileType',
      security({ seccompProfile: {} }),
      'spec.securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set',
    ),
    // Resources of the whole pod
    bad(
      'validatePodResourceName',
      spec({ resources: { limits: { 'ephemeral-storage': '1Gi' } } }),
      'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory"',
    ),
    bad(
      'validatePodResourceConsistency',
      spec({
        resources: { requests: { cpu: '1' } },
        containers: [{ ...container, resources: { requests: { cpu: '2' } } }],
      }),
      'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
    ),
    bad(
      'validatePodResourceClaim',
      spec({
        resourceClaims: [
          { name: 'a', resourceClaimName: 'x' },
          { name: 'a', resourceClaimName: 'y' },
        ],
      }),
      'spec.resourceClaims[1].name: Duplicate value: "a"',
    ),
    // Tolerations
    bad(
      'ValidateTolerations',
      toleration({ value: 'a' }),
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ),
    bad(
      'ValidateTolerations',
      toleration({ key: 'a b', operator: 'Exists' }),
      `spec.tolerations[0].key: Invalid value: "a b": ${words.namePart}`,
    ),
    bad(
      'ValidateTolerations',
      toleration({ key: 'a', operator: 'Exists', value: 'b' }),
      `spec.tolerations[0].operator: Invalid value: "b": value must be empty when \`operator\` is 'Exists'`,
    ),
    bad(
      'ValidateTolerations',
      toleration({ key: 'a', operator: 'In' }),
      'spec.tolerations[0].operator: Unsupported value: "In": supported values: "Equal", "Exists"',
    ),
    bad(
      'ValidateTolerations',
      toleration({ key: 'a', operator: 'Exists', tolerationSeconds: 3 }),
      `spec.tolerations[0].effect: Invalid value: "": effect must be 'NoExecute' when \`tolerationSeconds\` is set`,
    ),
    bad(
      'validateTaintEffect',
      toleration({ key: 'a', operator: 'Exists', effect: 'Never' }),
      `spec.tolerations[0].effect: Unsupported value: "Never": ${effects}`,
    ),
    bad(
      'ValidateTolerations',
      toleration({ key: 'a', value: '-' }),
      `spec.tolerations[0].operator: Invalid value: "-": ${words.labelValue}`,
    ),
    // Affinity
    bad(
      'ValidateNodeSelector',
      spec({ affinity: { nodeAffinity: { [hard]: {} } } }),
      `spec.affinity.nodeAffinity.${hard}.nodeSelectorTerms: Required value: must have at least one node selector term`,
    ),
    bad(
      'ValidateNodeSelectorRequirement',
      nodeTerm({ key: 'a', operator: 'In' }),
      `${inTerm}.matchExpressions[0].values: Required value: ${words.valuesNeeded}`,
    ),
    bad(
      'ValidateNodeSelectorRequirement',
      nodeTerm({ key: 'a', operator: 'Exists', values: ['b'] }),
      `${inTerm}.matchExpressions[0].values: Forbidden: ${words.valuesForbidden}`,
    ),
    bad(
      'ValidateNodeSelectorRequirement',
      nodeTerm({ key: 'a', operator: 'Gt', values: [] }),
      `${inTerm}.matchExpressions[0].values: Required value: must be specified single value when \`operator\` is 'Lt' or 'Gt'`,
    ),
    bad(
      'ValidateNodeSelectorRequirement',
      nodeTerm({ key: 'a b', operator: 'Is' }),
      `${inTerm}.matchExpressions[0].operator: Invalid value: "Is": ${words.notAnOperator}`,
      `${inTerm}.matchExpressions[0].key: Invalid value: "a b": ${words.namePart}`,
    ),
    bad(
      'ValidateNodeFieldSelectorRequirement',
      nodeField({ key: 'metadata.name', operator: 'In', values: ['a', 'b'] }),
      `${inTerm}.matchFields[0].values: Required value: must be only one value when \`operator\` is 'In' or 'NotIn' for node field selector`,
    ),
    bad(
      'ValidateNodeFieldSelectorRequirement',
      nodeField({ key: 'metadata.uid', operator: 'In', values: ['a'] }),
      `${inTerm}.matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key`,
    ),
    bad(
      'ValidatePreferredSchedulingTerms',
      spec({ affinity: { nodeAffinity: { [soft]: [{ weight: 101, preference: {} }] } } }),
      `spec.affinity.nodeAffinity.${soft}[0].weight: Invalid value: 101: must be in the range 1-100`,
    ),
    bad(
      'validatePodAffinityTerm',
      podTerm({ topologyKey: null }),
      `${inPodTerm}.topologyKey: Required value: can not be empty`,
      `${inPodTerm}.topologyKey: Invalid value: "": name part must be non-empty`,
      `${inPodTerm}.topologyKey: Invalid value: "": ${words.namePart}`,
    ),
    bad(
      'validatePodAffinityTerm',
      podTerm({ namespaces: ['A'] }),
      `${inPodTerm}.namespace: Invalid value: "A": ${words.dnsLabel}`,
    ),
    bad(
      'ValidateLabelSelector',
      podTerm({ labelSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } }),
      `${inPodTerm}.labelSelector.matchExpressions[0].operator: Invalid value: "Near": ${words.notAnOperator}`,
    ),
    bad(
      'validateLabelKeys',
      podTerm({ matchLabelKeys: ['a'] }),
      `${inPodTerm}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set`,
    ),
    bad(
      'validateWeightedPodAffinityTerms',
      spec({ affinity: { podAntiAffinity: { [soft]: [{ weight: 0, podAffinityTerm: { topologyKey: 'zone' } }] } } }),
      `spec.affinity.podAntiAffinity.${soft}[0].weight: Invalid value: 0: must be in the range 1-100`,
    ),
    // Spreading
    bad(
      'validateTopologySpreadConstraints',
      spread({ maxSkew: 0 }),
      `${inSpread}.maxSkew: Invalid value: 0: ${words.notPositive}`,
    ),
    bad(
      'ValidateTopologyKey',
      spread({ topologyKey: null }),
      `${inSpread}.topologyKey: Required value: can not be empty`,
    ),
    bad(
      'ValidateWhenUnsatisfiable',
      spread({ whenUnsatisfiable: 'Wait' }),
      `${inSpread}.whenUnsatisfiable: Unsupported value: "Wait": supported values: "DoNotSchedule", "ScheduleAnyway"`,
    ),
    bad(
      'ValidateSpreadConstraintNotRepeat',
      spread({}, constraint),
      `${inSpread}.{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"`,
    ),
    bad(
      'validateMinDomains',
      spread({ minDomains: 2, whenUnsatisfiable: 'ScheduleAnyway' }),
      `${inSpread}.minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway`,
    ),
    bad(
      'validateMinDomains',
      spread({ minDomains: 0 }),
      `${inSpread}.minDomains: Invalid value: 0: ${words.notPositive}`,
    ),
    bad(
      'validateNodeInclusionPolicy',
      spread({ nodeTaintsPolicy: 'Skip' }),
      `${inSpread}.nodeTaintsPolicy: Unsupported value: "Skip": supported values: "Honor", "Ignore"`,
    ),
    bad(
      'validateLabelKeys',
      spread({ labelSelector: null, matchLabelKeys: ['a'] }),
      `${inSpread}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set`,
    ),
  ],
};

const gated = { name: 'gated' };
const stored = {
  metadata: { name: 'stored' },
  spec: {
    automountServiceAccountToken: false,
    activeDeadlineSeconds: 100,
    containers: [container],
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }],
  },
};
const mayChange =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n';
/** Upstream goes on with the difference of its internal structs, in a form that it changes on purpose from run to run. */
const otherwise = 'upstream ends with a difference of Go structs that is told differently from run to run';

export const podUpdateRecords: readonly RecordTable[] = [
  {
    kind: Pod,
    operation: 'update',
    object: stored,
    records: [
      bad(
        'ValidateContainerUpdates',
        spec({ containers: [container, { ...container, name: 'second' }] }),
        'spec.containers: Forbidden: pod updates may not add or remove containers',
      ),
      bad(
        'ValidateContainerUpdates',
        spec({ initContainers: [{ ...container, name: 'first' }] }),
        'spec.initContainers: Forbidden: pod updates may not add or remove containers',
      ),
      bad(
        'ValidateContainerUpdates',
        spec({ containers: [{ ...container, image: '' }] }),
        'spec.containers[0].image: Required value',
      ),
      bad(
        'ValidatePodUpdate',
        spec({ activeDeadlineSeconds: 101 }),
        'spec.activeDeadlineSeconds: Invalid value: 101: must be less than or equal to previous value',
      ),
      bad(
        'ValidatePodUpdate',
        spec({ activeDeadlineSeconds: null }),
        'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value',
      ),
      {
        source: 'ValidatePodUpdate',
        change: spec({ hostname: 'other' }),
        causes: [`spec: Forbidden: ${mayChange}…`],
        deviation: { why: otherwise, causes: [`spec: Forbidden: ${mayChange}  changed: spec.hostname`] },
      },
      {
        source: 'ValidatePodUpdate',
        change: spec({ nodeSelector: { a: 'b' }, priority: 3 }),
        causes: [`spec: Forbidden: ${mayChange}…`],
        deviation: {
          why: otherwise,
          causes: [`spec: Forbidden: ${mayChange}  changed: spec.nodeSelector, spec.priority`],
        },
      },
      bad(
        'validateOnlyDeletedSchedulingGates',
        spec({ schedulingGates: [{ name: 'late' }] }),
        `spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'late'`,
      ),
    ],
  },
  {
    kind: Pod,
    operation: 'update',
    object: {
      metadata: gated,
      spec: {
        containers: [container],
        schedulingGates: [{ name: 'wait' }],
        nodeSelector: { a: 'b' },
        affinity: {
          nodeAffinity: { [hard]: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'c', operator: 'Exists' }] }] } },
        },
      },
    },
    records: [
      bad(
        'validateNodeSelectorMutation',
        spec({ nodeSelector: { a: 'other' } }),
        'spec.nodeSelector: Invalid value: {"a":"other"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ),
    ],
  },
  {
    kind: Pod,
    operation: 'update',
    subresource: 'ephemeralcontainers',
    object: { metadata: { name: 'debugged' }, spec: { containers: [container] } },
    records: [
      bad(
        'validateEphemeralContainers',
        spec({ ephemeralContainers: [{ name: 'main', image: 'busybox:1.36' }] }),
        'spec.ephemeralContainers[0].name: Duplicate value: "main"',
      ),
      bad(
        'validateEphemeralContainers',
        spec({ ephemeralContainers: [{ name: 'debug', image: 'busybox:1.36', targetContainerName: 'none' }] }),
        'spec.ephemeralContainers[0].targetContainerName: Not found: "none"',
      ),
      bad(
        'validateFieldAllowList',
        spec({
          ephemeralContainers: [
            {
              name: 'debug',
              image: 'busybox:1.36',
              ports: [{ containerPort: 80 }],
              resources: { limits: { cpu: '1' } },
              livenessProbe: { tcpSocket: { port: 80 } },
            },
          ],
        }),
        'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
        'spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container',
        'spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container',
      ),
      bad(
        'validateContainerCommon',
        spec({ ephemeralContainers: [{ name: 'debug' }] }),
        'spec.ephemeralContainers[0].image: Required value',
      ),
    ],
  },
];
