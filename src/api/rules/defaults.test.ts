import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '../apps/deployment.ts';
import { DaemonSet } from '../apps/daemon-set.ts';
import { StatefulSet } from '../apps/stateful-set.ts';
import { CronJob } from '../batch/cron-job.ts';
import { HorizontalPodAutoscaler } from '../autoscaling/horizontal-pod-autoscaler.ts';
import { Job } from '../batch/job.ts';
import { LimitRange } from '../core/limit-range.ts';
import { Namespace } from '../core/namespace.ts';
import { Node } from '../core/node.ts';
import { Pod } from '../core/pod.ts';
import { ReplicationController } from '../core/replication-controller.ts';
import { Secret } from '../core/secret.ts';
import { Service } from '../core/service.ts';
import { RoleBinding } from '../rbac/role-binding.ts';
import { created, defaulted, samples } from './samples.ts';

const containerDefaults = {
  imagePullPolicy: 'IfNotPresent',
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  resources: {},
};
const podSpecDefaults = {
  restartPolicy: 'Always',
  dnsPolicy: 'ClusterFirst',
  schedulerName: 'default-scheduler',
  terminationGracePeriodSeconds: 30,
  securityContext: {},
};
const metadata = { name: 'web', namespace: 'default' };
const container = { name: 'main', image: 'busybox:1.36', ...containerDefaults };
const template = { metadata: { labels: { app: 'web' } }, spec: { ...podSpecDefaults, containers: [container] } };

test('a minimal pod gets its defaults', () => {
  assert.deepEqual(created(Pod, samples.pod), {
    metadata,
    spec: { ...podSpecDefaults, enableServiceLinks: true, containers: [container] },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  });
});

test('every part of a pod gets its defaults', () => {
  const pod = defaulted(Pod, {
    metadata,
    spec: {
      hostNetwork: true,
      serviceAccountName: 'builder',
      initContainers: [{ name: 'init', image: 'a@sha256:0', resources: { limits: { cpu: '2000m' } } }],
      containers: [
        {
          name: 'main',
          image: 'registry:5000/app',
          ports: [{ containerPort: 80 }, { containerPort: 53, hostPort: 5353, protocol: 'UDP' }],
          env: [
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
          ],
          livenessProbe: { httpGet: { port: 'http' } },
          readinessProbe: { grpc: { port: 80 }, periodSeconds: 3 },
          lifecycle: { preStop: { httpGet: { port: 80, path: '/stop' } } },
          resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } },
        },
      ],
      ephemeralContainers: [{ name: 'debug', image: 'busybox:latest' }],
      volumes: [
        { name: 'scratch' },
        { name: 'secret', secret: { secretName: 's' } },
        { name: 'config', configMap: { name: 'c', defaultMode: 256 } },
        { name: 'host', hostPath: { path: '/' } },
        {
          name: 'all',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token' } },
              { downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } },
            ],
          },
        },
        { name: 'own', ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'] } } } },
        { name: 'image', image: { reference: 'data:1' } },
      ],
    },
  });
  assert.deepEqual(pod.spec, {
    ...podSpecDefaults,
    enableServiceLinks: true,
    hostNetwork: true,
    serviceAccountName: 'builder',
    serviceAccount: 'builder',
    initContainers: [
      {
        name: 'init',
        image: 'a@sha256:0',
        ...containerDefaults,
        resources: { limits: { cpu: '2' }, requests: { cpu: '2' } },
      },
    ],
    containers: [
      {
        name: 'main',
        image: 'registry:5000/app',
        ...containerDefaults,
        imagePullPolicy: 'Always',
        ports: [
          { containerPort: 80, hostPort: 80, protocol: 'TCP' },
          { containerPort: 53, hostPort: 5353, protocol: 'UDP' },
        ],
        env: [
          { name: 'IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } },
          { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '0' } } },
        ],
        livenessProbe: {
          httpGet: { port: 'http', path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        readinessProbe: {
          grpc: { port: 80, service: '' },
          timeoutSeconds: 1,
          periodSeconds: 3,
          successThreshold: 1,
          failureThreshold: 3,
        },
        lifecycle: { preStop: { httpGet: { port: 80, path: '/stop', scheme: 'HTTP' } } },
        resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m', memory: '1Gi' } },
      },
    ],
    ephemeralContainers: [{ name: 'debug', image: 'busybox:latest', ...containerDefaults, imagePullPolicy: 'Always' }],
    volumes: [
      { name: 'scratch', emptyDir: {} },
      { name: 'secret', secret: { secretName: 's', defaultMode: 420 } },
      { name: 'config', configMap: { name: 'c', defaultMode: 256 } },
      { name: 'host', hostPath: { path: '/', type: '' } },
      {
        name: 'all',
        projected: {
          defaultMode: 420,
          sources: [
            { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
            { downwardAPI: { items: [{ path: 'n', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } }] } },
          ],
        },
      },
      {
        name: 'own',
        ephemeral: {
          volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem' } },
        },
      },
      { name: 'image', image: { reference: 'data:1', pullPolicy: 'IfNotPresent' } },
    ],
  });
});

test('a pod is classed by what it requests and limits', () => {
  const quality = (resources: object) =>
    created(Pod, { metadata, spec: { containers: [{ name: 'a', image: 'b', resources }] } }).status?.qosClass;
  assert.equal(quality({}), 'BestEffort');
  assert.equal(quality({ requests: { cpu: '1' } }), 'Burstable');
  assert.equal(quality({ limits: { cpu: '1', memory: '1Gi' } }), 'Guaranteed');
  assert.equal(quality({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '0.5' } }), 'Burstable');
});

test('pod-level limits are requested, or what the containers request', () => {
  const { spec } = defaulted(Pod, {
    metadata,
    spec: {
      resources: { limits: { cpu: '2', memory: '1Gi' } },
      initContainers: [
        { name: 's', image: 'b', restartPolicy: 'Always', resources: { requests: { cpu: '100m' } } },
        { name: 'i', image: 'b', resources: { requests: { cpu: '1' } } },
      ],
      containers: [{ name: 'a', image: 'b', resources: { requests: { cpu: '200m' } } }],
    },
  });
  assert.deepEqual(spec.resources, {
    limits: { cpu: '2', memory: '1Gi' },
    requests: { cpu: '1100m', memory: '1Gi' },
  });
});

test('a minimal deployment gets its defaults', () => {
  assert.deepEqual(defaulted(Deployment, samples.deployment), {
    metadata,
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      template,
    },
  });
  const recreate = defaulted(Deployment, {
    ...samples.deployment,
    spec: { ...samples.deployment.spec, replicas: 0, strategy: { type: 'Recreate' } },
  });
  assert.deepEqual(recreate.spec.strategy, { type: 'Recreate' });
  assert.equal(recreate.spec.replicas, 0);
});

test('a minimal service gets its defaults', () => {
  assert.deepEqual(created(Service, samples.service), {
    metadata,
    spec: {
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      selector: { app: 'web' },
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    },
    status: { loadBalancer: {} },
  });
  const spec = (fields: object) => defaulted(Service, { metadata, spec: { ...samples.service.spec, ...fields } }).spec;
  assert.equal(spec({ type: 'NodePort' }).externalTrafficPolicy, 'Cluster');
  assert.equal(spec({ type: 'LoadBalancer' }).allocateLoadBalancerNodePorts, true);
  assert.deepEqual(spec({ sessionAffinity: 'ClientIP' }).sessionAffinityConfig, {
    clientIP: { timeoutSeconds: 10800 },
  });
  assert.deepEqual(spec({ clusterIP: 'None' }).clusterIPs, ['None']);
  assert.deepEqual(spec({ type: 'ExternalName', externalName: 'a.b' }), {
    type: 'ExternalName',
    externalName: 'a.b',
    sessionAffinity: 'None',
    selector: { app: 'web' },
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  });
});

test('a minimal job selects its pods by its uid', () => {
  const own = {
    'batch.kubernetes.io/controller-uid': 'u1',
    'batch.kubernetes.io/job-name': 'web',
    'controller-uid': 'u1',
    'job-name': 'web',
  };
  assert.deepEqual(created(Job, samples.job), {
    metadata: { ...metadata, uid: 'u1', labels: own },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      manualSelector: false,
      podReplacementPolicy: 'TerminatingOrFailed',
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
      template: {
        metadata: { labels: own },
        spec: { ...podSpecDefaults, restartPolicy: 'Never', containers: [container] },
      },
    },
    status: {},
  });
  const manual = created(Job, { ...samples.job, spec: { ...samples.job.spec, manualSelector: true } });
  assert.equal(manual.spec.selector, undefined);
});

test('the other kinds get their defaults', () => {
  assert.deepEqual(created(Namespace, samples.namespace), {
    metadata: { name: 'team', labels: { 'kubernetes.io/metadata.name': 'team' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  assert.deepEqual(defaulted(Node, samples.node).status?.allocatable, { cpu: '4', memory: '8Gi', pods: '110' });
  assert.deepEqual(defaulted(Secret, { metadata, data: { a: 'YQ==' }, stringData: { b: 'b', a: 'A' } }), {
    metadata,
    type: 'Opaque',
    data: { a: 'QQ==', b: 'Yg==' },
  });
  assert.deepEqual(defaulted(DaemonSet, samples.daemonSet).spec.updateStrategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
  });
  const stateful = defaulted(StatefulSet, samples.statefulSet).spec;
  assert.deepEqual(stateful.updateStrategy, { type: 'RollingUpdate', rollingUpdate: { partition: 0 } });
  assert.equal(stateful.podManagementPolicy, 'OrderedReady');
  assert.deepEqual(stateful.persistentVolumeClaimRetentionPolicy, { whenDeleted: 'Retain', whenScaled: 'Retain' });
  const cron = defaulted(CronJob, samples.cronJob).spec;
  assert.deepEqual(
    [cron.concurrencyPolicy, cron.suspend, cron.successfulJobsHistoryLimit, cron.failedJobsHistoryLimit],
    ['Allow', false, 3, 1],
  );
  assert.equal(cron.jobTemplate.spec.template.spec.dnsPolicy, 'ClusterFirst');
  assert.equal(cron.jobTemplate.spec.backoffLimit, undefined);
  const { replicas, selector } = defaulted(ReplicationController, {
    metadata,
    spec: { template: samples.deployment.spec.template },
  }).spec;
  assert.deepEqual([replicas, selector], [1, { app: 'web' }]);
  assert.deepEqual(defaulted(HorizontalPodAutoscaler, samples.autoscaler).spec.metrics, [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
  ]);
  assert.deepEqual(defaulted(LimitRange, samples.limitRange).spec.limits, [
    { type: 'Container', max: { cpu: '2' }, default: { cpu: '2' }, defaultRequest: { cpu: '2' } },
  ]);
  assert.deepEqual(defaulted(RoleBinding, samples.roleBinding).subjects, [
    { kind: 'User', name: 'ann', apiGroup: 'rbac.authorization.k8s.io' },
  ]);
});

test('a service that changes its type keeps what it may and drops the rest', () => {
  const stored = defaulted(Service, {
    metadata: { ...metadata, resourceVersion: '1' },
    spec: { ...samples.service.spec, type: 'NodePort', clusterIP: '10.0.0.5', ports: [{ port: 80, nodePort: 30080 }] },
  });
  const update = (spec: object) => {
    const next = Service.prepareForUpdate?.({ ...stored, spec: { ...spec } }, stored) ?? stored;
    return Service.defaults?.(next).spec;
  };
  // Only what the client wrote: the addresses stay.
  const patched = update({ ...samples.service.spec, type: 'NodePort' });
  assert.equal(patched?.clusterIP, '10.0.0.5');
  assert.equal(patched?.ports?.[0]?.nodePort, 30080);
  // What was read, with another type: the node port goes.
  const internal = update({ ...stored.spec, type: 'ClusterIP' });
  assert.equal(internal?.ports?.[0]?.nodePort, undefined);
  assert.equal(internal?.externalTrafficPolicy, undefined);
  assert.equal(internal?.clusterIP, '10.0.0.5');
  const named = update({ ...stored.spec, type: 'ExternalName', externalName: 'a.b' });
  assert.deepEqual(
    [named?.clusterIP, named?.clusterIPs, named?.ipFamilies, named?.internalTrafficPolicy],
    [undefined, undefined, undefined, undefined],
  );
});
