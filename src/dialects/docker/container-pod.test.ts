import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasReason } from '#machinery/status-error.ts';
import { podOf, signalName, type PodRequest } from './container-pod.ts';
import { parseCreateBody, type CreateBody, type HostConfig } from './create-body.ts';
import { marks } from './marks.ts';

const id = 'ab'.repeat(32);
const request: Omit<PodRequest, 'body'> = {
  id,
  name: 'web',
  namespace: 'default',
  created: '2026-01-01T00:00:00Z',
  gated: true,
  isPortTaken: () => false,
};
const translate = (body: CreateBody, more: Partial<PodRequest> = {}) =>
  podOf({ ...request, ...more, body: { Image: 'demo', ...body } });
const specOf = (body: CreateBody) => translate(body).pod.spec;
const containerOf = (body: CreateBody) => specOf(body).containers[0];
const withHost = (HostConfig: HostConfig) => containerOf({ HostConfig });

/** What `docker create demo` sends: nearly every field, and none of them says anything. */
const plain: CreateBody = {
  Hostname: '', Domainname: '', User: '', Tty: false, OpenStdin: false, StdinOnce: false, Env: null, Cmd: null, Image: 'demo', Volumes: {}, WorkingDir: '', Entrypoint: null, Labels: {},
  HostConfig: {
    Binds: null, ContainerIDFile: '', LogConfig: { Type: '', Config: {} }, NetworkMode: 'default', PortBindings: {}, RestartPolicy: { Name: 'no', MaximumRetryCount: 0 }, AutoRemove: false, VolumeDriver: '', VolumesFrom: null, ConsoleSize: [24, 80], CapAdd: null, CapDrop: null, CgroupnsMode: '', Dns: [], DnsOptions: [], DnsSearch: [], ExtraHosts: null, GroupAdd: null, IpcMode: '', Cgroup: '', Links: null, OomScoreAdj: 0, PidMode: '', Privileged: false, PublishAllPorts: false, ReadonlyRootfs: false, SecurityOpt: null, UTSMode: '', UsernsMode: '', ShmSize: 0, Isolation: '', CpuShares: 0, Memory: 0, NanoCpus: 0, CgroupParent: '', BlkioWeight: 0, BlkioWeightDevice: [], CpuPeriod: 0, CpuQuota: 0, CpusetCpus: '', Devices: [], DeviceCgroupRules: null, DeviceRequests: null, MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: -1, OomKillDisable: false, PidsLimit: 0, Ulimits: [], CpuCount: 0, MaskedPaths: null, ReadonlyPaths: null,
  } as HostConfig,
  NetworkingConfig: { EndpointsConfig: { default: { IPAMConfig: null, Links: null, Aliases: null, MacAddress: '', DriverOpts: null, IPAddress: '' } } },
}; // prettier-ignore

test('podOf() makes a plain container a gated pod that keeps the whole request', () => {
  const { pod, warnings } = podOf({ ...request, body: plain });
  assert.deepEqual(warnings, []);
  assert.deepEqual(pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'web',
      namespace: 'default',
      labels: { [marks.managed]: 'true' },
      annotations: {
        [marks.id]: id,
        [marks.name]: 'web',
        [marks.created]: '2026-01-01T00:00:00Z',
        [marks.config]: JSON.stringify(plain),
      },
    },
    spec: {
      containers: [
        { name: 'main', image: 'demo', imagePullPolicy: 'IfNotPresent', env: [], resources: {}, securityContext: {} },
      ],
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 10,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      schedulingGates: [{ name: marks.gate }],
      hostname: 'abababababab',
    },
  });
});

test('podOf() takes command and variables literally, as Docker does', () => {
  const container = containerOf({
    Entrypoint: ['sh', '-c'],
    Cmd: ['echo $(HOME)'],
    Env: ['A=$(B)', 'C='],
    WorkingDir: '/w',
  });
  assert.deepEqual(container?.command, ['sh', '-c']);
  assert.deepEqual(container?.args, ['echo $$(HOME)']);
  assert.deepEqual(container?.env, [{ name: 'A', value: '$$(B)' }, { name: 'C', value: '' }]); // prettier-ignore
  assert.equal(container?.workingDir, '/w');
  assert.deepEqual(containerOf({ Entrypoint: [''], Cmd: ['ls', '-l'] })?.command, ['ls', '-l']);
});

test('podOf() translates what pods have', () => {
  const table: [found: unknown, wanted: unknown][] = [
    [containerOf({ Tty: true, OpenStdin: true, StdinOnce: true })?.stdinOnce, true],
    [containerOf({ User: '1000:50' })?.securityContext, { runAsUser: 1000, runAsGroup: 50 }],
    [containerOf({ User: 'root' })?.securityContext, { runAsUser: 0 }],
    [withHost({ Privileged: true, ReadonlyRootfs: true })?.securityContext, { privileged: true, readOnlyRootFilesystem: true }],
    [withHost({ CapAdd: ['CAP_NET_ADMIN', 'sys_time'], CapDrop: ['ALL'] })?.securityContext, { capabilities: { add: ['NET_ADMIN', 'SYS_TIME'], drop: ['ALL'] } }],
    [withHost({ SecurityOpt: ['no-new-privileges'] })?.securityContext, { allowPrivilegeEscalation: false }],
    [withHost({ Memory: 2 ** 20, NanoCpus: 1.5e9 })?.resources, { limits: { memory: '1048576', cpu: '1500m' } }],
    [withHost({ CpuQuota: 50_000, CpuShares: 512 })?.resources, { limits: { cpu: '500m' }, requests: { cpu: '500m' } }],
    [containerOf({ StopSignal: '3' })?.lifecycle, { stopSignal: 'SIGQUIT' }],
    [specOf({ StopTimeout: 3 }).terminationGracePeriodSeconds, 3],
    [specOf({ HostConfig: { RestartPolicy: { Name: 'unless-stopped' } } }).restartPolicy, 'Always'],
    [specOf({ HostConfig: { RestartPolicy: { Name: 'on-failure' } } }).restartPolicy, 'OnFailure'],
    [specOf({ HostConfig: { NetworkMode: 'host' } }).hostNetwork, true],
    [specOf({ HostConfig: { PidMode: 'host', IpcMode: 'host' } }).hostPID, true],
    [specOf({ Hostname: 'h' }).hostname, 'h'],
    [specOf({ HostConfig: { ExtraHosts: ['db:10.0.0.1'] } }).hostAliases, [{ ip: '10.0.0.1', hostnames: ['db'] }]],
    [specOf({ HostConfig: { Dns: ['1.1.1.1'], DnsOptions: ['ndots:2'] } }).dnsConfig, { options: [{ name: 'ndots', value: '2' }], nameservers: ['1.1.1.1'] }],
    [translate({}, { name: 'Odd_Name' }).pod.metadata?.name?.startsWith('odd-name-'), true],
    [translate({ Labels: { app: 'a', 'b/c/d': 'x', e: 'no spaces' } }).pod.metadata?.labels, { app: 'a', [marks.managed]: 'true' }],
    [containerOf({ Healthcheck: { Test: ['CMD-SHELL', 'test -f /ok'], Interval: 5e9, Retries: 2 } })?.readinessProbe, { exec: { command: ['/bin/sh', '-c', 'test -f /ok'] }, periodSeconds: 5, timeoutSeconds: 30, failureThreshold: 2 }],
  ]; // prettier-ignore
  for (const [found, wanted] of table) assert.deepEqual(found, wanted);
});

test('podOf() publishes ports, and chooses free ones for those left open', () => {
  const taken = new Set([32_768]);
  const { pod } = translate(
    {
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '9/tcp': {} },
      HostConfig: {
        PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }], '53/udp': [{ HostPort: '' }] },
      },
    },
    { isPortTaken: (port) => taken.has(port) },
  );
  assert.deepEqual(pod.spec.containers[0]?.ports, [
    { containerPort: 80, protocol: 'TCP', hostPort: 8080, hostIP: '127.0.0.1' },
    { containerPort: 53, protocol: 'UDP', hostPort: 32_769 },
    { containerPort: 9, protocol: 'TCP' },
  ]);
});

test('podOf() mounts host paths, memory and scratch space', () => {
  const { volumes, containers } = specOf({
    Volumes: { '/scratch': {} },
    HostConfig: {
      Binds: ['/a:/b:ro'],
      Tmpfs: { '/t': 'size=1m' },
      Mounts: [{ Type: 'bind', Source: '/c', Target: '/d' }],
    },
  });
  assert.deepEqual(volumes?.map(({ hostPath, emptyDir }) => hostPath?.path ?? emptyDir), ['/a', { medium: 'Memory', sizeLimit: '1048576' }, '/c', {}]); // prettier-ignore
  assert.deepEqual(containers[0]?.volumeMounts, [
    { name: 'volume-0', mountPath: '/b', readOnly: true },
    { name: 'volume-1', mountPath: '/t' },
    { name: 'volume-2', mountPath: '/d' },
    { name: 'volume-3', mountPath: '/scratch' },
  ]);
});

test('podOf() refuses by name what a pod cannot be told', () => {
  const refused: [body: CreateBody, message: RegExp][] = [
    [{ HostConfig: { Devices: [{}], Ulimits: [] } as HostConfig }, /HostConfig\.Devices \(--device\)|^$/],
    [{ HostConfig: { Init: true } as HostConfig }, /HostConfig\.Init \(--init\)/],
    [{ HostConfig: { PidsLimit: 100 } as HostConfig }, /--pids-limit/],
    [{ HostConfig: { SomethingNew: 'x' } as HostConfig }, /HostConfig\.SomethingNew/],
    [{ HostConfig: { Binds: ['data:/x'] } }, /named volumes \("data"\)/],
    [{ HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } } }, /a limit to restarts/],
    [{ HostConfig: { NetworkMode: 'none' } }, /--network none/],
    [{ HostConfig: { LogConfig: { Type: 'syslog' } } }, /--log-driver syslog/],
    [{ HostConfig: { GroupAdd: ['audio'] } }, /--group-add audio/],
    [{ HostConfig: { ExtraHosts: ['a:host-gateway'] } }, /host-gateway/],
    [{ User: 'nobody' }, /--user nobody/],
    [{ Env: ['HOME'] }, /unsetting a variable/],
    [{ Domainname: 'example' }, /--domainname/],
  ];
  for (const [body, message] of refused) {
    if (body.HostConfig !== undefined && 'Devices' in (body.HostConfig ?? {}))
      (body.HostConfig as { Devices: object[] }).Devices = [{ PathOnHost: '/dev/x' }];
    assert.throws(() => translate(body), (error) => hasReason(error, 'MethodNotAllowed') && message.test(error.message)); // prettier-ignore
  }
  const wrong: [body: CreateBody, message: RegExp][] = [
    [{ HostConfig: { NetworkMode: 'mine' } }, /network mine not found/],
    [{ HostConfig: { AutoRemove: true, RestartPolicy: { Name: 'always' } } }, /AutoRemove/],
    [{ HostConfig: { Binds: ['/a:b'] } }, /mount path must be absolute/],
    [{ HostConfig: { PortBindings: { '99999/tcp': null } } }, /invalid port specification/],
    [{ Labels: { [marks.id]: 'x' } }, /Tutti's own/],
    [{ StopSignal: 'SIGNOPE' }, /Invalid signal: SIGNOPE/],
  ];
  for (const [body, message] of wrong)
    assert.throws(() => translate(body), (error) => hasReason(error, 'BadRequest') && message.test(error.message)); // prettier-ignore
});

test('parseCreateBody() names the field whose shape is wrong', () => {
  for (const [body, message] of [
    [undefined, /config cannot be empty/],
    [{ Image: '' }, /no image specified/],
    [{ Image: 'x', Env: 'A=b' }, /invalid Env/],
    [{ Image: 'x', HostConfig: { Memory: '1g' } }, /invalid HostConfig\.Memory/],
    [{ Image: 'x', HostConfig: { Binds: [1] } }, /invalid HostConfig\.Binds/],
  ] as const)
    assert.throws(() => parseCreateBody(body), (error) => hasReason(error, 'BadRequest') && message.test(error.message)); // prettier-ignore
});

test('signalName() knows numbers, names and names with SIG', () => {
  for (const text of ['9', 'KILL', 'sigkill', 'SIGKILL']) assert.equal(signalName(text), 'SIGKILL');
  assert.throws(() => signalName('0'));
  assert.throws(() => signalName('99'));
});
