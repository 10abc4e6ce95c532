import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { ClusterRoleBinding } from '#api/rbac/cluster-role-binding.ts';
import { RoleBinding } from '#api/rbac/role-binding.ts';
import { Deployment } from '#api/apps/deployment.ts';
import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { Pod } from '#api/core/pod.ts';
import type { Log } from '#lib/log.ts';
import { controllerUser } from './controller-users.ts';
import { controllersOf } from './controllers.ts';
import { startCluster } from './test-cluster.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const names = controllersOf({ authority: 'PEM', serviceAccountKey: key, clusterCidr: '10.128.0.0/9' }).map(
  ({ name }) => name,
);

test('every controller acts under an account of its own that the default policy gives rights to', async () => {
  await using cluster = await startCluster({ nodes: 0, controlled: false });
  const { signal } = cluster;
  const bindings = [
    ...(await cluster.client.list(ClusterRoleBinding, { signal })).items,
    ...(await cluster.client.list(RoleBinding, { signal })).items,
  ];
  const accounts = new Set(bindings.flatMap(({ subjects = [] }) => subjects.map(({ name }) => name)));
  for (const name of [...names, 'bootstrap-keeper', 'docker-dialect']) {
    const account = controllerUser(name).username.split(':').at(-1) ?? '';
    assert.ok(accounts.has(account), `${name} has no role: give its account rules in authorization/policy`);
  }
});

/** Collects what parts of the cluster were refused. */
function listeningLog(refused: string[]): Log {
  const hear = (_text: string, facts?: object) => {
    const { error } = (facts ?? {}) as { error?: unknown };
    if (error instanceof Error && /is forbidden: User/.test(error.message)) refused.push(error.message);
  };
  const log = { child: () => log, debug: hear, info: hear, warn: hear, error: hear } as unknown as Log;
  return log;
}

const deployment: Deployment = {
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
};

test('the parts of a working cluster are refused nothing, and one that loses its role is', async () => {
  const refused: string[] = [];
  await using cluster = await startCluster({ log: listeningLog(refused) });
  const { client, signal } = cluster;
  await client.create(Deployment, deployment, { signal });
  const running = async (image: string) => {
    const { items } = await client.list(Pod, { signal });
    const up = items.filter(({ spec, status }) => spec.containers[0]?.image === image && status?.phase === 'Running');
    return up.length === 3 && items.length === 3;
  };
  await cluster.until(() => running('i'), { what: 'three pods' });
  const patch = { spec: { template: { spec: { containers: [{ name: 'c', image: 'j' }] } } } };
  await client.patch(Deployment, { name: 'web', namespace: 'default' }, { type: 'strategic', patch }, { signal });
  await cluster.until(() => running('j'), { what: 'the new pods' });
  cluster.nodes.stop(cluster.nodes.names[0] ?? '');
  await cluster.advance(600_000);
  assert.equal(refused.length, 0, refused[0]);

  await client.delete(ClusterRole, { name: 'system:controller:replicaset-controller' }, { signal });
  await client.patch(
    Deployment,
    { name: 'web', namespace: 'default' },
    { type: 'merge', patch: { spec: { replicas: 5 } } },
    { signal },
  );
  await cluster.until(() => refused.some((text) => text.includes('replicaset-controller" cannot ')), {
    what: 'a refusal',
  });
});
