/**
 * A node whose credentials have been stolen tries every verb on every resource that the server lists, on what concerns
 * the node and on what does not. What gets through must be exactly what the table below allows, which was written from
 * upstream's documentation and not from our rules.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { certificateOf } from '../support/certificates.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const [own, other] = ['sim-00001', 'sim-00002'] as const;

let cluster: Tutti;
let api: RawApi;
let node: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '2']);
  api = await RawApi.open(cluster.kubeconfig);
  const thief = { commonName: `system:node:${own}`, organizations: ['system:nodes'] };
  node = api.as(await certificateOf(cluster.dataDir, thief));
  await prepare();
});
after(async () => {
  node[Symbol.dispose]();
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

/** In the namespace `shop`, what the pod on each node names; a third set belongs to nobody. */
async function prepare(): Promise<void> {
  await api.json('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
  const shop = (plural: string) => `/api/v1/namespaces/shop/${plural}`;
  for (const [name, nodeName] of [
    ['own', own],
    ['foreign', other],
    ['stray', ''],
  ] as const) {
    const metadata = { name };
    await api.json('POST', shop('secrets'), { metadata });
    await api.json('POST', shop('configmaps'), { metadata });
    await api.json('POST', shop('serviceaccounts'), { metadata });
    const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: '' };
    await api.json('POST', shop('persistentvolumeclaims'), { metadata, spec: { ...claim, volumeName: name } });
    await api.json('POST', '/api/v1/persistentvolumes', {
      metadata,
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        claimRef: { namespace: 'shop', name },
        csi: { driver: 'd', volumeHandle: name, nodePublishSecretRef: { namespace: 'shop', name: `${name}-disk` } },
      },
    });
    await api.json('POST', shop('secrets'), { metadata: { name: `${name}-disk` } });
    const attachment = {
      attacher: 'd',
      nodeName: nodeName === '' ? 'nobody' : nodeName,
      source: { persistentVolumeName: name },
    };
    await api.json('POST', '/apis/storage.k8s.io/v1/volumeattachments', { metadata, spec: attachment });
    if (nodeName === '') continue;
    await api.json('POST', shop('pods'), {
      metadata,
      spec: {
        nodeName,
        serviceAccountName: name,
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: 'c', image: 'i', envFrom: [{ secretRef: { name } }, { configMapRef: { name } }] }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: name } }],
      },
    });
  }
  await until('the pods are bound', async () => {
    const { items } = await api.json<{ items: readonly Pod[] }>('GET', shop('pods'));
    return items.every(({ spec }) => spec.nodeName !== undefined);
  });
}

interface Resource {
  readonly root: string;
  readonly group: string;
  readonly name: string;
  readonly namespaced: boolean;
  readonly kind: string;
  /** Of the body, which for some subresources is another group's. */
  readonly apiVersion: string;
}

interface Listed {
  readonly name: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
}

/** Every resource and subresource that discovery lists. */
async function catalog(): Promise<readonly Resource[]> {
  const { groups } = await api.json<{ groups: readonly { versions: readonly { groupVersion: string }[] }[] }>(
    'GET',
    '/apis',
  );
  const versions = ['v1', ...groups.flatMap((group) => group.versions.map(({ groupVersion }) => groupVersion))];
  const found: Resource[] = [];
  for (const groupVersion of versions) {
    const root = groupVersion === 'v1' ? '/api/v1' : `/apis/${groupVersion}`;
    const { resources } = await api.json<{ resources: readonly Listed[] }>('GET', root);
    const group = groupVersion.includes('/') ? groupVersion.slice(0, groupVersion.indexOf('/')) : '';
    for (const { name, namespaced, kind, group: bodyGroup, version } of resources) {
      const apiVersion = version === undefined ? groupVersion : [bodyGroup, version].filter(Boolean).join('/');
      found.push({ root, group, name, namespaced, kind, apiVersion });
    }
  }
  return found;
}

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'] as const;
type Verb = (typeof verbs)[number];

const methods: Readonly<Record<Verb, string>> = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};

/** One attempt: `name` is of the object, or what a list is narrowed to. */
interface Attempt {
  readonly resource: Resource;
  readonly verb: Verb;
  readonly name: string | undefined;
  readonly fields?: string;
}

/** A body that could be written. */
function sample({ kind, apiVersion, name: resource }: Resource, name: string | undefined): object {
  const spec = resource === 'pods' ? { spec: { containers: [{ name: 'c', image: 'i' }] } } : {};
  return { apiVersion, kind, metadata: { name }, ...spec };
}

/** `stored`: what a PUT sends. */
function request({ resource, verb, name, fields }: Attempt, stored?: unknown) {
  const [plural = '', subresource] = resource.name.split('/');
  const scope = resource.namespaced ? `/namespaces/${plural === 'leases' ? 'kube-node-lease' : 'shop'}` : '';
  const isWhole =
    verb === 'list' ||
    verb === 'watch' ||
    verb === 'deletecollection' ||
    (verb === 'create' && subresource === undefined);
  const path = [
    `${resource.root}${scope}/${plural}`,
    ...(isWhole ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ].join('/');
  const query = new URLSearchParams();
  if (verb === 'watch') query.set('watch', 'true');
  if (verb === 'watch') query.set('timeoutSeconds', '1');
  if (!['get', 'list', 'watch'].includes(verb)) query.set('dryRun', 'All');
  if (fields !== undefined) query.set('fieldSelector', fields);
  const isPatch = verb === 'patch';
  const hasBody = isPatch || verb === 'create' || verb === 'update';
  const body = isPatch ? {} : (stored ?? sample(resource, name));
  const headers: Record<string, string> = isPatch ? { 'content-type': 'application/merge-patch+json' } : {};
  return [methods[verb], `${path}?${query.toString()}`, hasBody ? body : undefined, headers] as const;
}

/** Upstream's documentation of the Node authorizer and of NodeRestriction, line by line. */
const everywhere: readonly (readonly [verbs: string, resources: string])[] = [
  ['get list watch', 'services namespaces'], // namespaces: Tutti's network policies
  ['get', 'endpoints'],
  ['create', 'events events.events.k8s.io'],
  ['update patch', 'events events.events.k8s.io'],
  ['get list watch', 'endpointslices.discovery.k8s.io'],
  ['get list watch', 'networkpolicies.networking.k8s.io ingresses.networking.k8s.io ingressclasses.networking.k8s.io'],
  ['get list watch', 'csidrivers.storage.k8s.io runtimeclasses.node.k8s.io'],
  ['create', 'tokenreviews.authentication.k8s.io selfsubjectreviews.authentication.k8s.io'],
  ['create', 'subjectaccessreviews.authorization.k8s.io localsubjectaccessreviews.authorization.k8s.io'],
  ['create', 'selfsubjectaccessreviews.authorization.k8s.io selfsubjectrulesreviews.authorization.k8s.io'],
  ['create get list watch', 'certificatesigningrequests.certificates.k8s.io'],
];
/** With the name of what belongs to the node. */
const ofItsOwn: readonly (readonly [verbs: string, resources: string])[] = [
  ['get list watch', 'secrets configmaps'],
  ['get', 'pods persistentvolumeclaims persistentvolumes volumeattachments.storage.k8s.io'],
  ['list watch delete', 'pods'],
  ['update patch', 'pods/status persistentvolumeclaims/status'],
  ['create', 'pods/eviction'],
  ['get list watch create update patch', 'nodes'],
  ['update patch', 'nodes/status'],
  ['get create update patch delete', 'leases.coordination.k8s.io csinodes.storage.k8s.io'],
];

function isIn(table: typeof everywhere, verb: Verb, qualified: string): boolean {
  return table.some(([some, resources]) => some.split(' ').includes(verb) && resources.split(' ').includes(qualified));
}

function mayPass({ resource, verb, name, fields }: Attempt): boolean {
  const [plural = '', subresource] = resource.name.split('/');
  const qualified = `${plural}${resource.group === '' ? '' : `.${resource.group}`}${subresource === undefined ? '' : `/${subresource}`}`;
  if (isIn(everywhere, verb, qualified)) return true;
  if (fields === `spec.nodeName=${own}`) return qualified === 'pods' && (verb === 'list' || verb === 'watch');
  const isOwn = name === own || name === 'own' || (name === 'own-disk' && plural === 'secrets');
  return isOwn && isIn(ofItsOwn, verb, qualified);
}

/** Names to try: the node's own, another's, and one that is nobody's. */
function namesFor({ name }: Resource): readonly string[] {
  const plural = name.split('/')[0] ?? '';
  if (plural === 'nodes' || plural === 'leases' || plural === 'csinodes') return [own, other, 'nobody'];
  if (plural === 'secrets') return ['own', 'foreign', 'stray', 'own-disk', 'foreign-disk', 'missing'];
  return ['own', 'foreign', 'stray'];
}

function attemptsOn(resource: Resource): readonly Attempt[] {
  const attempts: Attempt[] = [];
  for (const name of namesFor(resource)) {
    for (const verb of verbs) {
      if (verb === 'list' || verb === 'watch') {
        if (!resource.name.includes('/')) attempts.push({ resource, verb, name, fields: `metadata.name=${name}` });
      } else if (verb !== 'deletecollection') attempts.push({ resource, verb, name });
    }
  }
  if (resource.name.includes('/')) return attempts;
  for (const verb of ['list', 'watch', 'deletecollection'] as const) attempts.push({ resource, verb, name: undefined });
  if (resource.name === 'pods') {
    for (const verb of ['list', 'watch'] as const) {
      for (const each of [own, other])
        attempts.push({ resource, verb, name: undefined, fields: `spec.nodeName=${each}` });
    }
  }
  return attempts;
}

/** Those attempts whose outcome is not the expected one. */
async function surprises(as: RawApi, tried: readonly Verb[] = verbs): Promise<readonly string[]> {
  const attempts = (await catalog()).flatMap(attemptsOn).filter(({ verb }) => tried.includes(verb));
  assert.ok(attempts.length > 1200, `only ${attempts.length} attempts`);
  const wrong: string[] = [];
  const queue = attempts.values();
  const work = async () => {
    for (const attempt of queue) {
      const { resource, verb, name = '*', fields = '' } = attempt;
      const stored = verb === 'update' ? await present(attempt) : undefined;
      const [method, path, body, headers] = request(attempt, stored);
      const { code, body: answer } = await as.send(method, path, body, headers);
      // What is not there, or has no such verb, gives nothing to anybody.
      const isNothing = code === 404 || code === 405;
      const isExpected = mayPass(attempt);
      if (isNothing || (code !== 403) === isExpected) continue;
      const { message = '' } = (answer ?? {}) as { message?: string };
      wrong.push(`${verb} ${resource.name}.${resource.group} ${name} ${fields}: ${code} ${message}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, work));
  return wrong;
}

/** The object of an attempt as it is, for a PUT that changes nothing. */
async function present({ resource, name }: Attempt): Promise<unknown> {
  const [plural = ''] = resource.name.split('/');
  const [, path] = request({ resource: { ...resource, name: plural }, verb: 'get', name });
  const { code, body } = await api.send('GET', path);
  return code === 200 ? body : undefined;
}

/** A table that nothing matches would pass as well: these are really let through. */
const mustPass: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/api/v1/namespaces/shop/secrets/own'],
  ['GET', '/api/v1/namespaces/shop/secrets/own-disk'],
  ['GET', '/api/v1/namespaces/shop/configmaps?fieldSelector=metadata.name%3Down'],
  ['GET', '/api/v1/persistentvolumes/own'],
  ['GET', '/api/v1/namespaces/shop/persistentvolumeclaims/own'],
  ['GET', `/api/v1/pods?fieldSelector=spec.nodeName%3D${own}`],
  ['GET', `/api/v1/nodes/${own}`],
  ['GET', `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${own}`],
];

test('with the certificate of a node, exactly the allow-list works', async () => {
  assert.deepEqual(await surprises(node), []);
  for (const [method, path] of mustPass) assert.equal((await node.send(method, path)).code, 200, path);
});

test('the same attempts show it when somebody may do more', async () => {
  const groups = ['system:nodes', 'system:masters'];
  using strong = api.as(
    await certificateOf(cluster.dataDir, { commonName: `system:node:${own}`, organizations: groups }),
  );
  const wrong = await surprises(
    strong,
    verbs.filter((verb) => verb !== 'watch'),
  );
  for (const attempt of ['get secrets. foreign', 'list nodes. *', 'create pods/exec. foreign', 'get pods. foreign']) {
    assert.ok(
      wrong.some((each) => each.startsWith(attempt)),
      `${attempt} was not noticed`,
    );
  }
});

test('a node that is no member of the group of nodes, or has no name, may do nothing of this', async () => {
  for (const claimed of [
    { commonName: `system:node:${own}` },
    { commonName: 'mallory', organizations: ['system:nodes'] },
    { commonName: 'system:node:', organizations: ['system:nodes'] },
  ]) {
    using caller = api.as(await certificateOf(cluster.dataDir, claimed));
    for (const path of [
      '/api/v1/namespaces/shop/secrets/own',
      `/api/v1/nodes/${own}`,
      '/api/v1/namespaces/shop/pods/own',
    ]) {
      assert.equal(refusalOf(await caller.send('GET', path)).code, 403, `${claimed.commonName} ${path}`);
    }
  }
});
