import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserInfo } from '#client/client.ts';
import { hasReason } from '#machinery/status-error.ts';
import { builtInRules } from './built-in-rules.ts';
import { reviewAccess, reviewLocalAccess, reviewRules, reviewSelfAccess } from './reviews.ts';
import { ruleAuthorizer } from './rule-authorizer.ts';

const authorizer = ruleAuthorizer(builtInRules);
const user = (username: string, ...groups: string[]): UserInfo => ({
  username,
  groups: [...groups, 'system:authenticated'],
});
const admin = user('kubernetes-admin', 'system:masters');
const node = user('system:node:n1', 'system:nodes');
const workload = user('system:serviceaccount:shop:till', 'system:serviceaccounts', 'system:serviceaccounts:shop');
const alice = user('alice');
const scheduler = user('system:kube-scheduler');
const stranger: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };

async function can(who: UserInfo, question: string): Promise<boolean | undefined> {
  const [verb = '', what = '', name] = question.split(' ');
  const [group = '', resource = '', subresource] = what.startsWith('/')
    ? []
    : what.split(':').flatMap((part, index) => (index === 0 ? [part] : part.split('/')));
  const { status } = await reviewSelfAccess(
    {
      spec: what.startsWith('/')
        ? { nonResourceAttributes: { verb, path: what } }
        : {
            resourceAttributes: {
              verb,
              group,
              resource,
              namespace: 'shop',
              ...(subresource === undefined ? {} : { subresource }),
              ...(name === undefined ? {} : { name }),
            },
          },
    },
    who,
    authorizer,
  );
  return status?.allowed;
}

const table: readonly (readonly [question: string, allowed: readonly UserInfo[]])[] = [
  ['get /version', [admin, node, workload, alice, scheduler]],
  ['get /openapi/v3', [admin, node, workload, alice, scheduler]],
  ['get /apis/apps/v1', [admin, node, workload, alice, scheduler]],
  ['post /version', [admin]],
  ['get /metrics', [admin]],
  ['get /openid/v1/jwks', [admin, workload]],
  ['create authorization.k8s.io:selfsubjectaccessreviews', [admin, node, workload, alice, scheduler]],
  ['create authorization.k8s.io:subjectaccessreviews', [admin, node]],
  ['create authentication.k8s.io:tokenreviews', [admin, node]],
  ['list :pods', [admin, node, scheduler]],
  ['create :pods/exec', [admin]],
  ['get :pods/log', [admin]],
  ['create :pods/portforward', [admin]],
  ['patch :pods/status web-1', [admin, node, scheduler]],
  ['patch :pods web-1', [admin]],
  ['create :pods/binding web-1', [admin, scheduler]],
  ['get :secrets s', [admin, node]],
  ['create :secrets', [admin]],
  ['patch :nodes/status n1', [admin, node]],
  ['patch :nodes/status n2', [admin]],
  ['patch :nodes n1', [admin, node]],
  ['delete :nodes n2', [admin]],
  ['update coordination.k8s.io:leases n1', [admin, node, scheduler]],
  ['update coordination.k8s.io:leases n2', [admin, scheduler]],
  ['create :serviceaccounts/token till', [admin, node]],
  ['create rbac.authorization.k8s.io:clusterrolebindings', [admin]],
  ['impersonate :users root', [admin]],
  ['get apps:deployments web', [admin]],
  ['list apps:replicasets', [admin, scheduler]],
  ['anything any.example.org:thing', [admin]],
];

test('the built-in rules give each part what it needs, and strangers nothing', async () => {
  for (const [question, allowed] of table) {
    for (const who of [admin, node, workload, alice, scheduler, stranger]) {
      assert.equal(await can(who, question), allowed.includes(who), `${who.username} may ${question}`);
    }
  }
});

test('being in the group of nodes without a node’s name, or the other way round, gives no rights', async () => {
  assert.equal(await can(user('mallory', 'system:nodes'), 'get :secrets s'), false);
  assert.equal(await can(user('system:node:n1'), 'get :secrets s'), false);
});

test('reviewAccess() answers for others and refuses questions that name nobody or nothing', async () => {
  const spec = { resourceAttributes: { verb: 'list', resource: 'pods' } };
  const allowed = async (groups: string[]) =>
    (await reviewAccess({ spec: { ...spec, user: 'bob', groups } }, authorizer)).status?.allowed;
  assert.equal(await allowed(['system:masters']), true);
  assert.equal(await allowed([]), false);
  const isInvalid = (error: unknown) => hasReason(error, 'Invalid');
  await assert.rejects(reviewAccess({ spec }, authorizer), isInvalid);
  await assert.rejects(reviewAccess({ spec: { user: 'bob' } }, authorizer), isInvalid);
  await assert.rejects(reviewLocalAccess({ spec: { ...spec, user: 'bob' } }, 'shop', authorizer), (error: unknown) =>
    hasReason(error, 'BadRequest'),
  );
});

test('reviewRules() lists what the caller may do', async () => {
  const { status } = await reviewRules({ spec: { namespace: 'shop' } }, alice, [builtInRules]);
  assert.deepEqual(status?.resourceRules, [
    { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
    {
      verbs: ['create'],
      apiGroups: ['authorization.k8s.io'],
      resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    },
  ]);
  assert.equal(status.nonResourceRules.length, 1);
});
