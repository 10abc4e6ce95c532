import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '#machinery/kind.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { DaemonSet } from '../apps/daemon-set.ts';
import { ControllerRevision } from '../apps/controller-revision.ts';
import { Deployment } from '../apps/deployment.ts';
import { ReplicaSet } from '../apps/replica-set.ts';
import { StatefulSet } from '../apps/stateful-set.ts';
import { HorizontalPodAutoscaler } from '../autoscaling/horizontal-pod-autoscaler.ts';
import { CronJob } from '../batch/cron-job.ts';
import { Job } from '../batch/job.ts';
import { Lease } from '../coordination/lease.ts';
import { ConfigMap } from '../core/config-map.ts';
import { Endpoints } from '../core/endpoints.ts';
import { Event } from '../core/event.ts';
import { LimitRange } from '../core/limit-range.ts';
import { Namespace } from '../core/namespace.ts';
import { Node } from '../core/node.ts';
import { PersistentVolume } from '../core/persistent-volume.ts';
import { PersistentVolumeClaim } from '../core/persistent-volume-claim.ts';
import { Pod } from '../core/pod.ts';
import { ReplicationController } from '../core/replication-controller.ts';
import { ResourceQuota } from '../core/resource-quota.ts';
import { Secret } from '../core/secret.ts';
import { Service } from '../core/service.ts';
import { EndpointSlice } from '../discovery/endpoint-slice.ts';
import { Event as EventsEvent } from '../events/event.ts';
import { PodDisruptionBudget } from '../policy/pod-disruption-budget.ts';
import { ClusterRole } from '../rbac/cluster-role.ts';
import { ClusterRoleBinding } from '../rbac/cluster-role-binding.ts';
import { Role } from '../rbac/role.ts';
import { RoleBinding } from '../rbac/role-binding.ts';
import { PriorityClass } from '../scheduling/priority-class.ts';
import { StorageClass } from '../storage/storage-class.ts';
import { check } from './testing/check.ts';
import { created, samples } from './samples.ts';

const container = { name: 'main', image: 'busybox:1.36' };
/** The sample's container with something more. */
const with1 = (more: object) => ({ spec: { containers: [{ ...container, ...more }] } });
const at = 'spec.containers[0]';
const volume = (source: object) => ({ spec: { volumes: [{ name: 'v', ...source }] } });

check('bad containers of a pod are named', Pod, samples.pod, [
  [{ spec: { containers: null } }, 'spec.containers Required'],
  [{ spec: { containers: [{ image: 'a' }] } }, `${at}.name Required`],
  [{ spec: { containers: [{ name: 'Main', image: 'a' }] } }, `${at}.name Invalid`],
  [{ spec: { containers: [{ name: 'main' }] } }, `${at}.image Required`],
  [with1({ image: ' busybox' }), `${at}.image Invalid`],
  [{ spec: { containers: [container, container] } }, 'spec.containers[1].name Duplicate'],
  [{ spec: { initContainers: [container] } }, 'spec.initContainers[0].name Duplicate'],
  [with1({ imagePullPolicy: 'Sometimes' }), `${at}.imagePullPolicy NotSupported`],
  [with1({ terminationMessagePolicy: 'None' }), `${at}.terminationMessagePolicy NotSupported`],
  [with1({ restartPolicy: 'Often' }), `${at}.restartPolicy NotSupported`],
  [with1({ env: [{ value: 'x' }] }), `${at}.env[0].name Required`],
  [with1({ env: [{ name: 'A=B' }] }), `${at}.env[0].name Invalid`],
  [with1({ env: [{ name: 'A', valueFrom: {} }] }), `${at}.env[0].valueFrom Invalid`],
  [
    with1({ env: [{ name: 'A', value: 'x', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }),
    `${at}.env[0].valueFrom Invalid`,
  ],
  [
    with1({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: '' } } }] }),
    `${at}.env[0].valueFrom.secretKeyRef.key Required`,
  ],
  [
    with1({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { key: 'k' } } }] }),
    `${at}.env[0].valueFrom.configMapKeyRef.name Invalid`,
  ],
  [
    with1({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.nope' } } }] }),
    `${at}.env[0].valueFrom.fieldRef.fieldPath Invalid`,
  ],
  [
    with1({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] }),
    `${at}.env[0].valueFrom.fieldRef.fieldPath NotSupported`,
  ],
  [
    with1({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a b']" } } }] }),
    `${at}.env[0].valueFrom.fieldRef Invalid`,
  ],
  [
    with1({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.gpu' } } }] }),
    `${at}.env[0].valueFrom.resourceFieldRef.resource NotSupported`,
  ],
  [
    with1({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '3' } } }] }),
    `${at}.env[0].valueFrom.resourceFieldRef.divisor Invalid`,
  ],
  [with1({ envFrom: [{}] }), `${at}.envFrom Invalid`],
  [with1({ envFrom: [{ prefix: 'A=', configMapRef: { name: 'c' } }] }), `${at}.envFrom[0].prefix Invalid`],
  [with1({ ports: [{}] }), `${at}.ports[0].containerPort Required`],
  [with1({ ports: [{ containerPort: 70000 }] }), `${at}.ports[0].containerPort Invalid`],
  [with1({ ports: [{ containerPort: 80, hostPort: -1 }] }), `${at}.ports[0].hostPort Invalid`],
  [with1({ ports: [{ containerPort: 80, protocol: 'ICMP' }] }), `${at}.ports[0].protocol NotSupported`],
  [with1({ ports: [{ containerPort: 80, name: 'Http' }] }), `${at}.ports[0].name Invalid`],
  [with1({ ports: [{ containerPort: 80, hostIP: '1.2.3' }] }), `${at}.ports[0].hostIP Invalid`],
  [
    with1({
      ports: [
        { containerPort: 80, name: 'a' },
        { containerPort: 81, name: 'a' },
      ],
    }),
    `${at}.ports[1].name Duplicate`,
  ],
  [
    with1({
      ports: [
        { containerPort: 80, hostPort: 80 },
        { containerPort: 81, hostPort: 80 },
      ],
    }),
    `${at}.ports[1].hostPort Duplicate`,
  ],
  [
    { spec: { hostNetwork: true, containers: [{ ...container, ports: [{ containerPort: 80, hostPort: 81 }] }] } },
    `${at}.ports[0].hostPort Invalid`,
  ],
  [
    with1({ resources: { limits: { disk: '1' } } }),
    `${at}.resources.limits[disk] Invalid`,
    `${at}.resources.limits[disk] Invalid`,
    `${at}.resources.requests[disk] Invalid`,
    `${at}.resources.requests[disk] Invalid`,
  ],
  [with1({ resources: { requests: { cpu: '-1' } } }), `${at}.resources.requests[cpu] Invalid`],
  [with1({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }), `${at}.resources.requests Invalid`],
  [with1({ resources: { requests: { 'example.com/gpu': '1' } } }), `${at}.resources.limits Required`],
  [
    with1({ resources: { limits: { 'example.com/gpu': '500m' } } }),
    `${at}.resources.limits[example.com/gpu] Invalid`,
    `${at}.resources.requests[example.com/gpu] Invalid`,
  ],
  [with1({ resources: { limits: { 'hugepages-2Mi': '4Mi' } } }), `${at}.resources Forbidden`],
  [with1({ resources: { claims: [{ name: 'gpu' }] } }), `${at}.resources.claims[0] NotFound`],
  [with1({ volumeMounts: [{ name: 'nope', mountPath: '/x' }] }), `${at}.volumeMounts[0].name NotFound`],
  [
    with1({ volumeMounts: [{ mountPath: '/x' }] }),
    `${at}.volumeMounts[0].name Required`,
    `${at}.volumeMounts[0].name NotFound`,
  ],
  [
    { spec: { volumes: [{ name: 'v' }], containers: [{ ...container, volumeMounts: [{ name: 'v' }] }] } },
    `${at}.volumeMounts[0].mountPath Required`,
  ],
  [
    {
      spec: {
        volumes: [{ name: 'v' }],
        containers: [
          {
            ...container,
            volumeMounts: [
              { name: 'v', mountPath: '/a' },
              { name: 'v', mountPath: '/a' },
            ],
          },
        ],
      },
    },
    `${at}.volumeMounts[1].mountPath Invalid`,
  ],
  [
    {
      spec: {
        volumes: [{ name: 'v' }],
        containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/a', subPath: '../x' }] }],
      },
    },
    `${at}.volumeMounts.subPath Invalid`,
  ],
  [
    {
      spec: {
        volumes: [{ name: 'v' }],
        containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/a', subPath: '/x' }] }],
      },
    },
    `${at}.volumeMounts.subPath Invalid`,
  ],
  [
    {
      spec: {
        volumes: [{ name: 'v' }],
        containers: [
          { ...container, volumeMounts: [{ name: 'v', mountPath: '/a', mountPropagation: 'Bidirectional' }] },
        ],
      },
    },
    `${at}.volumeMounts.mountPropagation Forbidden`,
  ],
  [with1({ livenessProbe: {} }), `${at}.livenessProbe Required`],
  [with1({ livenessProbe: { exec: { command: [] } } }), `${at}.livenessProbe.exec.command Required`],
  [with1({ livenessProbe: { httpGet: { port: 0 } } }), `${at}.livenessProbe.httpGet.port Invalid`],
  [
    with1({ livenessProbe: { httpGet: { port: 80, scheme: 'FTP' } } }),
    `${at}.livenessProbe.httpGet.scheme NotSupported`,
  ],
  [
    with1({ livenessProbe: { tcpSocket: { port: 80 }, exec: { command: ['a'] } } }),
    `${at}.livenessProbe.tcpSocket Forbidden`,
  ],
  [
    with1({ livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } }),
    `${at}.livenessProbe.successThreshold Invalid`,
  ],
  [with1({ startupProbe: { tcpSocket: { port: 80 }, periodSeconds: -1 } }), `${at}.startupProbe.periodSeconds Invalid`],
  [
    with1({ readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 5 } }),
    `${at}.readinessProbe.terminationGracePeriodSeconds Invalid`,
  ],
  [with1({ readinessProbe: { grpc: { port: 0 } } }), `${at}.readinessProbe.grpc.port Invalid`],
  [
    with1({ readinessProbe: { httpGet: { port: 80, httpHeaders: [{ name: 'X Y', value: '' }] } } }),
    `${at}.readinessProbe.httpGet.httpHeaders Invalid`,
  ],
  [with1({ lifecycle: { postStart: {} } }), `${at}.lifecycle.postStart Required`],
  [with1({ lifecycle: { preStop: { sleep: { seconds: 100 } } } }), `${at}.lifecycle.preStop.sleep Invalid`],
  [with1({ securityContext: { runAsUser: -1 } }), `${at}.securityContext.runAsUser Invalid`],
  [with1({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }), `${at}.securityContext Invalid`],
  [with1({ securityContext: { procMount: 'All' } }), `${at}.securityContext.procMount NotSupported`],
  [
    with1({ securityContext: { seccompProfile: { type: 'Localhost' } } }),
    `${at}.securityContext.seccompProfile.localhostProfile Required`,
  ],
  [
    with1({ securityContext: { seccompProfile: { type: 'Mine' } } }),
    `${at}.securityContext.seccompProfile.type NotSupported`,
  ],
  [
    with1({ securityContext: { appArmorProfile: { type: 'Localhost' } } }),
    `${at}.securityContext.appArmorProfile.localhostProfile Required`,
  ],
  [
    with1({ resizePolicy: [{ resourceName: 'disk', restartPolicy: 'NotRequired' }] }),
    `${at}.resizePolicy NotSupported`,
  ],
  [
    { spec: { initContainers: [{ name: 'i', image: 'a', livenessProbe: { tcpSocket: { port: 1 } } }] } },
    'spec.initContainers[0].livenessProbe Forbidden',
  ],
  [
    {
      spec: {
        initContainers: [{ name: 'i', image: 'a', restartPolicy: 'Always', livenessProbe: { tcpSocket: { port: 1 } } }],
      },
    },
  ],
  [{ spec: { ephemeralContainers: [{ name: 'e', image: 'a' }] } }, 'spec.ephemeralContainers Forbidden'],
]);

check('bad volumes of a pod are named', Pod, samples.pod, [
  [{ spec: { volumes: [{ name: 'A' }] } }, 'spec.volumes[0].name Invalid'],
  [{ spec: { volumes: [{ name: 'a' }, { name: 'a' }] } }, 'spec.volumes[1].name Duplicate'],
  [volume({ emptyDir: {}, hostPath: { path: '/' } }), 'spec.volumes[0].hostPath Forbidden'],
  [volume({ emptyDir: { sizeLimit: '-1' } }), 'spec.volumes[0].emptyDir.sizeLimit Forbidden'],
  [volume({ hostPath: {} }), 'spec.volumes[0].hostPath.path Required'],
  [volume({ hostPath: { path: '/a/../b' } }), 'spec.volumes[0].hostPath.path Invalid'],
  [volume({ hostPath: { path: '/a', type: 'Pipe' } }), 'spec.volumes[0].hostPath.type NotSupported'],
  [volume({ secret: {} }), 'spec.volumes[0].secret.secretName Required'],
  [volume({ secret: { secretName: 's', defaultMode: 1000 } }), 'spec.volumes[0].secret.defaultMode Invalid'],
  [volume({ configMap: {} }), 'spec.volumes[0].configMap.name Required'],
  [
    volume({ configMap: { name: 'c', items: [{ key: 'k', path: '/abs' }] } }),
    'spec.volumes[0].configMap.items[0].path Invalid',
  ],
  [volume({ configMap: { name: 'c', items: [{ key: 'k' }] } }), 'spec.volumes[0].configMap.items[0].path Required'],
  [volume({ downwardAPI: { items: [{ path: 'a' }] } }), 'spec.volumes[0].downwardAPI Required'],
  [
    volume({ downwardAPI: { items: [{ path: 'a', resourceFieldRef: { resource: 'limits.cpu' } }] } }),
    'spec.volumes[0].downwardAPI.resourceFieldRef.containerName Required',
  ],
  [
    volume({ projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 1 } }] } }),
    'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds Invalid',
  ],
  [volume({ persistentVolumeClaim: {} }), 'spec.volumes[0].persistentVolumeClaim.claimName Required'],
  [volume({ nfs: { server: 'a', path: 'b' } }), 'spec.volumes[0].nfs.path Invalid'],
  [volume({ csi: {} }), 'spec.volumes[0].csi.driver Required', 'spec.volumes[0].csi.driver Invalid'],
  [
    volume({ ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'] } } } }),
    'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage] Required',
  ],
]);

const tolerate = (toleration: object) => ({ spec: { tolerations: [toleration] } });
const hard = 'requiredDuringSchedulingIgnoredDuringExecution';
const soft = 'preferredDuringSchedulingIgnoredDuringExecution';
const nodeTerm = (expression: object) => ({
  spec: { affinity: { nodeAffinity: { [hard]: { nodeSelectorTerms: [{ matchExpressions: [expression] }] } } } },
});
const nodeTermAt = `spec.affinity.nodeAffinity.${hard}.nodeSelectorTerms[0].matchExpressions[0]`;
const spread = (constraint: object) => ({
  spec: {
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', ...constraint }],
  },
});

check('bad fields of a pod are named', Pod, samples.pod, [
  [{ spec: { restartPolicy: 'Sometimes' } }, 'spec.restartPolicy NotSupported'],
  [{ spec: { dnsPolicy: 'Mine' } }, 'spec.dnsPolicy NotSupported'],
  [{ spec: { dnsPolicy: 'None' } }, 'spec.dnsConfig Required'],
  [{ spec: { dnsConfig: { nameservers: ['x'] } } }, 'spec.dnsConfig.nameservers[0] Invalid'],
  [{ spec: { dnsConfig: { searches: ['A_'] } } }, 'spec.dnsConfig.searches[0] Invalid'],
  [{ spec: { dnsConfig: { options: [{ value: '1' }] } } }, 'spec.dnsConfig.options[0] Required'],
  [{ spec: { nodeSelector: { 'a b': 'c' } } }, 'spec.nodeSelector Invalid'],
  [{ spec: { serviceAccountName: 'A' } }, 'spec.serviceAccountName Invalid'],
  [{ spec: { nodeName: 'N_1' } }, 'spec.nodeName Invalid'],
  [{ spec: { hostname: 'a.b' } }, 'spec.hostname Invalid'],
  [{ spec: { subdomain: '-' } }, 'spec.subdomain Invalid'],
  [{ spec: { activeDeadlineSeconds: 0 } }, 'spec.activeDeadlineSeconds Invalid'],
  [{ spec: { hostAliases: [{ ip: 'x', hostnames: ['a'] }] } }, 'spec.hostAliases[0].ip Invalid'],
  [{ spec: { hostAliases: [{ ip: '1.2.3.4', hostnames: ['A'] }] } }, 'spec.hostAliases[0].hostnames[0] Invalid'],
  [{ spec: { priorityClassName: 'A' } }, 'spec.priorityClassName Invalid'],
  [{ spec: { preemptionPolicy: 'Always' } }, 'spec.preemptionPolicy NotSupported'],
  [{ spec: { os: { name: 'plan9' } } }, 'spec.os NotSupported'],
  [{ spec: { readinessGates: [{ conditionType: 'a b' }] } }, 'spec.readinessGates[0].conditionType Invalid'],
  [{ spec: { schedulingGates: [{ name: 'a' }, { name: 'a' }] } }, 'spec.schedulingGates[1] Duplicate'],
  [{ spec: { schedulingGates: [{ name: 'a' }], nodeName: 'n1' } }, 'spec.nodeName Forbidden'],
  [{ spec: { securityContext: { fsGroup: -1 } } }, 'spec.securityContext.fsGroup Invalid'],
  [
    { spec: { securityContext: { sysctls: [{ name: 'A b', value: '1' }] } } },
    'spec.securityContext.sysctls[0].name Invalid',
  ],
  [
    {
      spec: {
        securityContext: {
          sysctls: [
            { name: 'a.b', value: '1' },
            { name: 'a.b', value: '2' },
          ],
        },
      },
    },
    'spec.securityContext.sysctls[1].name Duplicate',
  ],
  [{ spec: { shareProcessNamespace: true, hostPID: true } }, 'spec.securityContext.shareProcessNamespace Invalid'],
  [{ spec: { overhead: { cpu: '-1' } } }, 'spec.overhead.limits[cpu] Invalid'],
  [
    { spec: { resources: { limits: { 'ephemeral-storage': '1Gi' } } } },
    'spec.resources.limits[ephemeral-storage] NotSupported',
  ],
  [{ spec: { resourceClaims: [{ name: 'a' }] } }, 'spec.resourceClaims[0] Invalid'],
  [tolerate({ key: 'a b', operator: 'Exists' }), 'spec.tolerations[0].key Invalid'],
  [tolerate({ operator: 'Equal' }), 'spec.tolerations[0].operator Invalid'],
  [tolerate({ key: 'a', operator: 'Exists', value: 'b' }), 'spec.tolerations[0].operator Invalid'],
  [tolerate({ key: 'a', operator: 'Like' }), 'spec.tolerations[0].operator NotSupported'],
  [tolerate({ key: 'a', effect: 'Never' }), 'spec.tolerations[0].effect NotSupported'],
  [tolerate({ key: 'a', effect: 'NoSchedule', tolerationSeconds: 1 }), 'spec.tolerations[0].effect Invalid'],
  [
    { spec: { affinity: { nodeAffinity: { [hard]: { nodeSelectorTerms: [] } } } } },
    `spec.affinity.nodeAffinity.${hard}.nodeSelectorTerms Required`,
  ],
  [nodeTerm({ key: 'a', operator: 'In' }), `${nodeTermAt}.values Required`],
  [nodeTerm({ key: 'a', operator: 'Exists', values: ['b'] }), `${nodeTermAt}.values Forbidden`],
  [nodeTerm({ key: 'a', operator: 'Gt', values: ['1', '2'] }), `${nodeTermAt}.values Required`],
  [nodeTerm({ key: 'a', operator: 'Near' }), `${nodeTermAt}.operator Invalid`],
  [nodeTerm({ key: '-', operator: 'Exists' }), `${nodeTermAt}.key Invalid`],
  [
    { spec: { affinity: { nodeAffinity: { [soft]: [{ weight: 0, preference: {} }] } } } },
    `spec.affinity.nodeAffinity.${soft}[0].weight Invalid`,
  ],
  [
    { spec: { affinity: { podAffinity: { [hard]: [{ labelSelector: {} }] } } } },
    `spec.affinity.podAffinity.${hard}[0].topologyKey Required`,
    `spec.affinity.podAffinity.${hard}[0].topologyKey Invalid`,
    `spec.affinity.podAffinity.${hard}[0].topologyKey Invalid`,
  ],
  [
    { spec: { affinity: { podAntiAffinity: { [soft]: [{ weight: 101, podAffinityTerm: { topologyKey: 'a' } }] } } } },
    `spec.affinity.podAntiAffinity.${soft}[0].weight Invalid`,
  ],
  [
    {
      spec: {
        affinity: {
          podAntiAffinity: {
            [hard]: [{ topologyKey: 'a', labelSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }],
          },
        },
      },
    },
    `spec.affinity.podAntiAffinity.${hard}[0].labelSelector.matchExpressions[0].values Required`,
  ],
  [spread({ maxSkew: 0 }), 'spec.topologySpreadConstraints[0].maxSkew Invalid'],
  [spread({ topologyKey: '' }), 'spec.topologySpreadConstraints[0].topologyKey Required'],
  [spread({ whenUnsatisfiable: 'Cry' }), 'spec.topologySpreadConstraints[0].whenUnsatisfiable NotSupported'],
  [
    spread({ whenUnsatisfiable: 'ScheduleAnyway', minDomains: 2 }),
    'spec.topologySpreadConstraints[0].minDomains Invalid',
  ],
]);

check('bad services are named', Service, samples.service, [
  [{ spec: { ports: null } }, 'spec.ports Required'],
  [{ spec: { ports: [{ port: 0 }] } }, 'spec.ports[0].port Invalid', 'spec.ports[0].targetPort Invalid'],
  [{ spec: { ports: [{ port: 80, targetPort: 'Http!' }] } }, 'spec.ports[0].targetPort Invalid'],
  [{ spec: { ports: [{ port: 80, protocol: 'ICMP' }] } }, 'spec.ports[0].protocol NotSupported'],
  [{ spec: { ports: [{ port: 80 }, { port: 81, name: 'b' }] } }, 'spec.ports[0].name Required'],
  [
    {
      spec: {
        ports: [
          { port: 80, name: 'a' },
          { port: 81, name: 'a' },
        ],
      },
    },
    'spec.ports[1].name Duplicate',
  ],
  [
    {
      spec: {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      },
    },
    'spec.ports[1] Duplicate',
  ],
  [{ spec: { ports: [{ port: 80, nodePort: 30000 }] } }, 'spec.ports[0].nodePort Forbidden'],
  [
    {
      spec: {
        type: 'NodePort',
        ports: [
          { port: 80, nodePort: 30000, name: 'a' },
          { port: 81, nodePort: 30000, name: 'b' },
        ],
      },
    },
    'spec.ports[1].nodePort Duplicate',
  ],
  [{ spec: { type: 'Magic' } }, 'spec.type NotSupported'],
  [{ spec: { type: 'ExternalName' } }, 'spec.externalName Required'],
  [{ spec: { type: 'ExternalName', externalName: 'a_b' } }, 'spec.externalName Invalid'],
  [{ spec: { type: 'NodePort', clusterIP: 'None' } }, 'spec.clusterIPs[0] Invalid'],
  [{ spec: { clusterIP: '1.2.3' } }, 'spec.clusterIPs[0] Invalid'],
  [{ spec: { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.2'] } }, 'spec.clusterIPs Invalid'],
  [{ spec: { ipFamilies: ['IPv5'] } }, 'spec.ipFamilies[0] NotSupported'],
  [{ spec: { sessionAffinity: 'Cookie' } }, 'spec.sessionAffinity NotSupported'],
  [
    { spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } } },
    'spec.sessionAffinityConfig.clientIP.timeoutSeconds Invalid',
  ],
  [{ spec: { externalTrafficPolicy: 'Local' } }, 'spec.externalTrafficPolicy Invalid'],
  [{ spec: { internalTrafficPolicy: 'Near' } }, 'spec.internalTrafficPolicy NotSupported'],
  [{ spec: { externalIPs: ['127.0.0.1'] } }, 'spec.externalIPs[0] Invalid'],
  [{ spec: { selector: { 'a b': 'c' } } }, 'spec.selector Invalid'],
  [{ spec: { loadBalancerSourceRanges: ['10.0.0.0/8'] } }, 'spec.LoadBalancerSourceRanges Forbidden'],
  [
    { spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/99'] } },
    'spec.LoadBalancerSourceRanges[0] Invalid',
  ],
  [{ spec: { healthCheckNodePort: 30000 } }, 'spec.healthCheckNodePort Invalid'],
]);

const mismatch = { spec: { selector: { matchLabels: { app: 'other' } } } };
const labelsAt = 'spec.template.metadata.labels';
const rolling = (rollingUpdate: object) => ({ spec: { strategy: { rollingUpdate } } });

check('bad deployments are named', Deployment, samples.deployment, [
  [{ spec: { replicas: -1 } }, 'spec.replicas Invalid'],
  [{ spec: { selector: null } }, 'spec.selector Required', 'spec.template.metadata.labels Invalid'],
  [{ spec: { selector: { matchLabels: null } } }, 'spec.selector Invalid'],
  [mismatch, `${labelsAt} Invalid`],
  [{ spec: { template: null } }, `${labelsAt} Invalid`, 'spec.template.spec.containers Required'],
  [{ spec: { template: { spec: { restartPolicy: 'Never' } } } }, 'spec.template.spec.restartPolicy NotSupported'],
  [{ spec: { template: { spec: { containers: null } } } }, 'spec.template.spec.containers Required'],
  [
    { spec: { template: { spec: { ephemeralContainers: [{ name: 'e', image: 'a' }] } } } },
    'spec.template.spec.ephemeralContainers Forbidden',
  ],
  [{ spec: { strategy: { type: 'Canary' } } }, 'spec.strategy NotSupported'],
  [{ spec: { strategy: { type: 'Recreate', rollingUpdate: {} } } }, 'spec.strategy.rollingUpdate Forbidden'],
  [rolling({ maxSurge: 0, maxUnavailable: '0%' }), 'spec.strategy.rollingUpdate.maxUnavailable Invalid'],
  [rolling({ maxUnavailable: '150%' }), 'spec.strategy.rollingUpdate.maxUnavailable Invalid'],
  [rolling({ maxSurge: '5' }), 'spec.strategy.rollingUpdate.maxSurge Invalid'],
  [rolling({ maxSurge: -1 }), 'spec.strategy.rollingUpdate.maxSurge Invalid'],
  [{ spec: { minReadySeconds: -1 } }, 'spec.minReadySeconds Invalid'],
  [{ spec: { minReadySeconds: 700 } }, 'spec.progressDeadlineSeconds Invalid'],
  [{ spec: { revisionHistoryLimit: -1 } }, 'spec.revisionHistoryLimit Invalid'],
]);
check('bad replica sets are named', ReplicaSet, samples.replicaSet, [
  [{ spec: { replicas: -1 } }, 'spec.replicas Invalid'],
  [mismatch, `${labelsAt} Invalid`],
]);
check('bad stateful sets are named', StatefulSet, samples.statefulSet, [
  [{ spec: { podManagementPolicy: 'Random' } }, 'spec.podManagementPolicy Invalid'],
  [{ spec: { updateStrategy: { type: 'Never' } } }, 'spec.updateStrategy Invalid'],
  [
    { spec: { updateStrategy: { rollingUpdate: { partition: -1 } } } },
    'spec.updateStrategy.rollingUpdate.partition Invalid',
  ],
  [
    { spec: { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Burn' } } },
    'spec.persistentVolumeClaimRetentionPolicy.whenScaled NotSupported',
  ],
  [{ spec: { ordinals: { start: -1 } } }, 'spec.ordinals.start Invalid'],
  [
    { spec: { volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }] } },
    'spec.volumeClaimTemplates[0].spec.resources[storage] Required',
  ],
]);
check('bad daemon sets are named', DaemonSet, samples.daemonSet, [
  [{ spec: { updateStrategy: { type: 'Slow' } } }, 'spec.updateStrategy NotSupported'],
  [
    { spec: { updateStrategy: { rollingUpdate: { maxSurge: 1 } } } },
    'spec.updateStrategy.rollingUpdate.maxSurge Invalid',
  ],
  [
    { spec: { updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } } },
    'spec.updateStrategy.rollingUpdate.maxUnavailable Required',
  ],
]);
check('bad replication controllers are named', ReplicationController, samples.replicationController, [
  [{ spec: { selector: { app: 'other' } } }, `${labelsAt} Invalid`],
  [{ spec: { template: null } }, 'spec.template Required'],
]);
check('bad controller revisions are named', ControllerRevision, samples.controllerRevision, [
  [{ data: null }, 'data Required'],
  [{ revision: -1 }, 'revision Invalid'],
]);

check('bad jobs are named', Job, samples.job, [
  [{ spec: { parallelism: -1 } }, 'spec.parallelism Invalid'],
  [{ spec: { backoffLimit: -1 } }, 'spec.backoffLimit Invalid'],
  [{ spec: { ttlSecondsAfterFinished: -1 } }, 'spec.ttlSecondsAfterFinished Invalid'],
  [{ spec: { template: { spec: { restartPolicy: 'Always' } } } }, 'spec.template.spec.restartPolicy Required'],
  [{ spec: { completionMode: 'Half' } }, 'spec.completionMode NotSupported'],
  [{ spec: { completionMode: 'Indexed', parallelism: 2 } }, 'spec.completions Required'],
  [{ spec: { maxFailedIndexes: 1 } }, 'spec.backoffLimitPerIndex Required', 'spec.maxFailedIndexes Invalid'],
  [{ spec: { manualSelector: true } }, 'spec.selector Required', 'spec.template.metadata.labels Invalid'],
  [
    { spec: { selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'x' } } } },
    'spec.selector Invalid',
    'spec.template.metadata.labels Invalid',
  ],
  [
    { spec: { podFailurePolicy: { rules: [{ action: 'Shout', onExitCodes: { operator: 'In', values: [1] } }] } } },
    'spec.podFailurePolicy.rules[0].action NotSupported',
  ],
  [{ spec: { podFailurePolicy: { rules: [{ action: 'Ignore' }] } } }, 'spec.podFailurePolicy.rules[0] Invalid'],
  [{ spec: { successPolicy: { rules: [{ succeededCount: 1 }] } } }, 'spec.successPolicy Invalid'],
  [{ spec: { managedBy: 'me' } }, 'spec.managedBy Invalid'],
]);
check('bad cron jobs are named', CronJob, samples.cronJob, [
  [{ spec: { schedule: '' } }, 'spec.schedule Required'],
  [{ spec: { schedule: '* * * *' } }, 'spec.schedule Invalid'],
  [{ spec: { schedule: '61 * * * *' } }, 'spec.schedule Invalid'],
  [{ spec: { schedule: '@sometimes' } }, 'spec.schedule Invalid'],
  [{ spec: { schedule: 'TZ=UTC * * * * *' } }, 'spec.schedule Invalid'],
  [{ spec: { schedule: '0 4 * JAN-MAR,OCT MON/2' } }],
  [{ spec: { schedule: '@every 1h30m' } }],
  [{ spec: { timeZone: 'Mars/Olympus' } }, 'spec.timeZone Invalid'],
  [{ spec: { timeZone: 'Local' } }, 'spec.timeZone Invalid'],
  [{ spec: { timeZone: 'Europe/Berlin' } }],
  [{ spec: { concurrencyPolicy: 'Maybe' } }, 'spec.concurrencyPolicy NotSupported'],
  [
    { spec: { jobTemplate: { spec: { template: { spec: { containers: null } } } } } },
    'spec.jobTemplate.spec.template.spec.containers Required',
  ],
]);
check('bad autoscalers are named', HorizontalPodAutoscaler, samples.autoscaler, [
  [{ spec: { maxReplicas: 0 } }, 'spec.maxReplicas Invalid', 'spec.maxReplicas Invalid'],
  [{ spec: { minReplicas: 9 } }, 'spec.maxReplicas Invalid'],
  [{ spec: { scaleTargetRef: { name: '' } } }, 'spec.scaleTargetRef.name Required'],
  [{ spec: { metrics: [{ type: 'Guess' }] } }, 'spec.metrics[0].type NotSupported'],
  [{ spec: { metrics: [{ type: 'Resource' }] } }, 'spec.metrics[0].resource Required'],
  [
    { spec: { metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization' } } }] } },
    'spec.metrics[0].resource.target.averageUtilization Required',
  ],
  [
    { spec: { behavior: { scaleDown: { stabilizationWindowSeconds: 9999 } } } },
    'spec.behavior.scaleDown.stabilizationWindowSeconds Invalid',
  ],
]);
check('bad disruption budgets are named', PodDisruptionBudget, samples.budget, [
  [{ spec: { maxUnavailable: 1 } }, 'spec Invalid'],
  [{ spec: { minAvailable: '101%' } }, 'spec.minAvailable Invalid'],
  [{ spec: { minAvailable: -1 } }, 'spec.minAvailable Invalid'],
  [{ spec: { unhealthyPodEvictionPolicy: 'X' } }, 'spec.unhealthyPodEvictionPolicy NotSupported'],
]);

check('bad namespaces are named', Namespace, samples.namespace, [
  [{ spec: { finalizers: ['mine'] } }, 'spec.finalizers Invalid'],
]);
check('bad nodes are named', Node, samples.node, [
  [{ spec: { taints: [{ key: 'a b', effect: 'NoSchedule' }] } }, 'metadata.taints[0].key Invalid'],
  [{ spec: { taints: [{ key: 'a' }] } }, 'metadata.taints[0].effect Required'],
  [
    {
      spec: {
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule' },
        ],
      },
    },
    'metadata.taints[1] Duplicate',
  ],
  [{ spec: { podCIDRs: ['x'] } }, 'spec.podCIDRs[0] Invalid'],
  [{ status: { capacity: { cpu: '-1' } } }, 'status.capacity.cpu Invalid', 'status.allocatable.cpu Invalid'],
]);
check('bad config maps are named', ConfigMap, samples.configMap, [
  [{ data: { 'a/b': 'x' } }, 'data[a/b] Invalid'],
  [{ binaryData: { 'app.conf': 'AA==' } }, 'data[app.conf] Invalid'],
  [{ data: { big: 'x'.repeat(1024 * 1024) } }, '[] TooLong'],
]);
check('bad secrets are named', Secret, samples.secret, [
  [{ data: { '..': 'AA==' } }, 'data[..] Invalid'],
  [{ type: 'kubernetes.io/tls' }, 'data[tls.crt] Required', 'data[tls.key] Required'],
  [{ type: 'kubernetes.io/dockerconfigjson' }, 'data[.dockerconfigjson] Required'],
  [
    { type: 'kubernetes.io/dockerconfigjson', stringData: { '.dockerconfigjson': '{' } },
    'data[.dockerconfigjson] Invalid',
  ],
  [{ type: 'kubernetes.io/ssh-auth' }, 'data[ssh-privatekey] Required'],
  [
    { type: 'kubernetes.io/service-account-token' },
    'metadata.annotations[kubernetes.io/service-account.name] Required',
  ],
  [{ stringData: { big: 'x'.repeat(1024 * 1024) } }, 'data TooLong'],
]);
check('bad endpoints are named', Endpoints, samples.endpoints, [
  [{ subsets: [{ ports: [{ port: 80 }] }] }, 'subsets[0] Required'],
  [
    { subsets: [{ addresses: [{ ip: 'x' }] }] },
    'subsets[0].addresses[0].ip Invalid',
    'subsets[0].addresses[0].ip Invalid',
  ],
  [{ subsets: [{ addresses: [{ ip: '169.254.1.1' }] }] }, 'subsets[0].addresses[0].ip Invalid'],
  [
    { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }, { port: 81, name: 'b' }] }] },
    'subsets[0].ports[0].name Required',
  ],
]);
check('bad endpoint slices are named', EndpointSlice, samples.endpointSlice, [
  [{ addressType: '' }, 'addressType Required'],
  [{ endpoints: [{ addresses: [] }] }, 'endpoints[0].addresses Required'],
  [{ endpoints: [{ addresses: ['::1'] }] }, 'endpoints[0].addresses[0] Invalid'],
  [{ ports: [{ port: 1 }, { port: 2 }] }, 'ports[1].name Duplicate'],
  [{ endpoints: Array.from({ length: 1001 }, () => ({ addresses: ['10.0.0.1'] })) }, 'endpoints TooMany'],
]);
check('bad events are named', Event, samples.event, [
  [{ involvedObject: { namespace: 'other' } }, 'involvedObject.namespace Invalid'],
  [{ type: 'Odd' }, 'type NotSupported'],
]);
check('bad events of events.k8s.io are named', EventsEvent, samples.eventsEvent, [
  [{ eventTime: null }, 'eventTime Required'],
  [{ reportingController: 'a b' }, 'reportingController Invalid'],
  [{ action: '' }, 'action Required'],
  [{ note: 'x'.repeat(1025) }, 'note TooLong'],
]);
check('bad leases are named', Lease, samples.lease, [
  [{ spec: { leaseDurationSeconds: 0 } }, 'spec.leaseDurationSeconds Invalid'],
  [{ spec: { leaseTransitions: -1 } }, 'spec.leaseTransitions Invalid'],
]);
check('bad persistent volumes are named', PersistentVolume, samples.volume, [
  [{ spec: { accessModes: null } }, 'spec.accessModes Required'],
  [{ spec: { accessModes: ['Once'] } }, 'spec.accessModes NotSupported'],
  [{ spec: { capacity: null } }, 'spec.capacity Required', 'spec.capacity NotSupported'],
  [{ spec: { capacity: { storage: '0' } } }, 'spec.capacity[storage] Invalid'],
  [{ spec: { hostPath: null } }, 'spec Required'],
  [{ spec: { nfs: { server: 'a', path: '/b' } } }, 'spec.nfs Forbidden'],
  [{ spec: { persistentVolumeReclaimPolicy: 'Burn' } }, 'spec.persistentVolumeReclaimPolicy NotSupported'],
]);
check('bad claims are named', PersistentVolumeClaim, samples.claim, [
  [{ spec: { accessModes: ['ReadWriteOncePod', 'ReadOnlyMany'] } }, 'spec.accessModes Forbidden'],
  [{ spec: { resources: null } }, 'spec.resources[storage] Required'],
  [{ spec: { storageClassName: 'A' } }, 'spec.storageClassName Invalid'],
  [{ spec: { volumeMode: 'Tape' } }, 'spec.volumeMode NotSupported'],
]);
check('bad storage classes are named', StorageClass, samples.storageClass, [
  [{ provisioner: '' }, 'provisioner Required'],
  [{ reclaimPolicy: 'Recycle' }, 'reclaimPolicy NotSupported'],
  [{ volumeBindingMode: 'Later' }, 'volumeBindingMode NotSupported'],
]);
check('bad priority classes are named', PriorityClass, samples.priorityClass, [
  [{ value: 1_000_000_001 }, 'value Forbidden'],
  [{ metadata: { name: 'system-mine' } }, 'metadata.name Forbidden'],
  [{ preemptionPolicy: 'Ask' }, 'preemptionPolicy NotSupported'],
]);
check('bad quotas are named', ResourceQuota, samples.quota, [
  [{ spec: { hard: { pods: '1.5' } } }, 'spec.hard[pods] Invalid'],
  [{ spec: { hard: { 'a b': '1' } } }, 'spec.hard[a b] Invalid', 'spec.hard[a b] Invalid'],
  [{ spec: { hard: { gpus: '1' } } }, 'spec.hard[gpus] Invalid', 'spec.hard[gpus] Invalid'],
  [{ spec: { hard: { pods: '1' }, scopes: ['Rich'] } }, 'spec.scopes Invalid'],
  [{ spec: { hard: { secrets: '1' }, scopes: ['Terminating'] } }, 'spec.scopes Invalid'],
  [{ spec: { hard: { cpu: '1', 'requests.cpu': null }, scopes: ['BestEffort'] } }, 'spec.scopes Invalid'],
  [{ spec: { hard: { 'requests.cpu': null }, scopes: ['BestEffort', 'NotBestEffort'] } }, 'spec.scopes Invalid'],
  [
    {
      spec: {
        hard: { 'requests.cpu': null },
        scopeSelector: { matchExpressions: [{ scopeName: 'BestEffort', operator: 'In' }] },
      },
    },
    'spec.scopeSelector.matchExpressions.operator Invalid',
    'spec.scopeSelector.matchExpressions.values Required',
  ],
  [
    {
      spec: {
        hard: { pods: '1' },
        scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'Exists', values: ['x'] }] },
      },
    },
    'spec.scopeSelector.matchExpressions.values Invalid',
  ],
]);
check('bad limit ranges are named', LimitRange, samples.limitRange, [
  [
    { spec: { limits: [{ type: 'Container', min: { cpu: '3' }, max: { cpu: '2' } }] } },
    'spec.limits[0].min[cpu] Invalid',
    'spec.limits[0].defaultRequest[cpu] Invalid',
    'spec.limits[0].default[cpu] Invalid',
  ],
  [{ spec: { limits: [{ type: 'Pod', default: { cpu: '1' } }] } }, 'spec.limits[0].default Forbidden'],
  [{ spec: { limits: [{ type: 'Pod' }, { type: 'Pod' }] } }, 'spec.limits[1].type Duplicate'],
  [{ spec: { limits: [{ type: 'PersistentVolumeClaim' }] } }, 'spec.limits[0].limits Required'],
]);
check('bad roles are named', Role, samples.role, [
  [{ rules: [{ apiGroups: [''], resources: ['pods'] }] }, 'rules[0].verbs Required'],
  [{ rules: [{ verbs: ['get'], resources: ['pods'] }] }, 'rules[0].apiGroups Required'],
  [{ rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }] }, 'rules[0].nonResourceURLs Invalid'],
]);
check('bad cluster roles are named', ClusterRole, samples.clusterRole, [
  [
    { rules: [{ verbs: ['get'], nonResourceURLs: ['/x'], resources: ['pods'], apiGroups: [''] }] },
    'rules[0].nonResourceURLs Invalid',
  ],
  [{ aggregationRule: {} }, 'aggregationRule.clusterRoleSelectors Required'],
]);
check('bad role bindings are named', RoleBinding, samples.roleBinding, [
  [{ roleRef: { kind: 'Group' } }, 'roleRef.kind NotSupported'],
  [{ roleRef: { name: '' } }, 'roleRef.name Required'],
  [{ subjects: [{ kind: 'Robot', name: 'r2' }] }, 'subjects[0].kind NotSupported'],
  [{ subjects: [{ kind: 'User' }] }, 'subjects[0].name Required'],
]);
check('bad cluster role bindings are named', ClusterRoleBinding, samples.clusterRoleBinding, [
  [{ roleRef: { kind: 'Role' } }, 'roleRef.kind NotSupported'],
  [{ subjects: [{ kind: 'ServiceAccount', name: 'a' }] }, 'subjects[0].namespace Required'],
]);

test('complaints carry the texts that clients know', () => {
  const said = (kind: Kind, sample: object, change: object) =>
    kind.validate?.(created(kind, applyMergePatch(sample, change))).map(({ field, message }) => `${field}: ${message}`);
  assert.deepEqual(said(Deployment, samples.deployment, mismatch), [
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ]);
  assert.deepEqual(said(Pod, samples.pod, { spec: { restartPolicy: 'Sometimes' } }), [
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
  ]);
  assert.deepEqual(said(Pod, samples.pod, with1({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } })), [
    'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
  ]);
  assert.deepEqual(said(Pod, samples.pod, with1({ volumeMounts: [{ name: 'nope', mountPath: '/x' }] })), [
    'spec.containers[0].volumeMounts[0].name: Not found: "nope"',
  ]);
  assert.deepEqual(said(Job, samples.job, { spec: { template: { spec: { restartPolicy: null } } } }), [
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  ]);
});
