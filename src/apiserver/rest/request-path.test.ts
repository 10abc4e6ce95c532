import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasReason } from '#machinery/status-error.ts';
import { parsePath } from './request-path.ts';

const resource = (path: string) => {
  const parsed = parsePath(path);
  assert.equal(parsed.is, 'resource', path);
  const { rest: _rest, ...tuple } = parsed.resource;
  return Object.values(tuple);
};

test('parsePath() reads resources of every depth', () => {
  assert.deepEqual(resource('/api/v1/nodes'), ['v1', undefined, 'nodes', undefined, undefined]);
  assert.deepEqual(resource('/api/v1/namespaces'), ['v1', undefined, 'namespaces', undefined, undefined]);
  assert.deepEqual(resource('/api/v1/namespaces/a'), ['v1', undefined, 'namespaces', 'a', undefined]);
  assert.deepEqual(resource('/api/v1/namespaces/a/finalize'), ['v1', undefined, 'namespaces', 'a', 'finalize']);
  assert.deepEqual(resource('/api/v1/namespaces/a/pods'), ['v1', 'a', 'pods', undefined, undefined]);
  assert.deepEqual(resource('/apis/apps/v1/namespaces/a/deployments/b/scale'), [
    'apps/v1',
    'a',
    'deployments',
    'b',
    'scale',
  ]);
  assert.deepEqual(resource('/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode'), [
    'rbac.authorization.k8s.io/v1',
    undefined,
    'clusterroles',
    'system:node',
    undefined,
  ]);
});

test('parsePath() tells the levels of discovery apart', () => {
  assert.deepEqual(parsePath('/api'), { is: 'discovery', discovery: { of: 'core' } });
  assert.deepEqual(parsePath('/apis/'), { is: 'discovery', discovery: { of: 'groups' } });
  assert.deepEqual(parsePath('/apis/apps'), { is: 'discovery', discovery: { of: 'group', group: 'apps' } });
  assert.deepEqual(parsePath('/apis/apps/v1'), {
    is: 'discovery',
    discovery: { of: 'version', groupVersion: 'apps/v1' },
  });
  assert.deepEqual(parsePath('/readyz/store'), { is: 'other', path: '/readyz/store' });
});

test('parsePath() knows no second way to spell a path', () => {
  for (const path of [
    'api',
    '/api/v1/namespaces/a/../b/pods',
    '/api/v1/namespaces/%2e%2e/pods',
    '/api/v1/namespaces/a/pods/x%2flog',
    '/api/v1/namespaces/a/pods/x%252flog',
    '/api/v1/namespaces/a//pods',
    '/api/v1/namespaces/a/pods/x%00',
    '/api/v1/namespaces/a/pods/%zz',
    '/api/v1/namespaces/a/pods/x\\..\\y',
    '/api/v1/namespaces/a/pods/x/log/more',
    `/api/v1/${'x'.repeat(9000)}`,
  ]) {
    assert.throws(
      () => parsePath(path),
      (error) => hasReason(error, 'NotFound'),
      path,
    );
  }
});

test('parsePath() leaves what a proxy passes on as it was sent', () => {
  const parsed = parsePath('/api/v1/namespaces/a/services/web:80/proxy/x%2Fy/../z/');
  assert.equal(parsed.is, 'resource');
  assert.deepEqual(parsed.resource, {
    groupVersion: 'v1',
    namespace: 'a',
    plural: 'services',
    name: 'web:80',
    subresource: 'proxy',
    rest: '/x%2Fy/../z/',
  });
});
