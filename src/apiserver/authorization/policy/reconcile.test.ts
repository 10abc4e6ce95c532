import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterRole, ClusterRoleBinding } from '#api/rbac/types.generated.ts';
import { controllerRules } from './controller-roles.ts';
import { defaultPolicy } from './default-policy.ts';
import { isProtected, mendedBinding, mendedRole } from './reconcile.ts';

const role = (verbs: readonly string[], labels: Readonly<Record<string, string>> = {}): ClusterRole => ({
  metadata: { name: 'r', labels },
  rules: [{ apiGroups: [''], resources: ['pods'], verbs }],
});
const binding = (name: string, ...users: readonly string[]): ClusterRoleBinding => ({
  metadata: { name: 'b' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
  subjects: users.map((user) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user })),
});

test('mendedRole() adds rights and labels that are missing, and leaves what is more', () => {
  const wide = role(['get', 'list', 'delete'], { own: 'x' });
  assert.equal(mendedRole(wide, role(['get'])), wide);
  assert.deepEqual(mendedRole(wide, role(['get', 'watch'], { a: 'b' })), {
    metadata: { name: 'r', labels: { own: 'x', a: 'b' }, annotations: {} },
    rules: [...wide.rules!, { apiGroups: [''], resources: ['pods'], verbs: ['watch'] }],
  });
});

test('mendedBinding() adds subjects, and gives up on another role', () => {
  const stored = binding('view', 'ann');
  assert.equal(mendedBinding(stored, binding('view', 'ann')), stored);
  assert.deepEqual(
    mendedBinding(stored, binding('view', 'bob'))?.subjects?.map(({ name }) => name),
    ['ann', 'bob'],
  );
  assert.equal(mendedBinding(stored, binding('edit', 'ann')), undefined);
});

test('an object says for itself that it is not to be mended', () => {
  const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
  assert.equal(isProtected({ metadata: { annotations } }), true);
  assert.equal(isProtected({ metadata: { annotations: {} } }), false);
});

test('the default policy is whole: every binding has its role, every name is there once, admin contains edit contains view', () => {
  const policy = defaultPolicy();
  const names = policy.clusterRoles.map(({ metadata }) => metadata?.name);
  assert.equal(new Set(names).size, names.length);
  for (const { roleRef } of policy.clusterRoleBindings) assert.ok(names.includes(roleRef.name), roleRef.name);
  for (const name of Object.keys(controllerRules)) assert.ok(names.includes(`system:controller:${name}`));
  const rulesOf = (name: string) => policy.clusterRoles.find(({ metadata }) => metadata?.name === name)?.rules ?? [];
  const [view, edit, admin] = ['view', 'edit', 'admin'].map(rulesOf);
  assert.ok(
    view!.length > 5 && view!.every((rule) => edit!.includes(rule)) && edit!.every((rule) => admin!.includes(rule)),
  );
  // Reading Secrets is where an account becomes another, so it takes edit.
  const readsSecrets = (name: string) => rulesOf(name).some(({ resources = [] }) => resources.includes('secrets'));
  assert.deepEqual(['view', 'edit', 'admin'].map(readsSecrets), [false, true, true]);
});
