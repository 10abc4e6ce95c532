import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import {
  AppsV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  Metrics,
  PatchStrategy,
  Watch,
  makeInformer,
  setHeaderOptions,
  type V1Pod,
  type V1Status,
} from '@kubernetes/client-node';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const skip = unless('root', 'containerd', 'cni', 'nft');
const namespace = 'default';
let cluster: Tutti;
let config: KubeConfig;
let core: CoreV1Api;

before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up();
  await cluster.busyboxImage('box:1', {
    'bin/idle': `#!/bin/sh\ntrap 'exit 0' TERM\nwhile true; do sleep 1000 & wait; done\n`,
  });
  config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  core = config.makeApiClient(CoreV1Api);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

const codeOf = (error: unknown) => (error as { code?: number }).code;

async function runPod(name: string, command: readonly string[]): Promise<void> {
  const spec = { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'box:1', command: [...command] }] };
  await core.createNamespacedPod({ namespace, body: { metadata: { name }, spec } });
  await until(`${name} runs`, async () => {
    const { status } = await core.readNamespacedPod({ namespace, name });
    return status?.containerStatuses?.[0]?.ready === true;
  });
}

test('the typed clients create, read, replace, patch, list and delete', { skip }, async () => {
  const created = await core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { name: 'c', labels: { of: 'clients' } }, data: { a: '1' } },
  });
  assert.ok(created.metadata?.creationTimestamp instanceof Date);
  await assert.rejects(
    core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'c' } } }),
    (error) => codeOf(error) === 409,
  );
  const replaced = await core.replaceNamespacedConfigMap({
    namespace,
    name: 'c',
    body: Object.assign(created, { data: { a: '2' } }),
  });
  assert.equal(replaced.data?.['a'], '2');
  await assert.rejects(
    core.replaceNamespacedConfigMap({ namespace, name: 'c', body: Object.assign(created, { data: { a: '3' } }) }),
    (error) => codeOf(error) === 409,
    'with an old resourceVersion',
  );
  const patches = [
    [PatchStrategy.MergePatch, { data: { b: 'merge' } }],
    [PatchStrategy.StrategicMergePatch, { data: { c: 'strategic' } }],
    [PatchStrategy.JsonPatch, [{ op: 'replace', path: '/data/a', value: 'json' }]],
  ] as const;
  for (const [strategy, body] of patches) {
    await core.patchNamespacedConfigMap({ namespace, name: 'c', body }, setHeaderOptions('Content-Type', strategy));
  }
  const { items } = await core.listNamespacedConfigMap({ namespace, labelSelector: 'of=clients' });
  assert.deepEqual(
    items.map(({ data }) => data),
    [{ a: 'json', b: 'merge', c: 'strategic' }],
  );
  const first = await core.listNamespacedConfigMap({ namespace, limit: 1 });
  assert.ok(first.metadata?._continue);
  const rest = await core.listNamespacedConfigMap({ namespace, _continue: first.metadata._continue });
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ metadata }) => metadata?.name),
    ['c', 'kube-root-ca.crt'],
  );
  await core.deleteNamespacedConfigMap({ namespace, name: 'c' });
  await assert.rejects(core.readNamespacedConfigMap({ namespace, name: 'c' }), (error) => codeOf(error) === 404);
});

test('the untyped client works from discovery, and scale is a subresource', { skip }, async () => {
  const objects = KubernetesObjectApi.makeApiClient(config);
  const labels = { app: 'd' };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'box:1', command: ['idle'] }] } },
    },
  };
  await objects.create(deployment);
  const apps = config.makeApiClient(AppsV1Api);
  await apps.patchNamespacedDeploymentScale(
    { namespace, name: 'd', body: { spec: { replicas: 2 } } },
    setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
  );
  await until('both run', async () => {
    const { status } = await apps.readNamespacedDeployment({ namespace, name: 'd' });
    return status?.readyReplicas === 2;
  });
  await objects.delete(deployment, undefined, undefined, undefined, undefined, 'Foreground');
  await until('it is gone', async () => {
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'app=d' });
    return items.length === 0;
  });
});

test('an informer lists, watches, and goes on after the server was restarted', { skip }, async () => {
  const seen: string[] = [];
  const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, () =>
    core.listNamespacedPod({ namespace }),
  );
  const note = (what: string) => (pod: V1Pod) => void seen.push(`${what} ${pod.metadata?.name}`);
  informer.on('add', note('add'));
  informer.on('delete', note('delete'));
  let reconnections = 0;
  let stopped = false;
  informer.on('error', () => {
    if (stopped) return;
    reconnections++;
    setTimeout(() => void informer.start().catch(() => undefined), 100);
  });
  await runPod('early', ['idle']);
  await informer.start();
  try {
    assert.deepEqual(seen, ['add early']);
    await runPod('middle', ['idle']);
    await until('the informer has it', () => informer.get('middle', namespace)?.status?.phase === 'Running');

    await cluster.kill('SIGTERM');
    await cluster.start();
    await runPod('late', ['idle']);
    await until('the informer has the one after the restart', () => informer.get('late', namespace) !== undefined);
    await core.deleteNamespacedPod({ namespace, name: 'early' });
    await until('the informer has forgotten the first', () => informer.get('early', namespace) === undefined);
    assert.deepEqual(
      seen,
      ['add early', 'add middle', 'add late', 'delete early'],
      `after ${reconnections} reconnections`,
    );
    assert.deepEqual(
      new Set(informer.list(namespace).map(({ metadata }) => metadata?.name)),
      new Set(['late', 'middle']),
    );
  } finally {
    stopped = true;
    await informer.stop();
  }
});

test('a watch tells every change and bookmarks', { skip }, async () => {
  const { metadata } = await core.listNamespacedConfigMap({ namespace });
  const events: string[] = [];
  const ended = Promise.withResolvers<void>();
  const controller = await new Watch(config).watch(
    `/api/v1/namespaces/${namespace}/configmaps`,
    { resourceVersion: metadata?.resourceVersion ?? '', allowWatchBookmarks: true, fieldSelector: 'metadata.name=w' },
    (phase: string, object: { metadata: { name: string } }) => void events.push(`${phase} ${object.metadata.name}`),
    () => ended.resolve(),
  );
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'other' } } });
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'w' } } });
  await core.deleteNamespacedConfigMap({ namespace, name: 'w' });
  await until('both changes', () => events.includes('DELETED w'));
  assert.deepEqual(
    events.filter((event) => !event.startsWith('BOOKMARK')),
    ['ADDED w', 'DELETED w'],
  );
  controller.abort();
  await ended.promise;
});

test('exec, logs and metrics work through the client', { skip }, async () => {
  await runPod('talk', ['sh', '-c', 'echo one; echo two; idle']);
  const [out, err] = [new PassThrough(), new PassThrough()];
  const status = Promise.withResolvers<V1Status>();
  const input = new PassThrough();
  const command = ['sh', '-c', 'read line; echo "got $line"; echo no >&2; exit 3'];
  await new Exec(config).exec(namespace, 'talk', 'c', command, out, err, input, false, status.resolve);
  input.write('words\n');
  const { status: result, reason, details } = await status.promise;
  assert.deepEqual(
    [result, reason, details?.causes?.[0]],
    ['Failure', 'NonZeroExitCode', { reason: 'ExitCode', message: '3' }],
  );
  assert.deepEqual([`${out.read()}`, `${err.read()}`], ['got words\n', 'no\n']);

  const logs = new PassThrough();
  await new Log(config).log(namespace, 'talk', 'c', logs, { tailLines: 1 });
  assert.equal((await buffer(logs)).toString(), 'two\n');
  const followed = new PassThrough();
  await new Log(config).log(namespace, 'talk', 'c', followed, { follow: true });
  await core.deleteNamespacedPod({ namespace, name: 'talk' });
  assert.equal(await text(followed), 'one\ntwo\n', 'following ends with the container');
  const { items } = await new Metrics(config).getNodeMetrics();
  assert.match(items[0]?.usage.memory ?? '', /^\d+Ki$/);
});

test('the token of a service account is a way in of its own', { skip }, async () => {
  const { status } = await core.createNamespacedServiceAccountToken({
    namespace,
    name: 'default',
    body: { spec: { audiences: [], expirationSeconds: 600 } },
  });
  const robot = new KubeConfig();
  const server = config.getCurrentCluster();
  assert.ok(server !== null);
  robot.loadFromClusterAndUser(server, { name: 'robot', token: status?.token ?? '' });
  await assert.rejects(
    robot.makeApiClient(CoreV1Api).listNode(),
    (error) => codeOf(error) === 403,
    'known, and not allowed',
  );
  const stranger = new KubeConfig();
  stranger.loadFromClusterAndUser(server, { name: 'stranger', token: 'made-up' });
  await assert.rejects(stranger.makeApiClient(CoreV1Api).listNode(), (error) => codeOf(error) === 401);
});
