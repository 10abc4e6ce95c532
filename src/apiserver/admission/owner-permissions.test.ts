import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Secret } from '#api/core/secret.ts';
import type { OwnerReference } from '#machinery/object.ts';
import { InProcessClient } from '../in-process-client.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { admin, testApi } from '../testing.ts';
import { ownerPermissions } from './owner-permissions.ts';

test('who sets an owner may delete the object, and who blocks its deletion may write its finalizers', async ({
  signal,
}) => {
  const may = new Set<string>();
  const authorizer: Authorizer = {
    authorize: async ({ user, verb, kind, subresource }) => ({
      allowed:
        user === admin || may.has([verb, kind?.plural, subresource].filter((each) => each !== undefined).join(' ')),
      reason: '',
    }),
  };
  const kinds = [ConfigMap, Secret];
  await using api = await testApi({
    admission: [ownerPermissions({ authorizer, kindOf: ({ kind }) => kinds.find((each) => each.kind === kind) })],
  });
  const root = new InProcessClient(api, { user: admin });
  const user = new InProcessClient(api, { user: { username: 'u', groups: [] } });
  await root.create(Namespace, { metadata: { name: 'a' }, spec: {} }, { signal });
  const owner = await root.create(ConfigMap, { metadata: { name: 'o', namespace: 'a' } }, { signal });
  const reference = (more: Partial<OwnerReference> = {}): OwnerReference => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'o',
    uid: owner.metadata?.uid ?? '',
    ...more,
  });
  const create = (name: string, ...ownerReferences: readonly OwnerReference[]) =>
    user.create(Secret, { metadata: { name, namespace: 'a', ownerReferences } }, { signal });
  await create('none');
  await assert.rejects(
    create('s', reference()),
    /secrets "s" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>/,
  );
  may.add('delete secrets');
  await create('s', reference());
  const blocking = reference({ blockOwnerDeletion: true });
  await assert.rejects(
    create('t', blocking),
    /cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>/,
  );
  await assert.rejects(
    create('t', { ...blocking, kind: 'Nothing' }),
    /cannot find RESTMapping for APIVersion v1 Kind Nothing/,
  );
  may.add('update configmaps finalizers');
  const made = await create('t', blocking);
  may.clear();
  // Whoever changes something else needs none of it.
  await user.update(Secret, { ...made, data: { a: 'Yg==' } }, { signal });
  await assert.rejects(
    user.update(
      Secret,
      { ...made, metadata: { ...made.metadata, ownerReferences: [], resourceVersion: '' } },
      { signal },
    ),
    /cannot set an ownerRef on a resource you can't delete/,
  );
});
