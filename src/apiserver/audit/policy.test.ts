import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultPolicy } from './default-policy.ts';
import { Policy, PolicyError, type AuditedRequest } from './policy.ts';

const policyOf = (...rules: readonly object[]) => new Policy({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules });

/** `alice[g1,g2] create apps/deployments/scale ns/name`, or a path. */
function request(text: string): AuditedRequest {
  const [who = '', verb = '', what = '', where = ''] = text.split(' ');
  const [, username = '', groups = ''] = /^([^[]*)(?:\[(.*)\])?$/.exec(who) ?? [];
  const user = { username, groups: groups === '' ? [] : groups.split(',') };
  if (what.startsWith('/')) return { user, verb, path: what, resource: undefined };
  const [folder = '', plural = '', subresource] = what.split('/');
  const group = folder === 'core' ? '' : folder;
  const [namespace = '', name] = where.split('/');
  return {
    user,
    verb,
    path: '',
    resource: { group, version: 'v1', plural, subresource, namespace: namespace === '' ? undefined : namespace, name },
  };
}

test('rules fit by user, group, verb, namespace, resource, name and path, and the first that fits counts', () => {
  const cases: readonly [rule: object, fits: readonly string[], fitsNot: readonly string[]][] = [
    [{}, ['a get core/pods n/p', 'a get /healthz'], []],
    [{ users: ['a'] }, ['a get /x'], ['b get /x']],
    [{ userGroups: ['g'] }, ['a[f,g] get /x'], ['a[f] get /x', 'a get /x']],
    [{ verbs: ['create'] }, ['a create core/pods n'], ['a get core/pods n/p']],
    [{ verbs: ['*'] }, ['a get /x'], []],
    [{ namespaces: ['n'] }, ['a get core/pods n/p'], ['a get core/pods m/p', 'a get /x', 'a list core/nodes']],
    [{ namespaces: [''] }, ['a list core/nodes'], ['a get core/pods n/p']],
    [{ resources: [{ group: '' }] }, ['a get core/pods n/p', 'a get core/pods/log n/p'], ['a get apps/sets n/p']],
    [{ resources: [{ group: '', resources: ['pods'] }] }, ['a get core/pods n/p'], ['a get core/pods/log n/p']],
    [{ resources: [{ group: '', resources: ['pods/log'] }] }, ['a get core/pods/log n/p'], ['a get core/pods n/p']],
    [{ resources: [{ group: '', resources: ['*/log'] }] }, ['a get core/pods/log n/p'], ['a get core/pods/exec n/p']],
    [{ resources: [{ group: '', resources: ['pods/*'] }] }, ['a get core/pods/log n/p'], ['a get core/nodes/log n']],
    [{ resources: [{ group: '', resources: ['*'] }] }, ['a get core/pods/log n/p', 'a list core/nodes'], []],
    [
      { resources: [{ group: '', resources: ['pods'], resourceNames: ['p'] }] },
      ['a get core/pods n/p'],
      ['a get core/pods n/q', 'a list core/pods n'],
    ],
    [
      { nonResourceURLs: ['/healthz*', '/version'] },
      ['a get /healthz/ping', 'a get /version'],
      ['a get /versions', 'a get core/pods n/p'],
    ],
  ];
  for (const [rule, fits, fitsNot] of cases) {
    const policy = policyOf({ level: 'Request', ...rule });
    const level = (text: string) => policy.verdictOn(request(text)).level;
    for (const text of fits) assert.equal(level(text), 'Request', `${JSON.stringify(rule)} fits ${text}`);
    for (const text of fitsNot) assert.equal(level(text), 'None', `${JSON.stringify(rule)} does not fit ${text}`);
  }
  const policy = policyOf({ level: 'None', users: ['a'] }, { level: 'Metadata' });
  assert.deepEqual(
    ['a get /x', 'b get /x'].map((text) => policy.verdictOn(request(text)).level),
    ['None', 'Metadata'],
  );
});

test('stages are left out and managed fields kept by the policy and by its rules', () => {
  const policy = new Policy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    omitManagedFields: true,
    rules: [{ level: 'Request', users: ['a'], omitStages: ['Panic'], omitManagedFields: false }, { level: 'Request' }],
  });
  const [a, b] = ['a get /x', 'b get /x'].map((text) => policy.verdictOn(request(text)));
  assert.deepEqual([[...a!.omitStages].toSorted(), a!.omitManagedFields], [['Panic', 'RequestReceived'], false]);
  assert.deepEqual([[...b!.omitStages], b!.omitManagedFields], [['RequestReceived'], true]);
});

test('a policy that could not mean anything is refused with the field that is wrong', () => {
  const complaints: readonly [object, RegExp][] = [
    [{ level: 'Everything' }, /^rules\[0\]\.level: must be one of None, Metadata, Request, RequestResponse/],
    [
      { level: 'Request', nonResourceURLs: ['/x'], namespaces: ['n'] },
      /cannot apply to both regular resources and non-resource URLs/,
    ],
    [{ level: 'Request', nonResourceURLs: ['x'] }, /nonResourceURLs/],
    [{ level: 'Request', resources: [{ group: 'apps/v1' }] }, /^rules\[0\]\.resources\[0\]\.group/],
    [{ level: 'Request', resources: [{ resourceNames: ['x'] }] }, /using resourceNames requires at least one resource/],
    [{ level: 'Request', omitStages: ['Later'] }, /omitStages: must be some of RequestReceived/],
    [{ level: 'Request', users: 'a' }, /users: must be a list/],
  ];
  for (const [rule, message] of complaints) {
    assert.throws(
      () => policyOf(rule),
      (error) => error instanceof PolicyError && message.test(error.message),
    );
  }
  assert.throws(() => policyOf(), /without rules/);
  assert.throws(
    () => new Policy({ apiVersion: 'audit.k8s.io/v1beta1', kind: 'Policy', rules: [{ level: 'None' }] }),
    /apiVersion/,
  );
});

test('the default policy notes writes and reaching into pods, and never a body', () => {
  const policy = new Policy(defaultPolicy);
  const level = (text: string) => policy.verdictOn(request(text)).level;
  const noted = [
    'a create core/secrets n',
    'a create core/pods/exec n/p',
    'a get core/pods/exec n/p',
    'a patch apps/deployments n/d',
    'a post /tutti/encryption/rotate',
  ];
  const unnoted = [
    'a get core/secrets n/s',
    'a list core/pods',
    'a watch core/pods',
    'node[system:nodes] update coordination.k8s.io/leases n/l',
    'a get /version',
  ];
  for (const text of noted) assert.equal(level(text), 'Metadata', text);
  for (const text of unnoted) assert.equal(level(text), 'None', text);
  assert.equal(JSON.stringify(defaultPolicy).includes('"Request"'), false);
});
