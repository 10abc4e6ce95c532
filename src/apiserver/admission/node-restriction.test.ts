import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TokenRequest } from '#api/authentication/token-request.ts';
import { Lease } from '#api/coordination/lease.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { builtinKinds } from '#api/kinds.ts';
import type { Client, UserInfo } from '#client/client.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { memoryStore } from '#store/memory.ts';
import { Api } from '../api.ts';
import { InProcessClient } from '../in-process-client.ts';
import { allowAll } from '../testing.ts';
import { nodeRestriction } from './node-restriction.ts';

const signal = AbortSignal.timeout(60_000);
const admin: UserInfo = { username: 'admin', groups: ['system:masters'] };
const nodeUser: UserInfo = { username: 'system:node:n1', groups: ['system:nodes'] };
const mirror = { 'kubernetes.io/config.mirror': 'x' };
const containers = [{ name: 'c', image: 'i' }];

interface Bench {
  readonly node: Client;
  readonly admin: Client;
  readonly uid: string;
  /** uids of the pods `own` and `foreign`. */
  readonly uids: Readonly<Record<string, string>>;
}

/** An API in which everybody may do everything, with or without the plugin. */
async function open(isGuarded: boolean): Promise<Bench & AsyncDisposable> {
  const store = memoryStore();
  const api = new Api({
    store,
    kinds: builtinKinds,
    authorizer: allowAll,
    admission: (registry) => (isGuarded ? [nodeRestriction(registry)] : []),
    tokenIssuer: { answer: async (_namespace, _account, request) => request },
    clock: systemClock,
    log: silentLog,
  });
  await api.start();
  const as = (user: UserInfo): Client => new InProcessClient(api, { user });
  const client = as(admin);
  const { metadata } = await client.create(
    Node,
    { metadata: { name: 'n1', labels: { role: 'x' } }, spec: {} },
    { signal },
  );
  const foreignNode: Node = { metadata: { name: 'n2' }, spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } };
  await client.create(Node, foreignNode, { signal });
  await client.create(ServiceAccount, { metadata: { name: 'a', namespace: 'shop' } }, { signal });
  const uids: Record<string, string> = {};
  for (const [name, nodeName] of [
    ['own', 'n1'],
    ['foreign', 'n2'],
  ] as const) {
    const pod: Pod = { metadata: { name, namespace: 'shop', labels: { app: 'a' } }, spec: { nodeName, containers } };
    uids[name] = (await client.create(Pod, pod, { signal })).metadata?.uid ?? '';
  }
  return {
    node: as(nodeUser),
    admin: client,
    uid: metadata?.uid ?? '',
    uids,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

const owner = (uid: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  name: 'n1',
  uid,
  controller: true,
  ...more,
});

function mirrorPod(uid: string, spec: Partial<Pod['spec']> = {}, metadata: NonNullable<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name: 'm', namespace: 'shop', annotations: mirror, ownerReferences: [owner(uid)], ...metadata },
    spec: { nodeName: 'n1', containers, ...spec },
  };
}

const patchOf = (kind: Kind, name: string, patch: Record<string, unknown>, subresource?: string) => (bench: Bench) =>
  bench.node.patch(
    kind,
    kind.namespaced ? { name, namespace: 'shop' } : { name },
    { type: 'merge', patch },
    { signal, ...(subresource === undefined ? {} : { subresource }) },
  );

const token = (ref: object | undefined) => (bench: Bench) => {
  const { uids } = bench;
  const bound =
    ref === undefined ? undefined : { apiVersion: 'v1', kind: 'Pod', uid: uids['own'], name: 'own', ...ref };
  const request = {
    metadata: { name: 'a', namespace: 'shop' },
    spec: { audiences: [], ...(bound === undefined ? {} : { boundObjectRef: bound }) },
  };
  const kind = ServiceAccount as unknown as Kind<TokenRequest>; // the path is the account's, the body a request
  return bench.node.create(kind, request, { signal, subresource: 'token' });
};

const eviction = (name: string) => (bench: Bench) =>
  bench.node.create<ApiObject>(Pod, { metadata: { name, namespace: 'shop' } }, { signal, subresource: 'eviction' });

const create = (make: (bench: Bench) => [Kind, ApiObject]) => (bench: Bench) =>
  bench.node.create(...make(bench), { signal });

/** What a node must not get done, and what it is told. */
const attacks: readonly (readonly [title: string, attempt: (bench: Bench) => Promise<unknown>, message: RegExp])[] = [
  [
    'another node’s object',
    patchOf(Node, 'n2', { metadata: { labels: { a: 'b' } } }),
    /node "n1" is not allowed to modify node "n2"/,
  ],
  [
    'another node’s status',
    patchOf(Node, 'n2', { status: { phase: 'x' } }, 'status'),
    /not allowed to modify node "n2"/,
  ],
  [
    'another node’s deletion',
    ({ node }) => node.delete(Node, { name: 'n2' }, { signal }),
    /not allowed to modify node "n2"/,
  ],
  [
    'a node of another name',
    create(() => [Node, { metadata: { name: 'n3' }, spec: {} } as Node]),
    /not allowed to modify node "n3"/,
  ],
  [
    'its own taints',
    patchOf(Node, 'n1', { spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } }),
    /not allowed to modify taints/,
  ],
  [
    'restricted labels',
    patchOf(Node, 'n1', { metadata: { labels: { 'node-restriction.kubernetes.io/pci': 'true' } } }),
    /is not allowed to modify labels: node-restriction.kubernetes.io\/pci/,
  ],
  [
    'restricted labels below',
    patchOf(Node, 'n1', { metadata: { labels: { 'a.node-restriction.kubernetes.io/pci': 'true' } } }),
    /is not allowed to modify labels/,
  ],
  [
    'roles of Kubernetes',
    patchOf(Node, 'n1', { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } }),
    /is not allowed to modify labels: node-role.kubernetes.io\/control-plane/,
  ],
  [
    'labels through its status',
    patchOf(Node, 'n1', { metadata: { labels: { 'x.k8s.io/y': '' } } }, 'status'),
    /is not allowed to modify labels/,
  ],
  [
    'an owner of its Node (CVE-2025-5187)',
    patchOf(Node, 'n1', { metadata: { ownerReferences: [owner('gone', { kind: 'Pod', controller: false })] } }),
    /not allowed to modify ownerReferences/,
  ],
  [
    'an ordinary pod',
    create(({ uid }) => [Pod, mirrorPod(uid, {}, { annotations: {} })]),
    /can only create mirror pods/,
  ],
  [
    'a mirror pod elsewhere',
    create(({ uid }) => [Pod, mirrorPod(uid, { nodeName: 'n2' })]),
    /spec.nodeName set to itself/,
  ],
  [
    'a mirror pod without owner',
    create(({ uid }) => [Pod, mirrorPod(uid, {}, { ownerReferences: [] })]),
    /with an owner reference set to itself/,
  ],
  [
    'a mirror pod with two owners',
    create(({ uid }) => [
      Pod,
      mirrorPod(uid, {}, { ownerReferences: [owner(uid), owner(uid, { name: 'n2', controller: false })] }),
    ]),
    /single owner reference/,
  ],
  [
    'a mirror pod that is not controlled',
    create(({ uid }) => [Pod, mirrorPod(uid, {}, { ownerReferences: [owner(uid, { controller: false })] })]),
    /controller owner reference/,
  ],
  [
    'a mirror pod that holds back its node',
    create(({ uid }) => [Pod, mirrorPod(uid, {}, { ownerReferences: [owner(uid, { blockOwnerDeletion: true })] })]),
    /must not set blockOwnerDeletion/,
  ],
  [
    'a mirror pod of an earlier node',
    create(() => [Pod, mirrorPod('other')]),
    /node n1 UID mismatch: expected other got/,
  ],
  [
    'an account',
    create(({ uid }) => [Pod, mirrorPod(uid, { serviceAccountName: 'a' })]),
    /reference a service account/,
  ],
  [
    'a secret',
    create(({ uid }) => [Pod, mirrorPod(uid, { volumes: [{ name: 'v', secret: { secretName: 's' } }] })]),
    /reference secrets/,
  ],
  [
    'a secret in the environment of a first container',
    create(({ uid }) => [
      Pod,
      mirrorPod(uid, { initContainers: [{ ...containers[0]!, name: 'i', envFrom: [{ secretRef: { name: 's' } }] }] }),
    ]),
    /reference secrets/,
  ],
  [
    'a config map',
    create(({ uid }) => [Pod, mirrorPod(uid, { volumes: [{ name: 'v', configMap: { name: 'm' } }] })]),
    /reference configmaps/,
  ],
  [
    'a claim',
    create(({ uid }) => [Pod, mirrorPod(uid, { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] })]),
    /reference persistentvolumeclaims/,
  ],
  [
    'a claim of a device (CVE-2025-4563)',
    create(({ uid }) => [Pod, mirrorPod(uid, { resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }] })]),
    /reference resourceclaims/,
  ],
  [
    'a change of its own pod',
    patchOf(Pod, 'own', { metadata: { labels: { app: 'b' } } }),
    /can only create and delete mirror pods/,
  ],
  [
    'another’s pod',
    ({ node }) => node.delete(Pod, { name: 'foreign', namespace: 'shop' }, { signal }),
    /can only delete pods/,
  ],
  [
    'the status of another’s pod',
    patchOf(Pod, 'foreign', { status: { phase: 'Failed' } }, 'status'),
    /can only update pod status/,
  ],
  [
    'labels through the status',
    patchOf(Pod, 'own', { metadata: { labels: { app: 'b' } } }, 'status'),
    /cannot update labels through pod status/,
  ],
  [
    'claims through the status',
    patchOf(Pod, 'own', { status: { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'x' }] } }, 'status'),
    /cannot update resource claim statues/,
  ],
  ['the eviction of another’s pod', eviction('foreign'), /can only evict pods/],
  ['a token of nobody', token(undefined), /token not bound to a pod/],
  [
    'a token of another’s pod',
    (bench) => token({ name: 'foreign', uid: bench.uids['foreign'] })(bench),
    /pod scheduled on a different node/,
  ],
  ['a token of an earlier pod', token({ uid: 'other' }), /does not match the UID in record/],
  ['a token without a uid', token({ uid: undefined }), /pod binding without a uid/],
  ['a token of a secret', token({ kind: 'Secret' }), /token not bound to a pod/],
  [
    'another node’s lease',
    create(() => [Lease, { metadata: { name: 'n2', namespace: 'kube-node-lease' } }]),
    /can only access node lease/,
  ],
  [
    'a lease elsewhere',
    create(() => [Lease, { metadata: { name: 'n1', namespace: 'shop' } }]),
    /in the "kube-node-lease" system namespace/,
  ],
];

for (const [title, attempt, message] of attacks) {
  test(`a node does not get at ${title}, and would without the plugin`, async () => {
    await using guarded = await open(true);
    await assert.rejects(attempt(guarded), message);
    // The very same attempt where nobody guards: it must be one that could succeed.
    await using open_ = await open(false);
    await attempt(open_);
  });
}

test('a node may do its own work', async () => {
  await using bench = await open(true);
  await create(({ uid }) => [Pod, mirrorPod(uid)])(bench);
  await patchOf(Pod, 'own', { status: { phase: 'Running' } }, 'status')(bench);
  await patchOf(Node, 'n1', {
    metadata: { labels: { mine: 'x', 'topology.kubernetes.io/zone': 'z', 'a.kubelet.kubernetes.io/b': '' } },
  })(bench);
  await patchOf(Node, 'n1', { status: { phase: 'x' } }, 'status')(bench);
  await create(() => [Lease, { metadata: { name: 'n1', namespace: 'kube-node-lease' } }])(bench);
  await token({})(bench);
  await eviction('own')(bench);
  const { metadata } = await bench.admin.get(Node, { name: 'n1' }, { signal });
  assert.equal(metadata?.labels?.['mine'], 'x');
});
