import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/cluster-role-binding.ts';
import { Role } from '#api/rbac/role.ts';
import { RoleBinding } from '#api/rbac/role-binding.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { builtinKinds } from '#api/kinds.ts';
import type { UserInfo } from '#client/client.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { hasReason, StatusError } from '#machinery/status-error.ts';
import { memoryStore } from '#store/memory.ts';
import { rbacEscalation } from '../admission/rbac-escalation.ts';
import { Api } from '../api.ts';
import { InProcessClient } from '../in-process-client.ts';
import { accessOver, type Access } from './access.ts';
import { applyDefaultPolicy } from './policy/apply-default-policy.ts';
import { reviewAccess, reviewLocalAccess, reviewRules, reviewSelfAccess } from './reviews.ts';

const signal = AbortSignal.timeout(60_000);
const user = (username: string, ...groups: string[]): UserInfo => ({
  username,
  groups: [...groups, 'system:authenticated'],
});
const admin = user('kubernetes-admin', 'system:masters');
const alice = user('alice');

/** An API with the rights that every cluster has, without HTTP. */
async function open() {
  const store = memoryStore();
  let access!: Access;
  const api = new Api({
    store,
    kinds: builtinKinds,
    authorizer: (registry, life) => (access = accessOver(registry, life)).authorizer,
    admission: () => [rbacEscalation(access)],
    clock: systemClock,
    log: silentLog,
  });
  await api.start();
  const apply = () => applyDefaultPolicy(api.registry, { now: Date.now(), newUid: () => crypto.randomUUID(), signal });
  await apply();
  const as = (who: UserInfo) => new InProcessClient(api, { user: who });
  return {
    access,
    as,
    admin: as(admin),
    apply,
    store,
    async can(who: UserInfo, question: string): Promise<boolean | undefined> {
      const [verb = '', what = '', name, namespace = 'shop'] = question.split(' ');
      const [group = '', path = ''] = what.split(':');
      const [resource = '', subresource] = path.split('/');
      const spec = what.startsWith('/')
        ? { nonResourceAttributes: { verb, path: what } }
        : {
            resourceAttributes: {
              verb,
              group,
              resource,
              namespace,
              ...(subresource === undefined ? {} : { subresource }),
              ...(name === undefined || name === '*' ? {} : { name }),
            },
          };
      return (await reviewSelfAccess({ spec }, who, access.authorizer)).status?.allowed;
    },
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

const node = user('system:node:n1', 'system:nodes');
const workload = user('system:serviceaccount:shop:till', 'system:serviceaccounts', 'system:serviceaccounts:shop');
const scheduler = user('system:kube-scheduler');
const manager = user('system:kube-controller-manager');
const stranger: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };

const table: readonly (readonly [question: string, allowed: readonly UserInfo[]])[] = [
  ['get /version', [admin, node, workload, alice, scheduler, manager, stranger]],
  ['get /openapi/v3', [admin, node, workload, alice, scheduler, manager]],
  ['get /apis/apps/v1', [admin, node, workload, alice, scheduler, manager]],
  ['post /version', [admin]],
  ['get /metrics', [admin]],
  ['get /openid/v1/jwks', [admin, workload]],
  ['create authorization.k8s.io:selfsubjectaccessreviews', [admin, node, workload, alice, scheduler, manager]],
  ['create authorization.k8s.io:subjectaccessreviews', [admin, node, scheduler, manager]],
  ['create authentication.k8s.io:tokenreviews', [admin, node, scheduler, manager]],
  ['list :pods', [admin, scheduler, manager]],
  ['create :pods/exec', [admin]],
  ['get :pods/log', [admin]],
  ['patch :pods/status web-1', [admin, node, scheduler]],
  ['patch :pods web-1', [admin]],
  ['create :pods/binding web-1', [admin, scheduler]],
  ['get :secrets s', [admin, manager]],
  ['list :secrets', [admin, manager]],
  ['create :secrets', [admin, manager]],
  ['patch :nodes/status n1', [admin, node]],
  ['delete :nodes n2', [admin]],
  ['update coordination.k8s.io:leases n1', [admin]],
  ['update coordination.k8s.io:leases n1 kube-node-lease', [admin, node]],
  ['update coordination.k8s.io:leases kube-scheduler', [admin, scheduler]],
  ['create rbac.authorization.k8s.io:clusterrolebindings', [admin]],
  ['impersonate :users root', [admin]],
  ['get apps:deployments web', [admin]],
  ['list apps:replicasets', [admin, scheduler, manager]],
  ['anything any.example.org:thing', [admin]],
];

test('the default roles give each part what it needs, and strangers next to nothing', async () => {
  await using api = await open();
  for (const [question, allowed] of table) {
    for (const who of [admin, node, workload, alice, scheduler, manager, stranger]) {
      assert.equal(await api.can(who, question), allowed.includes(who), `${who.username} may ${question}`);
    }
  }
});

test('being in the group of nodes without a node’s name, or the other way round, gives no rights', async () => {
  await using api = await open();
  assert.equal(await api.can(user('mallory', 'system:nodes'), 'patch :nodes/status n1'), false);
  assert.equal(await api.can(user('system:node:n1'), 'patch :nodes/status n1'), false);
});

const grant = (name: string, ...subjects: readonly [string, string, string?][]): RoleBinding => ({
  metadata: { name: `${name}-for-some`, namespace: 'shop' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
  subjects: subjects.map(([kind, who, namespace]) => ({
    kind,
    name: who,
    ...(namespace === undefined ? { apiGroup: 'rbac.authorization.k8s.io' } : { namespace }),
  })),
});

test('a binding holds at once, for users, groups and accounts, in its namespace alone, and ends with its deletion', async () => {
  await using api = await open();
  const subjects = [
    ['User', 'alice'],
    ['Group', 'tellers'],
    ['ServiceAccount', 'till', 'shop'],
  ] as const;
  for (const who of [alice, user('bob', 'tellers'), workload]) assert.equal(await api.can(who, 'get :pods p'), false);
  await api.admin.create(RoleBinding, grant('view', ...subjects.map((each) => [...each] as [string, string])), {
    signal,
  });
  for (const who of [alice, user('bob', 'tellers')]) {
    assert.equal(await api.can(who, 'get :pods p'), true);
    assert.equal(await api.can(who, 'get :pods p elsewhere'), false);
    assert.equal(await api.can(who, 'get :secrets s'), false);
    assert.equal(await api.can(who, 'create :pods'), false);
  }
  await api.admin.delete(RoleBinding, { name: 'view-for-some', namespace: 'shop' }, { signal });
  await until(async () => (await api.can(alice, 'get :pods p')) === false);
});

test('reasons and refusals are in the words of upstream', async () => {
  await using api = await open();
  await api.admin.create(RoleBinding, grant('view', ['User', 'alice']), { signal });
  await api.admin.create(RoleBinding, grant('missing', ['User', 'alice']), { signal });
  const spec = {
    user: 'alice',
    groups: ['x'],
    resourceAttributes: { verb: 'list', resource: 'pods', namespace: 'shop' },
  };
  const review = await reviewAccess({ spec }, api.access.authorizer);
  assert.deepEqual(review.status, {
    allowed: true,
    reason: 'RBAC: allowed by RoleBinding "view-for-some/shop" of ClusterRole "view" to User "alice"',
  });
  const refused = await api
    .as(alice)
    .list(Pod, { namespace: 'shop', signal })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  assert.equal(refused, undefined);
  await assert.rejects(api.as(alice).delete(Pod, { name: 'p', namespace: 'shop' }, { signal }), {
    message:
      'pods "p" is forbidden: User "alice" cannot delete resource "pods" in API group "" in the namespace "shop": RBAC: clusterrole.rbac.authorization.k8s.io "missing" not found',
  });
  await assert.rejects(api.as(user('bob')).list(Pod, { signal }), {
    message: 'pods is forbidden: User "bob" cannot list resource "pods" in API group "" at the cluster scope',
  });
});

test('who may view a namespace may read the namespace itself, and no other', async () => {
  await using api = await open();
  await api.admin.create(Namespace, { metadata: { name: 'shop' }, spec: {} }, { signal });
  await api.admin.create(RoleBinding, grant('view', ['User', 'alice']), { signal });
  const as = api.as(alice);
  assert.equal((await as.get(Namespace, { name: 'shop' }, { signal })).metadata?.name, 'shop');
  await assert.rejects(as.get(Namespace, { name: 'other' }, { signal }), {
    message:
      'namespaces "other" is forbidden: User "alice" cannot get resource "namespaces" in API group "" in the namespace "other"',
  });
  await assert.rejects(as.list(Namespace, { signal }), /at the cluster scope/);
  await assert.rejects(as.delete(Namespace, { name: 'shop' }, { signal }), /cannot delete/);
});

test('rights by name hold for that object, for lists of it alone, and for no collection', async () => {
  await using api = await open();
  const rules = [{ apiGroups: [''], resources: ['pods'], resourceNames: ['one'], verbs: ['*'] }];
  await api.admin.create(Role, { metadata: { name: 'view', namespace: 'shop' }, rules }, { signal });
  const binding = grant('view', ['User', 'alice']);
  await api.admin.create(RoleBinding, { ...binding, roleRef: { ...binding.roleRef, kind: 'Role' } }, { signal });
  assert.equal(await api.can(alice, 'get :pods one'), true);
  assert.equal(await api.can(alice, 'get :pods two'), false);
  assert.equal(await api.can(alice, 'list :pods'), false);
  const as = api.as(alice);
  await as.list(Pod, { namespace: 'shop', fieldSelector: 'metadata.name=one', signal });
  const isForbidden = (error: unknown) => hasReason(error, 'Forbidden');
  await assert.rejects(as.list(Pod, { namespace: 'shop', fieldSelector: 'metadata.name=two', signal }), isForbidden);
  await assert.rejects(as.list(Pod, { namespace: 'shop', fieldSelector: 'metadata.name!=one', signal }), isForbidden);
  await assert.rejects(
    as.deleteCollection(Pod, { namespace: 'shop', fieldSelector: 'metadata.name=one', signal }),
    isForbidden,
  );
});

const chief = user('chief');

/** A user who may write roles and bindings everywhere, and read pods. */
async function withChief(api: Awaited<ReturnType<typeof open>>, ...more: NonNullable<ClusterRole['rules']>) {
  const rules = [
    { apiGroups: ['rbac.authorization.k8s.io'], resources: ['*'], verbs: ['create', 'update', 'patch', 'get'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
    ...more,
  ];
  await api.admin.create(ClusterRole, { metadata: { name: 'chief' }, rules }, { signal });
  const { metadata: _metadata, ...binding } = grant('chief', ['User', 'chief']);
  await api.admin.create(ClusterRoleBinding, { metadata: { name: 'chief' }, ...binding }, { signal });
  return api.as(chief);
}

const role = (...verbs: string[]): Role => ({
  metadata: { name: 'r', namespace: 'shop' },
  rules: [{ apiGroups: [''], resources: ['pods', 'secrets'], verbs }],
});

test('nobody grants what they do not have, and the refusal names what is missing', async () => {
  await using api = await open();
  const as = await withChief(api);
  await assert.rejects(as.create(Role, role('get', 'watch'), { signal }), (error: unknown) => {
    assert.ok(error instanceof StatusError && error.reason === 'Forbidden');
    assert.equal(
      error.message,
      `roles.rbac.authorization.k8s.io "r" is forbidden: user "chief" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
{APIGroups:[""], Resources:["pods"], Verbs:["watch"]}
{APIGroups:[""], Resources:["secrets"], Verbs:["get" "watch"]}`,
    );
    return true;
  });
  const own = {
    metadata: { name: 'r', namespace: 'shop' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  };
  await as.create(Role, own, { signal });
  const patch = { type: 'json', patch: [{ op: 'add', path: '/rules/0/verbs/-', value: 'delete' }] } as const;
  await assert.rejects(as.patch(Role, { name: 'r', namespace: 'shop' }, patch, { signal }), /not currently held/);
  await assert.rejects(as.create(RoleBinding, grant('admin', ['User', 'chief']), { signal }), /not currently held/);
  await assert.rejects(as.create(RoleBinding, grant('no-such', ['User', 'chief']), { signal }), (error: unknown) =>
    hasReason(error, 'NotFound'),
  );
  const applied = {
    type: 'apply',
    patch: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'new' },
      rules: role('get').rules,
    },
  } as const;
  const options = { signal, fieldManager: 'test' };
  await assert.rejects(as.patch(Role, { name: 'new', namespace: 'shop' }, applied, options), /not currently held/);
  const collected = { type: 'apply', force: true, patch: { ...applied.patch, metadata: { name: 'r' } } } as const;
  await assert.rejects(as.patch(Role, { name: 'r', namespace: 'shop' }, collected, options), /not currently held/);
  const aggregated = {
    metadata: { name: 'all' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] },
  };
  await assert.rejects(as.create(ClusterRole, aggregated, { signal }), {
    message:
      'clusterroles.rbac.authorization.k8s.io "all" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  });
});

test('escalate and bind lift the guard, for the objects they name', async () => {
  await using api = await open();
  const group = ['rbac.authorization.k8s.io'];
  const as = await withChief(
    api,
    { apiGroups: group, resources: ['roles'], verbs: ['escalate'] },
    { apiGroups: group, resources: ['clusterroles'], resourceNames: ['view'], verbs: ['bind'] },
  );
  await as.create(Role, role('get', 'watch'), { signal });
  await as.create(RoleBinding, grant('view', ['User', 'alice']), { signal });
  await assert.rejects(as.create(RoleBinding, grant('edit', ['User', 'alice']), { signal }), /not currently held/);
  await assert.rejects(
    as.create(
      ClusterRole,
      {
        metadata: { name: 'r' },
        rules: role('get').rules!,
      },
      { signal },
    ),
  );
});

test('a reference to a role never changes', async () => {
  await using api = await open();
  await api.admin.create(RoleBinding, grant('view', ['User', 'alice']), { signal });
  const patch = { type: 'merge', patch: { roleRef: { name: 'edit' } } } as const;
  await assert.rejects(
    api.admin.patch(RoleBinding, { name: 'view-for-some', namespace: 'shop' }, patch, { signal }),
    /cannot change roleRef/,
  );
});

test('the default policy mends what was taken away, keeps what was added, and leaves alone what is protected', async () => {
  await using api = await open();
  const before = await api.store.current({ signal });
  await api.apply();
  assert.equal(await api.store.current({ signal }), before, 'a second start writes nothing');
  const put = async (name: string, change: (role: ClusterRole) => ClusterRole) =>
    api.admin.update(ClusterRole, change(await api.admin.get(ClusterRole, { name }, { signal })), { signal });
  const extra = { apiGroups: ['x.y'], resources: ['things'], verbs: ['get'] };
  await put('system:basic-user', (each) => ({ ...each, rules: [extra] }));
  await put('system:discovery', (each) => ({
    ...each,
    metadata: { ...each.metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
    rules: [],
  }));
  await api.admin.delete(ClusterRole, { name: 'system:kube-dns' }, { signal });
  await until(async () => {
    await api.apply();
    return (await api.can(alice, 'create authorization.k8s.io:selfsubjectrulesreviews')) === true;
  });
  const { rules = [] } = await api.admin.get(ClusterRole, { name: 'system:basic-user' }, { signal });
  assert.deepEqual(rules[0], extra);
  assert.deepEqual((await api.admin.get(ClusterRole, { name: 'system:discovery' }, { signal })).rules ?? [], []);
  await api.admin.get(ClusterRole, { name: 'system:kube-dns' }, { signal });
});

test('reviewAccess() refuses questions that name nobody or nothing', async () => {
  await using api = await open();
  const { authorizer } = api.access;
  const spec = { resourceAttributes: { verb: 'list', resource: 'pods' } };
  const isInvalid = (error: unknown) => hasReason(error, 'Invalid');
  await assert.rejects(reviewAccess({ spec }, authorizer), isInvalid);
  await assert.rejects(reviewAccess({ spec: { user: 'bob' } }, authorizer), isInvalid);
  await assert.rejects(reviewLocalAccess({ spec: { ...spec, user: 'bob' } }, 'shop', authorizer), (error: unknown) =>
    hasReason(error, 'BadRequest'),
  );
});

test('a review may say what a list is narrowed to: a node may list its own pods', async () => {
  await using api = await open();
  const ask = async (fieldSelector: object) => {
    const resourceAttributes = { verb: 'list', resource: 'pods', fieldSelector };
    return (await reviewSelfAccess({ spec: { resourceAttributes } }, node, api.access.authorizer)).status;
  };
  assert.equal((await ask({ rawSelector: 'spec.nodeName=n1' }))?.allowed, true);
  assert.equal(
    (await ask({ requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] }))?.allowed,
    true,
  );
  assert.deepEqual(await ask({ rawSelector: 'spec.nodeName=n2' }), {
    allowed: false,
    reason: 'can only list/watch pods with spec.nodeName field selector',
  });
  const fields = (error: unknown) =>
    error instanceof StatusError ? error.details?.causes?.map(({ field }) => field) : undefined;
  for (const [selector, field] of [
    [{ rawSelector: 'a=b', requirements: [{ key: 'a', operator: 'Exists' }] }, 'rawSelector'],
    [{}, 'requirements'],
    [{ requirements: [{ key: 'a', operator: 'In' }] }, 'requirements[0].values'],
    [{ requirements: [{ key: 'a', operator: 'Exists', values: ['x'] }] }, 'requirements[0].values'],
  ] as const) {
    await assert.rejects(ask(selector), (error: unknown) => {
      assert.deepEqual(fields(error), [`spec.resourceAttributes.fieldSelector.${field}`]);
      return true;
    });
  }
});

test('reviewRules() lists what the caller may do, and says so where it cannot', async () => {
  await using api = await open();
  const { status } = await reviewRules({ spec: { namespace: 'shop' } }, alice, api.access.reviewed);
  assert.deepEqual(
    status?.resourceRules.toSorted((a, b) => (a.apiGroups![0]! < b.apiGroups![0]! ? -1 : 1)),
    [
      { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
      {
        verbs: ['create'],
        apiGroups: ['authorization.k8s.io'],
        resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
      },
    ],
  );
  assert.equal(status.nonResourceRules.length, 2);
  assert.equal(status.incomplete, false);
  const ofNode = (await reviewRules({ spec: { namespace: 'shop' } }, node, api.access.reviewed)).status;
  assert.equal(ofNode?.incomplete, true);
  assert.equal(ofNode.evaluationError, 'node authorizer does not support user rule resolution');
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}
