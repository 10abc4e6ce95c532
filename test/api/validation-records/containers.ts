/** Containers of pods: kubernetes pkg/apis/core/validation (validateContainers and what it calls). */
import { Pod } from '#api/core/pod.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const container = { name: 'main', image: 'busybox:1.36' };
const at = 'spec.containers[0]';
/** The pod's container with something more. */
const more = (change: object) => ({ spec: { containers: [{ ...container, ...change }] } });
const environment = (variable: object) => more({ env: [variable] });
const from = (valueFrom: object) => environment({ name: 'A', valueFrom });
const port = (change: object) => more({ ports: [{ containerPort: 80, ...change }] });
const probe = (change: object) => more({ livenessProbe: { tcpSocket: { port: 80 }, ...change } });
const security = (securityContext: object) => more({ securityContext });
const mounted = (mount: object, ...others: readonly object[]) => ({
  spec: {
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [{ ...container, volumeMounts: [{ name: 'data', mountPath: '/data', ...mount }, ...others] }],
  },
});
const long = (count: number) => 'a'.repeat(count);
const resourceFields =
  'supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"';
const initContainer = (change: object) => ({
  spec: { initContainers: [{ name: 'first', image: 'busybox:1.36', ...change }] },
});

export const containerRecords: RecordTable = {
  kind: Pod,
  operation: 'create',
  object: { metadata: { name: 'web' }, spec: { containers: [container] } },
  records: [
    bad('validateContainers', { spec: { containers: null } }, 'spec.containers: Required value'),
    bad('validateContainers', { spec: { containers: [] } }, 'spec.containers: Required value'),
    bad('validateContainerCommon', more({ name: null }), `${at}.name: Required value`),
    bad('validateContainerCommon', more({ name: 'Main' }), `${at}.name: Invalid value: "Main": ${words.dnsLabel}`),
    bad('validateContainerCommon', more({ name: 'a.b' }), `${at}.name: Invalid value: "a.b": must not contain dots`),
    bad(
      'validateContainerCommon',
      more({ name: long(64) }),
      `${at}.name: Invalid value: "${long(64)}": must be no more than 63 characters`,
    ),
    bad('validateContainerCommon', more({ image: null }), `${at}.image: Required value`),
    bad(
      'validateContainerOnlyForPod',
      more({ image: ' busybox' }),
      `${at}.image: Invalid value: " busybox": must not have leading or trailing whitespace`,
    ),
    bad(
      'validateContainers',
      { spec: { containers: [container, container] } },
      'spec.containers[1].name: Duplicate value: "main"',
    ),
    bad(
      'validateContainerCommon',
      more({ terminationMessagePolicy: 'None' }),
      `${at}.terminationMessagePolicy: Unsupported value: "None": supported values: "File", "FallbackToLogsOnError"`,
    ),
    bad(
      'validatePullPolicy',
      more({ imagePullPolicy: 'Sometimes' }),
      `${at}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`,
    ),
    // Ports
    bad('validateContainerPorts', more({ ports: [{}] }), `${at}.ports[0].containerPort: Required value`),
    bad(
      'validateContainerPorts',
      port({ containerPort: 70_000 }),
      `${at}.ports[0].containerPort: Invalid value: 70000: ${words.port}`,
    ),
    bad('validateContainerPorts', port({ hostPort: -1 }), `${at}.ports[0].hostPort: Invalid value: -1: ${words.port}`),
    bad(
      'validateContainerPorts',
      port({ protocol: 'ICMP' }),
      `${at}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`,
    ),
    bad(
      'IsValidPortName',
      port({ name: 'Http' }),
      `${at}.ports[0].name: Invalid value: "Http": ${words.portCharacters}`,
    ),
    bad(
      'IsValidPortName',
      port({ name: 'a-port-that-is-too-long' }),
      `${at}.ports[0].name: Invalid value: "a-port-that-is-too-long": must be no more than 15 characters`,
    ),
    bad('IsValidPortName', port({ name: '80' }), `${at}.ports[0].name: Invalid value: "80": ${words.portLetter}`),
    bad(
      'IsValidPortName',
      port({ name: 'a--b' }),
      `${at}.ports[0].name: Invalid value: "a--b": must not contain consecutive hyphens`,
    ),
    bad(
      'IsValidPortName',
      port({ name: '-b' }),
      `${at}.ports[0].name: Invalid value: "-b": must not begin or end with a hyphen`,
    ),
    bad(
      'validateContainerPorts',
      more({
        ports: [
          { containerPort: 80, name: 'http' },
          { containerPort: 81, name: 'http' },
        ],
      }),
      `${at}.ports[1].name: Duplicate value: "http"`,
    ),
    bad(
      'AccumulateUniqueHostPorts',
      more({
        ports: [
          { containerPort: 80, hostPort: 80 },
          { containerPort: 81, hostPort: 80 },
        ],
      }),
      `${at}.ports[1].hostPort: Duplicate value: "TCP//80"`,
    ),
    bad(
      'validatePodHostNetworkDeps',
      { spec: { hostNetwork: true, containers: [{ ...container, ports: [{ containerPort: 80, hostPort: 81 }] }] } },
      `${at}.ports[0].hostPort: Invalid value: 81: must match \`containerPort\` when \`hostNetwork\` is true`,
    ),
    // Environment
    bad('ValidateEnv', environment({ value: 'x' }), `${at}.env[0].name: Required value`),
    bad(
      'IsRelaxedEnvVarName',
      environment({ name: 'A=B' }),
      `${at}.env[0].name: Invalid value: "A=B": ${words.environmentName}`,
    ),
    bad(
      'validateEnvVarValueFrom',
      from({}),
      `${at}.env[0].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`resourceFieldRef\`, \`configMapKeyRef\`, \`secretKeyRef\` or \`fileKeyRef\``,
    ),
    bad(
      'validateEnvVarValueFrom',
      environment({ name: 'A', value: 'x', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }),
      `${at}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
    ),
    bad(
      'validateEnvVarValueFrom',
      from({ secretKeyRef: { name: 's', key: 'k' }, configMapKeyRef: { name: 's', key: 'k' } }),
      `${at}.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time`,
    ),
    bad(
      'validateSecretKeySelector',
      from({ secretKeyRef: { name: 's' } }),
      `${at}.env[0].valueFrom.secretKeyRef.key: Required value`,
    ),
    bad(
      'validateSecretKeySelector',
      from({ secretKeyRef: { name: 's', key: 'a b' } }),
      `${at}.env[0].valueFrom.secretKeyRef.key: Invalid value: "a b": ${words.configKey}`,
    ),
    bad(
      'validateSecretKeySelector',
      from({ secretKeyRef: { key: 'k' } }),
      `${at}.env[0].valueFrom.secretKeyRef.name: Invalid value: "": ${words.dnsSubdomain}`,
    ),
    bad(
      'validateConfigMapKeySelector',
      from({ configMapKeyRef: { name: 'A', key: 'k' } }),
      `${at}.env[0].valueFrom.configMapKeyRef.name: Invalid value: "A": ${words.dnsSubdomain}`,
    ),
    bad(
      'validateObjectFieldSelector',
      from({ fieldRef: {} }),
      `${at}.env[0].valueFrom.fieldRef.fieldPath: Required value`,
    ),
    bad(
      'ConvertDownwardAPIFieldLabel',
      from({ fieldRef: { fieldPath: 'spec.nope' } }),
      `${at}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nope": error converting fieldPath: field label not supported: spec.nope`,
    ),
    bad(
      'validateObjectFieldSelector',
      from({ fieldRef: { fieldPath: 'metadata.labels' } }),
      `${at}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"`,
    ),
    bad(
      'validateObjectFieldSelector',
      from({ fieldRef: { fieldPath: "metadata.labels['a b']" } }),
      `${at}.env[0].valueFrom.fieldRef: Invalid value: "a b": ${words.namePart}`,
    ),
    bad(
      'validateContainerResourceFieldSelector',
      from({ resourceFieldRef: { resource: 'limits.gpu' } }),
      `${at}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": ${resourceFields}`,
    ),
    bad(
      'validateContainerResourceDivisor',
      from({ resourceFieldRef: { resource: 'limits.cpu', divisor: '3' } }),
      `${at}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
    ),
    bad(
      'ValidateEnvFrom',
      more({ envFrom: [{}] }),
      `${at}.envFrom: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
    ),
    bad(
      'ValidateEnvFrom',
      more({ envFrom: [{ configMapRef: { name: 'a' }, secretRef: { name: 'b' } }] }),
      `${at}.envFrom: Invalid value: "": may not have more than one field specified at a time`,
    ),
    bad(
      'ValidateEnvFrom',
      more({ envFrom: [{ prefix: 'A=', configMapRef: { name: 'c' } }] }),
      `${at}.envFrom[0].prefix: Invalid value: "A=": ${words.environmentName}`,
    ),
    bad(
      'validateConfigMapEnvSource',
      more({ envFrom: [{ configMapRef: {} }] }),
      `${at}.envFrom[0].configMapRef.name: Required value`,
    ),
    // Mounts and devices
    bad(
      'ValidateVolumeMounts',
      more({ volumeMounts: [{ name: 'nope', mountPath: '/x' }] }),
      `${at}.volumeMounts[0].name: Not found: "nope"`,
    ),
    bad(
      'ValidateVolumeMounts',
      mounted({ name: null }),
      `${at}.volumeMounts[0].name: Required value`,
      `${at}.volumeMounts[0].name: Not found: ""`,
    ),
    bad('ValidateVolumeMounts', mounted({ mountPath: null }), `${at}.volumeMounts[0].mountPath: Required value`),
    bad(
      'ValidateVolumeMounts',
      mounted({}, { name: 'data', mountPath: '/data' }),
      `${at}.volumeMounts[1].mountPath: Invalid value: "/data": must be unique`,
    ),
    bad(
      'validateLocalDescendingPath',
      mounted({ subPath: '/abs' }),
      `${at}.volumeMounts.subPath: Invalid value: "/abs": must be a relative path`,
    ),
    bad(
      'validatePathNoBacksteps',
      mounted({ subPath: 'a/../b' }),
      `${at}.volumeMounts.subPath: Invalid value: "a/../b": must not contain '..'`,
    ),
    bad(
      'ValidateVolumeMounts',
      mounted({ subPath: 'a', subPathExpr: 'b' }),
      `${at}.volumeMounts[0].subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive`,
    ),
    bad(
      'validateMountPropagation',
      mounted({ mountPropagation: 'Both' }),
      `${at}.volumeMounts.mountPropagation: Unsupported value: "Both": supported values: "Bidirectional", "HostToContainer", "None"`,
    ),
    bad(
      'validateMountPropagation',
      mounted({ mountPropagation: 'Bidirectional' }),
      `${at}.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers`,
    ),
    bad(
      'validateMountRecursiveReadOnly',
      mounted({ recursiveReadOnly: 'Enabled' }),
      `${at}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true`,
    ),
    bad(
      'validateMountRecursiveReadOnly',
      mounted({ recursiveReadOnly: 'Often' }),
      `${at}.volumeMounts.recursiveReadOnly: Unsupported value: "Often": supported values: "Disabled", "Enabled", "IfPossible"`,
    ),
    bad(
      'ValidateVolumeDevices',
      {
        spec: {
          volumes: [{ name: 'data', emptyDir: {} }],
          containers: [{ ...container, volumeDevices: [{ name: 'data', devicePath: '/dev/a' }] }],
        },
      },
      `${at}.volumeDevices[0].name: Invalid value: "data": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode`,
    ),
    bad(
      'ValidateVolumeDevices',
      more({ volumeDevices: [{ name: 'nope', devicePath: '/dev/a' }] }),
      `${at}.volumeDevices[0].name: Not found: "nope"`,
    ),
    // Resources
    bad(
      'validateContainerResourceName',
      more({ resources: { requests: { disk: '1' } } }),
      `${at}.resources.requests[disk]: Invalid value: "disk": must be a standard resource type or fully qualified`,
      `${at}.resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers`,
    ),
    bad(
      'validateContainerResourceName',
      more({ resources: { requests: { pods: '1' } } }),
      `${at}.resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers`,
    ),
    bad(
      'ValidateResourceQuantityValue',
      more({ resources: { requests: { cpu: '-1' } } }),
      `${at}.resources.requests[cpu]: Invalid value: "-1": ${words.negative}`,
    ),
    bad(
      'validateResourceRequirements',
      more({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
      `${at}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
    ),
    bad(
      'validateResourceRequirements',
      more({ resources: { requests: { 'example.com/gpu': '1' } } }),
      `${at}.resources.limits: Required value: Limit must be set for non overcommitable resources`,
    ),
    bad(
      'validateResourceRequirements',
      more({ resources: { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '2' } } }),
      `${at}.resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2`,
    ),
    bad(
      'ValidateResourceQuantityValue',
      more({ resources: { requests: { 'example.com/gpu': '500m' }, limits: { 'example.com/gpu': '500m' } } }),
      `${at}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer`,
      `${at}.resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer`,
    ),
    bad(
      'validateResourceRequirements',
      more({ resources: { requests: { 'hugepages-2Mi': '4Mi' }, limits: { 'hugepages-2Mi': '4Mi' } } }),
      `${at}.resources: Forbidden: HugePages require cpu or memory`,
    ),
    bad(
      'validateResourceQuantityHugePageValue',
      more({ resources: { requests: { 'hugepages-2Mi': '3Mi' }, limits: { cpu: '1', 'hugepages-2Mi': '3Mi' } } }),
      `${at}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
      `${at}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
    ),
    bad(
      'validateResourceClaimNames',
      more({ resources: { claims: [{ name: 'gpu' }] } }),
      `${at}.resources.claims[0]: Not found: "gpu": must be one of the names in pod.spec.resourceClaims which is empty`,
    ),
    bad(
      'validateResizePolicy',
      more({ resizePolicy: [{ resourceName: 'disk', restartPolicy: 'NotRequired' }] }),
      `${at}.resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"`,
    ),
    bad(
      'validateResizePolicy',
      more({ resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'Often' }] }),
      `${at}.resizePolicy: Unsupported value: "Often": supported values: "NotRequired", "RestartContainer"`,
    ),
    bad(
      'validateResizePolicy',
      more({
        resizePolicy: [
          { resourceName: 'cpu', restartPolicy: 'NotRequired' },
          { resourceName: 'cpu', restartPolicy: 'RestartContainer' },
        ],
      }),
      `${at}.resizePolicy[1]: Duplicate value: "cpu"`,
    ),
    bad(
      'validateResizePolicy',
      {
        spec: {
          restartPolicy: 'Never',
          containers: [{ ...container, resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }],
        },
      },
      `${at}.resizePolicy: Invalid value: "RestartContainer": must be 'NotRequired' when \`restartPolicy\` is 'Never'`,
    ),
    // Security
    bad(
      'ValidateSecurityContext',
      security({ runAsUser: -1 }),
      `${at}.securityContext.runAsUser: Invalid value: -1: ${words.id}`,
    ),
    bad(
      'ValidateSecurityContext',
      security({ runAsGroup: -1 }),
      `${at}.securityContext.runAsGroup: Invalid value: -1: ${words.id}`,
    ),
    bad(
      'ValidateProcMountType',
      security({ procMount: 'Masked' }),
      `${at}.securityContext.procMount: Unsupported value: "Masked": supported values: "Default", "Unmasked"`,
    ),
    bad(
      'ValidateSecurityContext',
      security({ procMount: 'Unmasked' }),
      `${at}.securityContext.procMount: Invalid value: "Unmasked": \`hostUsers\` must be false to use \`Unmasked\``,
    ),
    bad(
      'validateSeccompProfileType',
      security({ seccompProfile: { type: 'Strict' } }),
      `${at}.securityContext.seccompProfile.type: Unsupported value: "Strict": supported values: "Localhost", "RuntimeDefault", "Unconfined"`,
    ),
    bad(
      'validateSeccompProfileField',
      security({ seccompProfile: { type: 'Localhost' } }),
      `${at}.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost`,
    ),
    bad(
      'validateSeccompProfileField',
      security({ seccompProfile: { type: 'Localhost', localhostProfile: '../x' } }),
      `${at}.securityContext.seccompProfile.localhostProfile: Invalid value: "../x": must not contain '..'`,
    ),
    bad(
      'ValidateAppArmorProfileField',
      security({ appArmorProfile: { type: 'Localhost' } }),
      `${at}.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost`,
    ),
    bad(
      'ValidateAppArmorProfileField',
      security({ appArmorProfile: { type: 'RuntimeDefault', localhostProfile: 'a' } }),
      `${at}.securityContext.appArmorProfile.localhostProfile: Invalid value: "a": can only be set when AppArmor type is Localhost`,
    ),
    // Probes and hooks
    bad(
      'validateHandler',
      more({ livenessProbe: {} }),
      `${at}.livenessProbe: Required value: must specify a handler type`,
    ),
    bad(
      'validateHandler',
      probe({ exec: { command: ['true'] } }),
      `${at}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
    ),
    bad(
      'validateExecAction',
      more({ readinessProbe: { exec: {} } }),
      `${at}.readinessProbe.exec.command: Required value`,
    ),
    bad(
      'validateProbe',
      probe({ periodSeconds: -1 }),
      `${at}.livenessProbe.periodSeconds: Invalid value: -1: ${words.negative}`,
    ),
    bad(
      'validateProbe',
      probe({ initialDelaySeconds: -1, timeoutSeconds: -1 }),
      `${at}.livenessProbe.initialDelaySeconds: Invalid value: -1: ${words.negative}`,
      `${at}.livenessProbe.timeoutSeconds: Invalid value: -1: ${words.negative}`,
    ),
    bad(
      'validateLivenessProbe',
      probe({ successThreshold: 2 }),
      `${at}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
    ),
    bad(
      'validateProbe',
      probe({ terminationGracePeriodSeconds: 0 }),
      `${at}.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0`,
    ),
    bad(
      'validateReadinessProbe',
      more({ readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 3 } }),
      `${at}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for readinessProbes`,
    ),
    bad(
      'validateStartupProbe',
      more({ startupProbe: { tcpSocket: { port: 80 }, successThreshold: 3 } }),
      `${at}.startupProbe.successThreshold: Invalid value: 3: must be 1`,
    ),
    bad(
      'ValidatePortNumOrName',
      more({ livenessProbe: { httpGet: { port: 0 } } }),
      `${at}.livenessProbe.httpGet.port: Invalid value: 0: ${words.port}`,
    ),
    bad(
      'ValidatePortNumOrName',
      more({ livenessProbe: { tcpSocket: { port: 'Http' } } }),
      `${at}.livenessProbe.tcpSocket.port: Invalid value: "Http": ${words.portCharacters}`,
    ),
    bad(
      'validateHTTPGetAction',
      more({ livenessProbe: { httpGet: { port: 80, scheme: 'FTP' } } }),
      `${at}.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"`,
    ),
    bad(
      'IsHTTPHeaderName',
      more({ livenessProbe: { httpGet: { port: 80, httpHeaders: [{ name: 'a b', value: '' }] } } }),
      `${at}.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": ${words.headerName}`,
    ),
    bad(
      'validateGRPCAction',
      more({ livenessProbe: { grpc: { port: 70_000 } } }),
      `${at}.livenessProbe.grpc.port: Invalid value: 70000: ${words.port}`,
    ),
    bad(
      'validateLifecycle',
      more({ lifecycle: { preStop: {} } }),
      `${at}.lifecycle.preStop: Required value: must specify a handler type`,
    ),
    bad(
      'validateSleepAction',
      more({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }),
      `${at}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)`,
    ),
    bad(
      'validateStopSignal',
      more({ lifecycle: { stopSignal: 'SIGTERM' } }),
      `${at}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty \`spec.os.name\``,
    ),
    // Restarts of single containers
    bad(
      'validateContainerRestartPolicy',
      more({ restartPolicy: 'Often' }),
      `${at}.restartPolicy: Unsupported value: "Often": supported values: "Always", "Never", "OnFailure"`,
    ),
    bad(
      'validateContainerRestartPolicy',
      more({ restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }] }),
      `${at}.restartPolicy: Required value: must specify restartPolicy when restart rules are used`,
    ),
    bad(
      'validateContainerRestartPolicy',
      more({
        restartPolicy: 'Never',
        restartPolicyRules: [{ action: 'Stop', exitCodes: { operator: 'In', values: [1] } }],
      }),
      `${at}.restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart"`,
    ),
    bad(
      'validateContainerRestartPolicy',
      more({ restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart' }] }),
      `${at}.restartPolicyRules[0].exitCodes: Required value: must be specified`,
    ),
    // Init containers
    bad(
      'validateInitContainers',
      initContainer({ name: 'main' }),
      'spec.initContainers[0].name: Duplicate value: "main"',
    ),
    bad('validateContainerCommon', initContainer({ image: null }), 'spec.initContainers[0].image: Required value'),
    bad(
      'validateInitContainers',
      initContainer({ livenessProbe: { tcpSocket: { port: 80 } } }),
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ),
    bad(
      'validateInitContainers',
      initContainer({ lifecycle: { preStop: { sleep: { seconds: 1 } } } }),
      'spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always',
    ),
    bad(
      'validateInitContainerRestartPolicy',
      initContainer({
        restartPolicy: 'Always',
        restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }],
      }),
      'spec.initContainers[0].restartPolicyRules: Forbidden: restartPolicyRules are not allowed for init containers with restart policy Always',
    ),
  ],
};
