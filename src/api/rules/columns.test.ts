import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '#machinery/kind.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { DaemonSet } from '../apps/daemon-set.ts';
import { Deployment } from '../apps/deployment.ts';
import { StatefulSet } from '../apps/stateful-set.ts';
import { HorizontalPodAutoscaler } from '../autoscaling/horizontal-pod-autoscaler.ts';
import { CronJob } from '../batch/cron-job.ts';
import { Job } from '../batch/job.ts';
import { Endpoints } from '../core/endpoints.ts';
import { Event } from '../core/event.ts';
import { Node } from '../core/node.ts';
import { PersistentVolume } from '../core/persistent-volume.ts';
import { Pod } from '../core/pod.ts';
import { ResourceQuota } from '../core/resource-quota.ts';
import { Service } from '../core/service.ts';
import { EndpointSlice } from '../discovery/endpoint-slice.ts';
import { Event as EventsEvent } from '../events/event.ts';
import { eventFromStored, eventToStored } from '../events/event-view.ts';
import { builtinKinds } from '../kinds.ts';
import { RoleBinding } from '../rbac/role-binding.ts';
import { StorageClass } from '../storage/storage-class.ts';
import { defaulted, samples } from './samples.ts';

const now = Date.UTC(2026, 0, 1, 1, 0, 0);
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString();

/** A row as `kubectl get -o wide` shows it, name and value of each column. */
function row(kind: Kind, sample: object, more: object = {}): Readonly<Record<string, unknown>> {
  const object = defaulted(
    kind,
    applyMergePatch({ ...sample }, { metadata: { creationTimestamp: ago(3600 * 5) }, ...more }),
  );
  return Object.fromEntries((kind.columns ?? []).map((column) => [column.name, column.cell(object, now)]));
}

test('the headings are those of kubectl, in its order', () => {
  const headings = (kind: Kind) =>
    (kind.columns ?? []).map(({ name, priority }) => (priority === 0 ? name : `${name}*`).toUpperCase()).join(' | ');
  const expected: Readonly<Record<string, string>> = {
    pods: 'NAME | READY | STATUS | RESTARTS | AGE | IP* | NODE* | NOMINATED NODE* | READINESS GATES*',
    deployments: 'NAME | READY | UP-TO-DATE | AVAILABLE | AGE | CONTAINERS* | IMAGES* | SELECTOR*',
    replicasets: 'NAME | DESIRED | CURRENT | READY | AGE | CONTAINERS* | IMAGES* | SELECTOR*',
    statefulsets: 'NAME | READY | AGE | CONTAINERS* | IMAGES*',
    daemonsets:
      'NAME | DESIRED | CURRENT | READY | UP-TO-DATE | AVAILABLE | NODE SELECTOR | AGE | CONTAINERS* | IMAGES* | SELECTOR*',
    services: 'NAME | TYPE | CLUSTER-IP | EXTERNAL-IP | PORT(S) | AGE | SELECTOR*',
    nodes:
      'NAME | STATUS | ROLES | AGE | VERSION | INTERNAL-IP* | EXTERNAL-IP* | OS-IMAGE* | KERNEL-VERSION* | CONTAINER-RUNTIME*',
    jobs: 'NAME | STATUS | COMPLETIONS | DURATION | AGE | CONTAINERS* | IMAGES* | SELECTOR*',
    cronjobs: 'NAME | SCHEDULE | TIMEZONE | SUSPEND | ACTIVE | LAST SCHEDULE | AGE | CONTAINERS* | IMAGES* | SELECTOR*',
    events: 'LAST SEEN | TYPE | REASON | OBJECT | SUBOBJECT* | SOURCE* | MESSAGE | FIRST SEEN* | COUNT* | NAME*',
    horizontalpodautoscalers: 'NAME | REFERENCE | TARGETS | MINPODS | MAXPODS | REPLICAS | AGE',
    persistentvolumeclaims:
      'NAME | STATUS | VOLUME | CAPACITY | ACCESS MODES | STORAGECLASS | VOLUMEATTRIBUTESCLASS | AGE | VOLUMEMODE*',
    configmaps: 'NAME | DATA | AGE',
    secrets: 'NAME | TYPE | DATA | AGE',
    namespaces: 'NAME | STATUS | AGE',
    serviceaccounts: 'NAME | SECRETS | AGE',
    endpointslices: 'NAME | ADDRESSTYPE | PORTS | ENDPOINTS | AGE',
    leases: 'NAME | HOLDER | AGE',
    rolebindings: 'NAME | ROLE | AGE | USERS* | GROUPS* | SERVICEACCOUNTS*',
    roles: 'NAME | CREATED AT',
  };
  for (const [plural, heading] of Object.entries(expected)) {
    for (const kind of builtinKinds.filter((candidate) => candidate.plural === plural)) {
      assert.equal(headings(kind), heading, `${kind.group}/${plural}`);
    }
  }
});

test('every kind that is stored has columns', () => {
  const without = builtinKinds.filter((kind) => kind.columns === undefined && kind.verbs?.includes('list') !== false);
  assert.deepEqual(
    without.map(({ plural }) => plural),
    [],
  );
});

const waiting = (reason: string, more: object = {}) => ({
  name: 'main',
  image: '',
  imageID: '',
  ready: false,
  restartCount: 0,
  state: { waiting: { reason } },
  ...more,
});
const running = (more: object = {}) => ({
  ...waiting(''),
  ready: true,
  started: true,
  state: { running: { startedAt: ago(60) } },
  ...more,
});
const ended = (exitCode: number, more: object = {}) => ({
  ...waiting(''),
  state: { terminated: { exitCode, ...more } },
});

test('a pod is summed up in a word', () => {
  const init = { name: 'init', image: 'a' };
  const cases: readonly (readonly [object, string, string, string])[] = [
    [{}, '0/1', 'Pending', '0'],
    [
      { status: { phase: 'Pending', containerStatuses: [waiting('ContainerCreating')] } },
      '0/1',
      'ContainerCreating',
      '0',
    ],
    [{ status: { phase: 'Running', containerStatuses: [running()] } }, '1/1', 'Running', '0'],
    [{ status: { phase: 'Running', containerStatuses: [running({ ready: false })] } }, '0/1', 'Running', '0'],
    [
      {
        status: {
          phase: 'Running',
          containerStatuses: [
            waiting('CrashLoopBackOff', {
              restartCount: 3,
              lastState: { terminated: { exitCode: 1, finishedAt: ago(300) } },
            }),
          ],
        },
      },
      '0/1',
      'CrashLoopBackOff',
      '3 (5m ago)',
    ],
    [
      { status: { phase: 'Succeeded', containerStatuses: [ended(0, { reason: 'Completed' })] } },
      '0/1',
      'Completed',
      '0',
    ],
    [{ status: { phase: 'Failed', containerStatuses: [ended(1, { reason: 'Error' })] } }, '0/1', 'Error', '0'],
    [{ status: { phase: 'Failed', containerStatuses: [ended(3)] } }, '0/1', 'ExitCode:3', '0'],
    [{ status: { phase: 'Failed', containerStatuses: [ended(137, { signal: 9 })] } }, '0/1', 'Signal:9', '0'],
    [{ status: { phase: 'Failed', reason: 'Evicted' } }, '0/1', 'Evicted', '0'],
    [
      { metadata: { deletionTimestamp: ago(1) }, status: { phase: 'Running', containerStatuses: [running()] } },
      '1/1',
      'Terminating',
      '0',
    ],
    [
      { metadata: { deletionTimestamp: ago(1) }, status: { phase: 'Running', reason: 'NodeLost' } },
      '0/1',
      'Unknown',
      '0',
    ],
    [
      {
        spec: { initContainers: [init] },
        status: {
          phase: 'Pending',
          initContainerStatuses: [running({ name: 'init', ready: false })],
          containerStatuses: [waiting('PodInitializing')],
        },
      },
      '0/1',
      'Init:0/1',
      '0',
    ],
    [
      {
        spec: { initContainers: [init] },
        status: { phase: 'Pending', initContainerStatuses: [{ ...ended(1, { reason: 'Error' }), name: 'init' }] },
      },
      '0/1',
      'Init:Error',
      '0',
    ],
    [
      {
        spec: { initContainers: [init] },
        status: { phase: 'Pending', initContainerStatuses: [{ ...waiting('ImagePullBackOff'), name: 'init' }] },
      },
      '0/1',
      'Init:ImagePullBackOff',
      '0',
    ],
    [
      {
        spec: { initContainers: [{ ...init, restartPolicy: 'Always' }] },
        status: {
          phase: 'Running',
          initContainerStatuses: [running({ name: 'init' })],
          containerStatuses: [running()],
        },
      },
      '2/2',
      'Running',
      '0',
    ],
    [
      {
        spec: { schedulingGates: [{ name: 'g' }] },
        status: {
          phase: 'Pending',
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
        },
      },
      '0/1',
      'SchedulingGated',
      '0',
    ],
    [
      {
        status: {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True' }],
          containerStatuses: [{ ...ended(0, { reason: 'Completed' }), name: 'a' }, running()],
        },
      },
      '1/1',
      'Running',
      '0',
    ],
  ];
  for (const [more, ready, status, restarts] of cases) {
    const cells = row(Pod, { ...samples.pod, status: { phase: 'Pending' } }, more);
    assert.deepEqual(
      [cells['Ready'], cells['Status'], cells['Restarts']],
      [ready, status, restarts],
      JSON.stringify(more),
    );
  }
  assert.deepEqual(
    row(Pod, samples.pod, {
      spec: { nodeName: 'n1', readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }] },
      status: {
        phase: 'Running',
        podIP: '10.1.0.4',
        podIPs: [{ ip: '10.1.0.4' }],
        conditions: [{ type: 'a', status: 'True' }],
        containerStatuses: [running()],
      },
    }),
    {
      Name: 'web',
      Ready: '1/1',
      Status: 'Running',
      Restarts: '0',
      Age: '5h',
      IP: '10.1.0.4',
      Node: 'n1',
      'Nominated Node': '<none>',
      'Readiness Gates': '1/2',
    },
  );
});

test('other kinds show what kubectl shows', () => {
  assert.deepEqual(
    row(Deployment, samples.deployment, {
      status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 },
      spec: { replicas: 3 },
    }),
    {
      Name: 'web',
      Ready: '1/3',
      'Up-to-date': 2,
      Available: 1,
      Age: '5h',
      Containers: 'main',
      Images: 'busybox:1.36',
      Selector: 'app=web',
    },
  );
  assert.equal(row(StatefulSet, samples.statefulSet)['Ready'], '0/1');
  assert.equal(row(DaemonSet, samples.daemonSet)['Node Selector'], '<none>');
  assert.deepEqual(
    row(Service, samples.service, {
      spec: {
        type: 'NodePort',
        clusterIP: '10.0.0.5',
        ports: [
          { port: 80, nodePort: 30080 },
          { name: 'b', port: 53, protocol: 'UDP' },
        ],
      },
    }),
    {
      Name: 'web',
      Type: 'NodePort',
      'Cluster-IP': '10.0.0.5',
      'External-IP': '<none>',
      'Port(s)': '80:30080/TCP,53/UDP',
      Age: '5h',
      Selector: 'app=web',
    },
  );
  assert.equal(row(Service, samples.service, { spec: { type: 'LoadBalancer' } })['External-IP'], '<pending>');
  assert.equal(
    row(Service, samples.service, { spec: { type: 'ExternalName', externalName: 'a.b', ports: null } })['External-IP'],
    'a.b',
  );
  const node = row(Node, samples.node, {
    metadata: { labels: { 'node-role.kubernetes.io/control-plane': '', 'node-role.kubernetes.io/worker': '' } },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '192.168.1.2' }],
    },
  });
  assert.deepEqual(
    [node['Status'], node['Roles'], node['Internal-IP'], node['External-IP'], node['OS-Image']],
    ['Ready,SchedulingDisabled', 'control-plane,worker', '192.168.1.2', '<none>', '<unknown>'],
  );
  const job = row(Job, samples.job, { spec: { completions: 3 }, status: { succeeded: 1, startTime: ago(90) } });
  assert.deepEqual([job['Status'], job['Completions'], job['Duration']], ['Running', '1/3', '90s']);
  const cron = row(CronJob, samples.cronJob, { status: { lastScheduleTime: ago(30) } });
  assert.deepEqual(
    [cron['Timezone'], cron['Suspend'], cron['Active'], cron['Last Schedule']],
    ['<none>', false, 0, '30s'],
  );
  assert.equal(row(HorizontalPodAutoscaler, samples.autoscaler)['Targets'], 'cpu: <unknown>/80%');
  assert.equal(row(Endpoints, samples.endpoints)['Endpoints'], '10.1.2.3:80');
  assert.equal(
    row(EndpointSlice, samples.endpointSlice, {
      endpoints: [
        { addresses: ['1.1.1.1'] },
        { addresses: ['1.1.1.2'] },
        { addresses: ['1.1.1.3'] },
        { addresses: ['1.1.1.4'] },
      ],
    })['Endpoints'],
    '1.1.1.1,1.1.1.2,1.1.1.3 + 1 more...',
  );
  assert.equal(row(PersistentVolume, samples.volume)['Access Modes'], 'RWO');
  assert.equal(
    row(ResourceQuota, samples.quota, { status: { hard: { pods: '10', 'limits.cpu': '4' }, used: { pods: '2' } } })[
      'Request'
    ],
    'pods: 2/10',
  );
  assert.equal(row(RoleBinding, samples.roleBinding)['Users'], 'ann');
  assert.equal(
    row(StorageClass, samples.storageClass, {
      metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    })['Name'],
    'fast (default)',
  );
});

test('an event reads the same in both of its views', () => {
  const stored = defaulted(Event, {
    ...samples.event,
    message: 'Started container main\n',
    count: 3,
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:55:00Z',
    source: { component: 'agent', host: 'n1' },
  });
  const cells = Object.fromEntries((Event.columns ?? []).map((column) => [column.name, column.cell(stored, now)]));
  assert.deepEqual(cells, {
    'Last Seen': '5m',
    Type: 'Normal',
    Reason: 'Started',
    Object: 'pod/web',
    Subobject: '',
    Source: 'agent, n1',
    Message: 'Started container main',
    'First Seen': '60m',
    Count: '3',
    Name: 'web',
  });
  const view = eventFromStored(stored);
  assert.equal(view.note, stored.message);
  assert.deepEqual(view.regarding, stored.involvedObject);
  assert.deepEqual(eventToStored(view), { ...stored, apiVersion: 'v1' });
  assert.deepEqual(
    Object.fromEntries((EventsEvent.columns ?? []).map((column) => [column.name, column.cell(view, now)])),
    cells,
  );
});

test('fields that can be selected by read as text', () => {
  const pod = defaulted(Pod, { ...samples.pod, spec: { ...samples.pod.spec, nodeName: 'n1', hostNetwork: true } });
  const values = Object.fromEntries(
    Object.entries(Pod.selectableFields ?? {}).map(([field, read]) => [field, read(pod)]),
  );
  assert.deepEqual(values, {
    'spec.nodeName': 'n1',
    'spec.restartPolicy': 'Always',
    'spec.schedulerName': 'default-scheduler',
    'spec.serviceAccountName': '',
    'spec.hostNetwork': 'true',
    'status.phase': '',
    'status.podIP': '',
    'status.nominatedNodeName': '',
  });
});
