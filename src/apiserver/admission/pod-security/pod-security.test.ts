import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from '#api/apps/deployment.ts';
import { CronJob } from '#api/batch/cron-job.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import type { Container, PodSpec } from '#api/core/types.generated.ts';
import type { RequestContext } from '../../request.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { admin, testApi } from '../../testing.ts';
import { detailed, violations } from './evaluate.ts';
import { type PodSecurityOptions, podSecurity } from './pod-security.ts';
import { type LevelVersion, policyOf, defaultPolicy } from './policy.ts';

type Case = readonly [name: string, pod: Partial<PodSpec>, says: string | undefined];

const container = (fields: Partial<Container> = {}, name = 'c'): Container => ({ name, image: 'i', ...fields });
const secure = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
} as const;
/** Good at every level unless `securityContext` spoils it. */
const strict = (securityContext: Container['securityContext'] = {}, name = 'c') =>
  container({ securityContext: { ...secure, ...securityContext } }, name);

function found(
  level: LevelVersion['level'],
  spec: Partial<PodSpec>,
  version: LevelVersion['version'] = 'latest',
  annotations = {},
) {
  const pod = { metadata: { annotations }, spec: { containers: [container()], ...spec } };
  return detailed(violations({ level, version }, pod));
}

const baseline: readonly Case[] = [
  ['nothing said', {}, undefined],
  [
    'AppArmor unconfined',
    { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
    'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
  ],
  [
    'AppArmor of a container',
    { containers: [container({ securityContext: { appArmorProfile: { type: 'Unconfined' } } })] },
    'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
  ],
  [
    'AppArmor of the host',
    { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'x' } } },
    undefined,
  ],
  [
    'capabilities beyond the default',
    { containers: [container({ securityContext: { capabilities: { add: ['SYS_ADMIN', 'CHOWN', 'NET_RAW'] } } })] },
    'non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)',
  ],
  [
    'default capabilities',
    { containers: [container({ securityContext: { capabilities: { add: ['CHOWN', 'KILL'] } } })] },
    undefined,
  ],
  [
    'namespaces of the host',
    { hostNetwork: true, hostIPC: true, hostPID: true },
    'host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)',
  ],
  [
    'paths of the host',
    {
      volumes: [
        { name: 'a', hostPath: { path: '/' } },
        { name: 'b', hostPath: { path: '/b' } },
        { name: 'c', emptyDir: {} },
      ],
    },
    'hostPath volumes (volumes "a", "b")',
  ],
  [
    'a port of the host',
    { containers: [container({ ports: [{ containerPort: 80, hostPort: 80 }] })] },
    'hostPort (container "c" uses hostPort 80)',
  ],
  [
    'ports of the host',
    {
      initContainers: [
        container(
          {
            ports: [
              { containerPort: 1, hostPort: 1 },
              { containerPort: 2, hostPort: 2 },
            ],
          },
          'a',
        ),
      ],
      containers: [container({ ports: [{ containerPort: 2, hostPort: 2 }] })],
    },
    'hostPort (containers "a", "c" use hostPorts 1, 2)',
  ],
  ['hostPort 0', { containers: [container({ ports: [{ containerPort: 80, hostPort: 0 }] })] }, undefined],
  [
    'a probe of another host',
    { containers: [container({ livenessProbe: { httpGet: { host: 'x', port: 1 } } })] },
    'probe or lifecycle host (container "c" uses probe or lifecycle host "x")',
  ],
  [
    'hooks to other hosts',
    {
      containers: [
        container({
          lifecycle: { preStop: { tcpSocket: { host: 'x', port: 1 } }, postStart: { httpGet: { host: 'y', port: 1 } } },
        }),
      ],
    },
    'probe or lifecycle host (container "c" uses probe or lifecycle hosts "x", "y")',
  ],
  ['a probe of itself', { containers: [container({ readinessProbe: { httpGet: { port: 1 } } })] }, undefined],
  [
    'privileged',
    { initContainers: [container({ securityContext: { privileged: true } }, 'a')] },
    'privileged (container "a" must not set securityContext.privileged=true)',
  ],
  [
    'privileged for debugging',
    { ephemeralContainers: [{ name: 'e', image: 'i', securityContext: { privileged: true } }] },
    'privileged (container "e" must not set securityContext.privileged=true)',
  ],
  ['not privileged', { containers: [container({ securityContext: { privileged: false } })] }, undefined],
  [
    'unmasked /proc',
    { containers: [container({ securityContext: { procMount: 'Unmasked' } })] },
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'unmasked /proc in a user namespace',
    { hostUsers: false, containers: [container({ securityContext: { procMount: 'Unmasked' } })] },
    undefined,
  ],
  [
    'SELinux',
    {
      securityContext: { seLinuxOptions: { type: 'x', user: 'u' } },
      containers: [container({ securityContext: { seLinuxOptions: { role: 'r' } } })],
    },
    'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: type "x"; user may not be set; role may not be set)',
  ],
  [
    'known SELinux types',
    { securityContext: { seLinuxOptions: { type: 'container_engine_t', level: 's0' } } },
    undefined,
  ],
  [
    'seccomp unconfined',
    {
      securityContext: { seccompProfile: { type: 'Unconfined' } },
      containers: [container({ securityContext: { seccompProfile: { type: 'Unconfined' } } })],
    },
    'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
  ],
  [
    'seccomp of the host',
    { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'x' } } },
    undefined,
  ],
  [
    'unsafe sysctls',
    {
      securityContext: {
        sysctls: [
          { name: 'kernel.msgmax', value: '1' },
          { name: 'net.ipv4.tcp_rmem', value: '1' },
        ],
      },
    },
    'forbidden sysctls (kernel.msgmax)',
  ],
  [
    'a host process',
    { securityContext: { windowsOptions: { hostProcess: true } } },
    'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
  ],
];

const restricted: readonly Case[] = [
  ['all that is asked for', { containers: [strict()] }, undefined],
  [
    'nothing said',
    {},
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ],
  [
    'escalation',
    { containers: [strict({ allowPrivilegeEscalation: true })] },
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
  ],
  [
    'capabilities',
    { containers: [strict({ capabilities: { add: ['CHOWN', 'NET_BIND_SERVICE'] } })] },
    'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; container "c" must not include "CHOWN" in securityContext.capabilities.add)',
  ],
  [
    'NET_BIND_SERVICE',
    { containers: [strict({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } })] },
    undefined,
  ],
  [
    'unmasked /proc in a user namespace',
    { hostUsers: false, containers: [strict({ procMount: 'Unmasked' })] },
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'volumes',
    {
      containers: [strict()],
      volumes: [
        { name: 'a', hostPath: { path: '/' } },
        { name: 'b', nfs: { server: 's', path: '/' } },
        { name: 'c', secret: {} },
        { name: 'd' },
      ],
    },
    'restricted volume types (volumes "a", "b", "d" use restricted volume types "hostPath", "nfs", "unknown")',
  ],
  [
    'root by name',
    { securityContext: { runAsNonRoot: false }, containers: [strict()] },
    'runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)',
  ],
  [
    'root in a container',
    { containers: [strict({ runAsNonRoot: false })] },
    'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
  ],
  [
    'root by number',
    { securityContext: { runAsUser: 0 }, containers: [strict({ runAsUser: 0 })] },
    'runAsUser=0 (pod and container "c" must not set runAsUser=0)',
  ],
  [
    'root in a user namespace',
    { hostUsers: false, containers: [strict({ runAsUser: 0, runAsNonRoot: false })] },
    undefined,
  ],
  [
    'seccomp by the pod',
    {
      securityContext: { seccompProfile: { type: 'RuntimeDefault' }, runAsNonRoot: true },
      containers: [
        container({ securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }),
      ],
    },
    undefined,
  ],
  [
    'seccomp unconfined',
    { containers: [strict({ seccompProfile: { type: 'Unconfined' } })] },
    'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
  ],
  ['Windows', { os: { name: 'windows' }, securityContext: { runAsNonRoot: true } }, undefined],
  [
    'what baseline forbids, too',
    { hostNetwork: true, containers: [strict({ privileged: true })] },
    'host namespaces (hostNetwork=true), privileged (container "c" must not set securityContext.privileged=true)',
  ],
];

for (const [level, cases] of [
  ['baseline', baseline],
  ['restricted', restricted],
] as const) {
  for (const [name, spec, says] of cases) {
    test(`${level}: ${name}`, () => {
      assert.equal(found(level, spec), says ?? '');
      assert.equal(found('privileged', spec), '');
    });
  }
}

test('a policy of an older version asks what it asked then', () => {
  const probe = { containers: [container({ livenessProbe: { httpGet: { host: 'x', port: 1 } } })] };
  assert.equal(found('baseline', probe, 33), '');
  assert.notEqual(found('baseline', probe, 34), '');
  assert.equal(found('baseline', probe, 99), found('baseline', probe));
  const sysctl = { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_fin_timeout', value: '1' }] } };
  assert.deepEqual(
    [28, 29].map((version) => found('baseline', sysctl, version)),
    ['forbidden sysctls (net.ipv4.tcp_fin_timeout)', ''],
  );
  const windows = { os: { name: 'windows' }, securityContext: { runAsNonRoot: true } };
  assert.match(found('restricted', windows, 24), /allowPrivilegeEscalation/);
  const unconfined = { securityContext: { seccompProfile: { type: 'Unconfined' } } };
  assert.equal(found('baseline', unconfined, 18), '');
  const annotation = { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' };
  assert.equal(
    found('baseline', {}, 18, annotation),
    'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
  );
  const unmasked = { hostUsers: false, containers: [container({ securityContext: { procMount: 'Unmasked' } })] };
  assert.notEqual(found('baseline', unmasked, 34), '');
  assert.match(
    found('baseline', {}, 'latest', { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }),
    /annotation must not set AppArmor profile type to "container\.apparmor/,
  );
});

test('policyOf() enforces strictly what it cannot read, and warns of what is enforced', () => {
  const label = (mode: string) => `pod-security.kubernetes.io/${mode}`;
  const bad = policyOf(
    { [label('enforce')]: 'x', [label('audit')]: 'y', [label('warn-version')]: 'v2' },
    defaultPolicy,
  );
  assert.deepEqual(
    [bad.policy.enforce.level, bad.policy.audit.level, bad.policy.warn.level],
    ['restricted', 'privileged', 'privileged'],
  );
  assert.deepEqual(
    bad.errors.map(({ field, message }) => `${field}: ${message}`),
    [
      'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "x": must be one of privileged, baseline, restricted',
      'metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "y": must be one of privileged, baseline, restricted',
      'metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "v2": must be "latest" or "v1.x"',
    ],
  );
  const good = policyOf({ [label('enforce')]: 'baseline', [label('enforce-version')]: 'v1.30' }, defaultPolicy);
  assert.deepEqual(good.policy.warn, { level: 'baseline', version: 30 });
  assert.deepEqual(good.errors, []);
});

async function open(signal: AbortSignal, options: PodSecurityOptions = {}) {
  const api = await testApi({ admission: (registry) => [podSecurity(registry, options)] });
  const warnings: string[] = [];
  const notes: Record<string, string> = {};
  const context: RequestContext = {
    user: admin,
    signal,
    userAgent: 'test',
    warn: (text) => void warnings.push(text),
    audit: { annotate: (key, value) => void (notes[key] = value) },
  };
  const write = { dryRun: false };
  const create = <T extends ApiObject>(kind: Kind<T>, object: T) =>
    api.create({ kind, namespace: kind.namespaced ? 'a' : undefined }, async () => object, write, context);
  const label = (labels: Record<string, string>) =>
    api.update(
      'update',
      { kind: Namespace, namespace: undefined, name: 'a' },
      async () => async (old) => ({ ...old, metadata: { ...old.metadata, labels } }),
      write,
      context,
    );
  return { api, warnings, notes, create, label, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

const pod = (name: string, fields: Partial<Container> = {}): Pod => ({
  metadata: { name, namespace: 'a' },
  spec: { containers: [container(fields)] },
});
const privileged = { securityContext: { privileged: true } };
const prefix = 'pod-security.kubernetes.io/';

test('a namespace refuses, notes and warns as its labels say; templates are never refused', async ({ signal }) => {
  await using cluster = await open(signal);
  const { create, warnings, notes } = cluster;
  await assert.rejects(
    create(Namespace, { metadata: { name: 'bad', labels: { [`${prefix}enforce`]: 'no' } }, spec: {} }),
    (error) => hasReason(error, 'Invalid') && error.message.includes('must be one of privileged, baseline, restricted'),
  );
  await create(Namespace, {
    metadata: {
      name: 'a',
      labels: { [`${prefix}enforce`]: 'baseline', [`${prefix}audit`]: 'restricted', [`${prefix}warn`]: 'restricted' },
    },
    spec: {},
  });
  await assert.rejects(
    create(Pod, pod('p', privileged)),
    (error) =>
      hasReason(error, 'Forbidden') &&
      error.message ===
        'pods "p" is forbidden: violates PodSecurity "baseline:latest": privileged (container "c" must not set securityContext.privileged=true)',
  );
  assert.deepEqual(warnings, [], 'who is refused is not warned as well');
  assert.equal(notes[`${prefix}enforce-policy`], 'baseline:latest');
  assert.match(notes[`${prefix}audit-violations`] ?? '', /^would violate PodSecurity "restricted:latest": /);
  await create(Pod, pod('q'));
  assert.match(
    warnings.pop() ?? '',
    /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
  );
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [container(privileged)] } };
  await create(Deployment, {
    metadata: { name: 'd', namespace: 'a' },
    spec: { replicas: 1, selector: { matchLabels: { a: 'b' } }, template },
  });
  assert.match(warnings.pop() ?? '', /privileged \(container "c" must not set/);
  await create(CronJob, {
    metadata: { name: 'j', namespace: 'a' },
    spec: {
      schedule: '* * * * *',
      jobTemplate: { spec: { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } } },
    },
  });
  assert.match(warnings.pop() ?? '', /privileged \(container "c" must not set/);
});

test('whoever makes a policy stricter is told of the pods that are there', async ({ signal }) => {
  await using cluster = await open(signal);
  const { create, label, warnings } = cluster;
  await create(Namespace, { metadata: { name: 'a' }, spec: {} });
  for (const name of ['b', 'c', 'a']) await create(Pod, pod(name, privileged));
  await create(Pod, pod('z', { ports: [{ containerPort: 1, hostPort: 1 }] }));
  await label({ [`${prefix}enforce`]: 'baseline' });
  assert.deepEqual(warnings, [
    'existing pods in namespace "a" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 2 other pods): privileged',
    'z: hostPort',
  ]);
  warnings.length = 0;
  await label({ [`${prefix}enforce`]: 'privileged' });
  assert.deepEqual(warnings, []);
  await assert.rejects(label({ [`${prefix}enforce`]: 'x' }), /must be one of/);
});

test('what is exempt goes free, and a policy for an exempt namespace is warned about', async ({ signal }) => {
  const labels = { [`${prefix}enforce`]: 'restricted' };
  await using cluster = await open(signal, { exempt: { namespaces: ['a'] } });
  await cluster.create(Namespace, { metadata: { name: 'a', labels }, spec: {} });
  assert.deepEqual(cluster.warnings, [
    'namespace "a" is exempt from Pod Security, and the policy (enforce=restricted:latest) will be ignored',
  ]);
  await cluster.create(Pod, pod('p', privileged));
  assert.equal(cluster.notes[`${prefix}exempt`], 'namespace');

  await using users = await open(signal, { exempt: { usernames: [admin.username], runtimeClasses: ['kata'] } });
  await users.create(Namespace, { metadata: { name: 'a', labels }, spec: {} });
  await users.create(Pod, pod('p', privileged));

  await using classes = await open(signal, { exempt: { runtimeClasses: ['kata'] } });
  await classes.create(Namespace, { metadata: { name: 'a', labels }, spec: {} });
  await classes.create(Pod, {
    ...pod('p', privileged),
    spec: { ...pod('p', privileged).spec, runtimeClassName: 'kata' },
  });
  await assert.rejects(classes.create(Pod, pod('q', privileged)), /violates PodSecurity "restricted:latest"/);
});
