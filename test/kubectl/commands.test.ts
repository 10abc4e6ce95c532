import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { outcomeOf, run } from '../support/command.ts';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('kubectl');
let cluster: Tutti;
let dir: string;

before(async () => {
  if (skip !== false) return;
  dir = mkdtempSync(path.join(tmpdir(), 'tutti-kubectl-'));
  cluster = await Tutti.up(['--sim', '--nodes', '2']);
});
after(async () => {
  if (skip !== false) return;
  await cluster[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

/** Runs kubectl without naming a namespace first, as some commands insist on. */
const plain = (...words: readonly string[]) =>
  run('kubectl', words, { env: { KUBECONFIG: cluster.kubeconfig, KUBECACHEDIR: path.join(dir, 'cache') } });

test('kubectl completion asks the cluster for names', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'completion');
  await kubectl.ok('create configmap alpha');
  await kubectl.ok('create configmap beta');
  assert.match(await kubectl.ok('completion bash'), /__start_kubectl/);
  assert.match(await plain('__complete', '-n', 'completion', 'get', 'configmaps', 'al'), /^alpha$/m);
  assert.match(await plain('__complete', 'get', 'deploy'), /^deployments\.apps$/m);
  assert.match(await plain('__complete', '-n', 'compl'), /^completion$/m);
});

test('kubectl config and options work on files of their own', { skip }, async () => {
  const kubectl = new Kubectl(cluster, 'default');
  const file = path.join(dir, 'config');
  writeFileSync(file, await kubectl.ok('config view --raw --flatten'));
  const own = ['--kubeconfig', file];
  await plain('config', 'set-context', 'other', '--cluster=tutti', '--user=tutti', '--namespace=kube-system', ...own);
  await plain('config', 'use-context', 'other', ...own);
  assert.match(await plain('config', 'get-contexts', '-o', 'name', ...own), /^other$/m);
  assert.match(await kubectl.ok('options'), /--as-group/);
  const plugins = await kubectl.outcome('plugin list');
  assert.match(plugins.stdout + plugins.stderr, /plugin/);
});

test('kubectl kustomize and apply -k build what they apply', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'kustomize');
  const base = path.join(dir, 'base');
  mkdirSync(base, { recursive: true });
  writeFileSync(
    path.join(base, 'kustomization.yaml'),
    'namePrefix: my-\nresources: [map.yaml]\nlabels: [{ pairs: { tier: base } }]\n',
  );
  writeFileSync(
    path.join(base, 'map.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata: { a: "1" }\n',
  );
  assert.match(await kubectl.ok('kustomize', base), /name: my-settings/);
  assert.equal(await kubectl.ok('apply -k', base), 'configmap/my-settings created\n');
  assert.equal(await kubectl.value('{.metadata.labels.tier}', 'configmap my-settings'), 'base');
  assert.equal(await kubectl.ok('apply -k', base), 'configmap/my-settings unchanged\n');
  assert.equal(await kubectl.ok('delete -k', base), 'configmap "my-settings" deleted\n');
});

test('kubectl create ingress and its kin are stored, with a warning where nobody acts on them', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'ingress');
  const { stdout, stderr } = await kubectl.succeed('create ingress web --class=nginx --rule=web.example.com/*=web:80');
  assert.equal(stdout, 'ingress.networking.k8s.io/web created\n');
  assert.match(stderr, /^Warning: this cluster has no ingress proxy of its own/m);
  assert.match(await kubectl.ok('get ingress web --no-headers'), /^web +nginx +web\.example\.com +80 +\d+s\n$/);
  assert.match(await kubectl.ok('describe ingress web'), /web\.example\.com/);
  const refused = await kubectl.outcome('create ingress bad --rule=10.0.0.1/=web:80');
  assert.match(refused.stderr, /spec\.rules\[0\]\.host: Invalid value: "10\.0\.0\.1": must be a DNS name, not an IP/);
  const policy = await kubectl.succeed('apply -f -', [], {
    input:
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: closed }\nspec: { podSelector: {} }\n',
  });
  assert.match(policy.stderr, /^Warning: this cluster does not enforce network policies yet/m);
  assert.match(await kubectl.ok('describe networkpolicy closed'), /Policy Types: Ingress/);
});

test('kubectl apply looks after what it applied last: view, set, edit, prune', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'last-applied');
  const map = (name: string, value: string) =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, labels: { set: one } }\ndata: { a: "${value}" }\n`;
  await kubectl.fed(`${map('first', '1')}---\n${map('second', '1')}`, 'apply -f -');
  assert.match(await kubectl.ok('apply view-last-applied configmap first'), /^ {2}a: "1"$/m);
  await kubectl.fed(map('first', '2'), 'apply set-last-applied -f -');
  assert.match(await kubectl.ok('apply view-last-applied configmap first -o json'), /"a": "2"/);
  await kubectl.succeed('apply edit-last-applied configmap first', [], { env: { KUBE_EDITOR: 'sed -i s/"2"/"3"/' } });
  assert.match(await kubectl.ok('apply view-last-applied configmap first'), /"3"/);
  const pruned = await kubectl.fed(
    map('first', '4'),
    'apply -f - --prune -l set=one --prune-allowlist=core/v1/ConfigMap',
  );
  assert.match(pruned, /configmap\/second pruned/);
  assert.equal(await kubectl.ok('get configmaps -l set=one -o name'), 'configmap/first\n');
});

test('every writing command can be tried with --dry-run=server, and nothing is written', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'dry');
  await kubectl.ok('create deployment web --image=web:1');
  await kubectl.ok('create configmap c --from-literal=a=b');
  await kubectl.ok('rollout status deployment/web --timeout=60s');
  const settled = async () => {
    const { items } = JSON.parse(await kubectl.ok('get all,configmaps -o json')) as {
      items: readonly { metadata: { name: string; resourceVersion: string } }[];
    };
    return items.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).toSorted();
  };
  let atRest = await settled();
  await until('the deployment is at rest', async () => {
    const last = atRest;
    atRest = await settled();
    return last.join() === atRest.join();
  });
  for (const line of [
    'create configmap new --from-literal=a=b',
    'create deployment new --image=web:1',
    'create service clusterip web --tcp=80:80',
    'run lone --image=web:1',
    'expose deployment web --port=80',
    'scale deployment web --replicas=3',
    'autoscale deployment web --max=3',
    'set image deployment/web web=web:2',
    'set env deployment/web A=b',
    'set resources deployment/web --limits=cpu=1',
    'label configmap c x=y',
    'annotate configmap c x=y',
    'rollout undo deployment/web --to-revision=1',
    'delete configmap c',
    'delete deployment web --cascade=foreground',
  ]) {
    const { code, stdout, stderr } = await kubectl.outcome(`${line} --dry-run=server`);
    assert.equal(code, 0, `${line}: ${stderr}`);
    assert.match(stdout, /\(server dry run\)|deleted|skipped rollback/, line);
  }
  await kubectl.ok('patch configmap c --dry-run=server -p', '{"data":{"a":"c"}}');
  assert.deepEqual(await settled(), atRest);
});

test('kubectl patch takes its three kinds of patch and a subresource', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'patch');
  await kubectl.ok('create deployment web --image=web:1 --replicas=1');
  await kubectl.ok('patch deployment web -p', '{"spec":{"template":{"metadata":{"labels":{"s":"1"}}}}}');
  await kubectl.ok('patch deployment web --type=merge -p', '{"metadata":{"labels":{"m":"2"}}}');
  await kubectl.ok('patch deployment web --type=json -p', '[{"op":"add","path":"/metadata/labels/j","value":"3"}]');
  assert.equal(
    await kubectl.value('{.metadata.labels.m}{.metadata.labels.j}{.spec.template.metadata.labels.s}', 'deployment web'),
    '231',
  );
  await kubectl.ok('patch deployment web --subresource=scale --type=merge -p', '{"spec":{"replicas":2}}');
  assert.equal(await kubectl.value('{.spec.replicas}', 'deployment web'), '2');
  const bad = await kubectl.outcome('patch deployment web --type=json -p', [
    '[{"op":"test","path":"/spec/replicas","value":9}]',
  ]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /the server rejected our request due to an error in our request|testing value/);
  const replicas = await kubectl.outcome('patch deployment web -p', ['{"spec":{"replicas":"two"}}']);
  assert.match(replicas.stderr, /replicas/);
});

test('kubectl set changes accounts, subjects and selectors', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'set');
  await kubectl.ok('create deployment web --image=web:1');
  await kubectl.ok('create serviceaccount robot');
  await kubectl.ok('set serviceaccount deployment web robot');
  assert.equal(await kubectl.value('{.spec.template.spec.serviceAccountName}', 'deployment web'), 'robot');
  await kubectl.ok('create service clusterip web --tcp=80');
  await kubectl.ok('set selector service web', 'app=other');
  assert.equal(await kubectl.value('{.spec.selector.app}', 'service web'), 'other');
  await kubectl.ok('create role r --verb=get --resource=pods');
  await kubectl.ok('create rolebinding rb --role=r --user=ann');
  await kubectl.ok('set subject rolebinding rb --user=bob --group=crew');
  assert.equal(await kubectl.value('{.subjects[*].name}', 'rolebinding rb'), 'ann bob crew');
});

test('what is wrong in a manifest is said with its place', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'wrong');
  const said = async (input: string) => {
    const { code, stderr } = await kubectl.outcome('apply -f -', [], { input });
    assert.equal(code, 1, stderr);
    return stderr;
  };
  const pod = (spec: string) => `apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec:\n${spec}`;
  assert.match(
    await said(pod('  containers: [{ name: a, imag: x, image: web:1 }]\n')),
    /strict decoding error: unknown field "spec\.containers\[0\]\.imag"/,
  );
  assert.match(await said(pod('  containers: {}\n')), /cannot unmarshal|containers/);
  assert.match(await said(pod('  containers: [{ name: a }]\n')), /spec\.containers\[0\]\.image: Required value/);
  assert.match(await said(pod(' containers\n  - a: [\n')), /yaml: line \d+/);
  assert.match(
    await said('apiVersion: apps/v9\nkind: Deployment\nmetadata: { name: d }\n'),
    /no matches for kind "Deployment" in version "apps\/v9"/,
  );
});

test('kubectl apply --server-side shares an object with others, field by field', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'server-side');
  const deployment = (replicas: string, image = 'web:1') => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: "${image}" }] }
`;
  const server = 'apply --server-side -f -';
  assert.equal(await kubectl.fed(deployment('replicas: 1'), server), 'deployment.apps/web serverside-applied\n');
  await kubectl.ok('scale deployment web --replicas=3');
  const refused = await kubectl.outcome(server, [], { input: deployment('replicas: 1') });
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps\/v1: \.spec\.replicas/,
  );
  // Whoever leaves the field out leaves it to the other.
  await kubectl.fed(deployment('paused: false'), server);
  assert.equal(await kubectl.value('{.spec.replicas}', 'deployment web'), '3');
  await kubectl.fed(deployment('replicas: 2'), `${server} --force-conflicts`);
  assert.equal(await kubectl.value('{.spec.replicas}', 'deployment web'), '2');
  await kubectl.fed(deployment('replicas: 2', 'web:2'), `${server} --field-manager=ci --force-conflicts`);
  const shown = await kubectl.ok('get deployment web -o yaml --show-managed-fields');
  assert.match(shown, /manager: ci\n {4}operation: Apply/);
  assert.equal((await kubectl.ok('get deployment web -o yaml')).includes('managedFields'), false);
  const same = await kubectl.outcome('diff --server-side --field-manager=ci -f -', [], {
    input: deployment('replicas: 2', 'web:2'),
  });
  assert.deepEqual([same.code, same.stdout], [0, ''], same.stderr);
  const other = await kubectl.outcome('diff --server-side --field-manager=ci -f -', [], {
    input: deployment('replicas: 2', 'web:3'),
  });
  assert.equal(other.code, 1);
  assert.match(other.stdout, /^\+ +- image: web:3$/m);
});

test('kubectl goes over from client-side to server-side apply, and removals go on working', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'migration');
  const map = (data: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata: { ${data} }\n`;
  await kubectl.fed(map('a: "1", b: "1"'), 'apply -f -');
  await kubectl.fed(map('a: "2", b: "1"'), 'apply --server-side -f -');
  assert.deepEqual(JSON.parse(await kubectl.value('{.data}', 'configmap settings')), { a: '2', b: '1' });
  await kubectl.fed(map('a: "2"'), 'apply --server-side -f -');
  assert.deepEqual(JSON.parse(await kubectl.value('{.data}', 'configmap settings')), { a: '2' });
  const managers = await kubectl.value(
    '{.metadata.managedFields[*].manager}',
    'configmap settings --show-managed-fields',
  );
  // kubectl keeps the annotation for who goes back, under a name of its own.
  // Those of one second are in the order of their names, others in that of their times.
  assert.deepEqual(managers.split(' ').toSorted(), ['kubectl', 'kubectl-last-applied']);
});

/** Commands that only work on kubectl's own files or texts. */
const local = new Set(['completion', 'config', 'kustomize', 'options', 'plugin']);

test('every command that kubectl has is used by a test of this folder', { skip }, async () => {
  const { stdout } = await outcomeOf('kubectl', ['--help']);
  const commands = [...stdout.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(([, name]) => name ?? '');
  assert.ok(commands.length > 35, stdout);
  const sources = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(path.join(import.meta.dirname, file), 'utf8'))
    .join('\n');
  const unused = commands.filter((name) => !new RegExp(`['"\`]${name}[ '"\`]`).test(sources) && !local.has(name));
  assert.deepEqual(unused, []);
});
