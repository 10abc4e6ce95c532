import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { loadImages } from './images.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');
let cluster: Tutti;
let dir: string;

before(async () => {
  if (skip !== false) return;
  dir = mkdtempSync(path.join(tmpdir(), 'tutti-kubectl-'));
  cluster = await Tutti.up();
  await loadImages(cluster);
});
after(async () => {
  if (skip !== false) return;
  await cluster[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

interface Spec {
  readonly replicas?: number;
  readonly image?: string;
}
const deployment = ({ replicas = 1, image = 'web:1' }: Spec = {}) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: "${image}", ports: [{ containerPort: 8080 }] }] }
`;
const configMap = (data: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { ${data} }
`;

test('kubectl apply creates, changes, leaves alone and takes away', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'apply');
  const both = `${deployment()}---${configMap('a: one, b: two')}`;
  assert.equal(await kubectl.fed(both, 'apply -f -'), 'deployment.apps/web created\nconfigmap/settings created\n');
  assert.equal(await kubectl.fed(both, 'apply -f -'), 'deployment.apps/web unchanged\nconfigmap/settings unchanged\n');
  const version = await kubectl.value('{.metadata.resourceVersion}', 'configmap settings');
  const changed = `${deployment({ replicas: 2 })}---${configMap('b: three')}`;
  assert.equal(
    await kubectl.fed(changed, 'apply -f -'),
    'deployment.apps/web configured\nconfigmap/settings configured\n',
  );
  assert.deepEqual(JSON.parse(await kubectl.value('{.data}', 'configmap settings')), { b: 'three' });
  assert.notEqual(await kubectl.value('{.metadata.resourceVersion}', 'configmap settings'), version);
  await kubectl.ok('wait deployment/web --timeout=30s', '--for=jsonpath={.status.readyReplicas}=2');

  const typo = await kubectl.outcome('apply -f -', [], { input: deployment().replace('replicas', 'replicsa') });
  assert.equal(typo.code, 1);
  assert.match(typo.stderr, /unknown field "spec\.replicsa"/);
  const wrong = await kubectl.outcome('apply -f -', [], {
    input: deployment().replace('replicas: 1', 'replicas: one'),
  });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /replicas/);
  const invalid = await kubectl.outcome('apply -f -', [], { input: deployment({ replicas: -1 }) });
  assert.match(invalid.stderr, /The Deployment "web" is invalid: spec\.replicas: Invalid value: -1/);
  assert.equal(await kubectl.value('{.spec.replicas}', 'deployment web'), '2', 'what is refused changes nothing');

  writeFileSync(path.join(dir, 'one.yaml'), configMap('from: file'));
  await kubectl.ok('apply -f', path.join(dir, 'one.yaml'));
  assert.match(await kubectl.ok('apply view-last-applied configmap settings'), /from: file/);
  assert.equal(await kubectl.fed(both, 'delete -f -'), 'deployment.apps "web" deleted\nconfigmap "settings" deleted\n');
});

test('kubectl get prints objects in every form and finds them by label, field and name', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'get');
  await kubectl.fed(deployment(), 'apply -f -');
  for (const [name, tier] of Object.entries({ b: 'back', a: 'front', c: 'back' })) {
    await kubectl.ok(`create configmap ${name} --from-literal=tier=${tier}`);
    await kubectl.ok(`label configmap ${name} tier=${tier}`);
  }
  await kubectl.ok('wait --for=condition=Available deployment/web --timeout=30s');
  const node = await kubectl.value('{.items[0].metadata.name}', 'nodes');
  const pod = await kubectl.value('{.items[0].metadata.name}', 'pods -l app=web');

  assert.match(
    await kubectl.ok('get deployments'),
    /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +1\/1 +1 +1 +\d+s\n$/,
  );
  assert.match(
    await kubectl.ok('get pods'),
    new RegExp(`^NAME +READY +STATUS +RESTARTS +AGE\n${pod} +1/1 +Running +0 +\\d+s\n$`),
  );
  assert.match(
    await kubectl.ok('get pods -o wide --no-headers'),
    new RegExp(`^${pod} +1/1 +Running +0 +\\d+s +10\\.[\\d.]+ +${node} +<none> +<none>\n$`),
  );
  assert.match(await kubectl.ok('get deployment web -o wide --no-headers'), /web +web:1 +app=web\n$/);
  assert.match(await kubectl.ok('get nodes -o wide'), /Ready .* containerd:\/\/\d/);
  assert.equal(await kubectl.ok('get configmaps -l tier=back -o name'), 'configmap/b\nconfigmap/c\n');
  assert.equal(await kubectl.ok('get configmaps -o name -l', 'tier in (front, side)'), 'configmap/a\n');
  assert.equal(await kubectl.ok('get configmaps -o name -l !tier'), 'configmap/kube-root-ca.crt\n');
  assert.equal(await kubectl.ok('get pods -o name --field-selector status.phase=Running'), `pod/${pod}\n`);
  assert.equal(
    await kubectl.ok('get pods -o name --field-selector', `status.phase!=Running,spec.nodeName=${node}`),
    '',
  );
  assert.equal(await kubectl.ok('get pods -A -o name --field-selector', `metadata.name=${pod}`), `pod/${pod}\n`);
  assert.match(
    await kubectl.ok('get namespaces --show-labels'),
    /^get +Active +\d+s +kubernetes\.io\/metadata\.name=get$/m,
  );
  assert.match(await kubectl.ok('get configmaps -L tier -l tier'), /^NAME +DATA +AGE +TIER\na +1 +\d+s +front\n/);
  assert.equal(
    await kubectl.ok('get configmaps -l tier --sort-by=.data.tier -o', 'jsonpath={.items[*].data.tier}'),
    'back back front',
  );
  assert.equal(
    await kubectl.ok('get configmaps -l tier -o', 'custom-columns=NAME:.metadata.name,TIER:.data.tier'),
    'NAME   TIER\na      front\nb      back\nc      back\n',
  );
  assert.match(
    await kubectl.ok('get configmap a -o yaml'),
    /^apiVersion: v1\ndata:\n {2}tier: front\nkind: ConfigMap\n/,
  );
  const all = await kubectl.json<{ kind: string; items: readonly { kind: string }[] }>('deployments,configmaps');
  assert.deepEqual(
    [all.kind, new Set(all.items.map(({ kind }) => kind))],
    ['List', new Set(['Deployment', 'ConfigMap'])],
  );
  assert.match(
    await kubectl.ok('get all'),
    /^pod\/web-.*\n[^]*^deployment\.apps\/web .*\n[^]*^replicaset\.apps\/web-/m,
  );
  assert.match(await kubectl.ok('get pods -A'), /^NAMESPACE +NAME/);
  assert.match((await kubectl.outcome('get secrets')).stderr, /No resources found in get namespace/);
  assert.equal(
    (await kubectl.outcome('get configmap none')).stderr,
    'Error from server (NotFound): configmaps "none" not found\n',
  );
  assert.match((await kubectl.outcome('get gadgets')).stderr, /doesn't have a resource type "gadgets"/);
  assert.equal(await kubectl.ok('get configmap none --ignore-not-found'), '');
  assert.equal(await kubectl.ok('get --raw', '/readyz'), 'ok');
  assert.equal(JSON.parse(await kubectl.ok('get --raw', '/api/v1/namespaces/get')).metadata.name, 'get');
  assert.match(
    await kubectl.ok('get configmaps -o name --chunk-size=1'),
    /^configmap\/a\nconfigmap\/b\nconfigmap\/c\n/,
  );
});

test('kubectl get -w shows each change as it happens', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'watch');
  await using watching = kubectl.start('get pods -w --output-watch-events');
  await kubectl.ok('run w --image=web:1');
  await watching.printed(/^ADDED +w +0\/1 +Pending/m);
  await watching.printed(/^MODIFIED +w +1\/1 +Running/m);
  await kubectl.ok('delete pod w');
  await watching.printed(/^DELETED +w /m);
});

test('kubectl describe tells what an object is, does and went through', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'describe');
  await kubectl.fed(deployment(), 'apply -f -');
  await kubectl.ok('expose deployment web --port=80 --target-port=8080');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  const [pod, ip] = (await kubectl.value('{.items[0].metadata.name} {.items[0].status.podIP}', 'pods')).split(' ');
  const node = await kubectl.value('{.items[0].metadata.name}', 'nodes');

  const described = await until('its events', async () => {
    const text = await kubectl.ok(`describe pod ${pod}`);
    return /Normal +Started .*kubelet/.test(text) && text;
  });
  assert.match(described, new RegExp(`^Node: +${node}/`, 'm'));
  assert.match(described, /^Controlled By: +ReplicaSet\/web-/m);
  assert.match(described, /^ +Image: +web:1\n +Image ID: +\S+\n +Port: +8080\/TCP$/m);
  assert.match(described, /^ +State: +Running$/m);
  assert.match(described, /^QoS Class: +BestEffort$/m);
  assert.match(described, /Normal +Scheduled +\S+ +default-scheduler +Successfully assigned describe\/web-/);

  const deploy = await kubectl.ok('describe deployment web');
  assert.match(deploy, /^Replicas: +1 desired \| 1 updated \| 1 total \| 1 available \| 0 unavailable$/m);
  assert.match(deploy, /^NewReplicaSet: +web-\S+ \(1\/1 replicas created\)$/m);
  assert.match(
    deploy,
    /Normal +ScalingReplicaSet +\S+ +deployment-controller +Scaled up replica set web-\S+ from 0 to 1/,
  );
  assert.match(await kubectl.ok('describe service web'), new RegExp(`^Endpoints: +${ip}:8080$`, 'm'));
  const described_ = await kubectl.ok(`describe node ${node}`);
  assert.match(described_, /^ +Ready +True .*KubeletReady/m);
  assert.match(described_, new RegExp(`^ +describe +${pod} +0 `, 'm'));
  assert.match(described_, /^ +Container Runtime Version: +containerd:\/\//m);
  assert.match(await kubectl.ok('describe namespace describe'), /^Status: +Active$/m);
  assert.match(await kubectl.ok('describe configmap kube-root-ca.crt'), /BEGIN CERTIFICATE/);
  assert.match(await kubectl.ok('events --for', `pod/${pod}`), /Normal +Started +Pod\/web-/);
  assert.match(await kubectl.ok('events --types=Normal'), /ScalingReplicaSet +Deployment\/web/);
  assert.match(await kubectl.ok('get events --field-selector', `involvedObject.name=${pod}`), /Scheduled/);
  assert.equal(await kubectl.ok('events --types=Warning'), '');
});

test('kubectl create makes each kind it has a word for', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'create');
  writeFileSync(path.join(dir, 'file.txt'), 'content\n');
  await kubectl.ok('create configmap c --from-literal=a=b', `--from-file=${path.join(dir, 'file.txt')}`);
  assert.deepEqual(JSON.parse(await kubectl.value('{.data}', 'configmap c')), { a: 'b', 'file.txt': 'content\n' });
  await kubectl.ok('create secret generic s --from-literal=password=hush');
  assert.equal(Buffer.from(await kubectl.value('{.data.password}', 'secret s'), 'base64').toString(), 'hush');
  await kubectl.ok('create secret docker-registry d --docker-server=r --docker-username=u --docker-password=p');
  assert.equal(await kubectl.value('{.type}', 'secret d'), 'kubernetes.io/dockerconfigjson');
  await kubectl.ok('create deployment web --image=web:1 --replicas=2 --port=8080');
  await kubectl.ok('wait --for=condition=Available deployment/web --timeout=30s');
  await kubectl.ok('create service clusterip web --tcp=80:8080');
  assert.equal(await kubectl.value('{.spec.ports[0].targetPort}', 'service web'), '8080');
  await kubectl.ok('create service nodeport outside --tcp=80:8080');
  assert.match(await kubectl.value('{.spec.ports[0].nodePort}', 'service outside'), /^3[012]\d{3}$/);
  await kubectl.ok('autoscale deployment web --max=3 --cpu-percent=70');
  assert.match(await kubectl.ok('get hpa web --no-headers'), /^web +Deployment\/web +\S+ <unknown>\/70% +1 +3 /);
  await kubectl.ok('create service externalname elsewhere --external-name=example.com');
  await kubectl.ok('create job once --image=box:1 -- echo once');
  await kubectl.ok('wait --for=condition=Complete job/once --timeout=30s');
  assert.equal(await kubectl.ok('logs job/once'), 'once\n');
  assert.match(await kubectl.ok('get job once --no-headers'), /^once +Complete +1\/1 /);
  await kubectl.ok('create cronjob often --image=box:1', '--schedule=*/5 * * * *', '--', 'echo', 'often');
  await kubectl.ok('create quota q --hard=pods=50');
  await kubectl.ok('create poddisruptionbudget b --selector=app=web --min-available=1');
  assert.match(
    await until('the budget is counted', async () => {
      const text = await kubectl.ok('get pdb b --no-headers');
      return /^b +1 +N\/A +1 /.test(text) && text;
    }),
    /^b/,
  );
  await kubectl.ok('create role r --verb=get,list --resource=pods');
  await kubectl.ok('create serviceaccount robot');
  await kubectl.ok('create rolebinding rb --role=r --serviceaccount=create:robot');
  await kubectl.ok('create priorityclass high --value=1000');
  assert.equal(await kubectl.value('{.value}', 'priorityclass high'), '1000');

  const token = (await kubectl.ok('create token robot --duration=15m')).trim();
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    sub: string;
    exp: number;
    iat: number;
  };
  assert.deepEqual([claims.sub, claims.exp - claims.iat], ['system:serviceaccount:create:robot', 900]);
  const who = await cluster.kubectl(['config', 'view', '--raw', '-o', 'json']).then(
    (text) =>
      JSON.parse(text) as {
        clusters: readonly { cluster: object }[];
      },
  );
  const file = path.join(dir, 'robot');
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: who.clusters,
      users: [{ name: 'robot', user: { token } }],
      contexts: [{ name: 'c', context: { cluster: 'tutti', user: 'robot' } }],
      'current-context': 'c',
    }),
  );
  const whoami = await kubectl.ok('auth whoami', '--kubeconfig', file);
  assert.match(whoami, /^Username +system:serviceaccount:create:robot$/m);

  const twice = await kubectl.outcome('create configmap c');
  assert.equal(twice.stderr, 'error: failed to create configmap: configmaps "c" already exists\n');
  const name = await kubectl.outcome('create configmap Bad_Name');
  assert.match(name.stderr, /Bad_Name.*RFC 1123/s);
});

test('kubectl label and annotate add, refuse to overwrite, overwrite and take away', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'label');
  await kubectl.ok('create configmap c');
  assert.equal(await kubectl.ok('label configmap c a=b'), 'configmap/c labeled\n');
  assert.match(
    (await kubectl.outcome('label configmap c a=z')).stderr,
    /already has a value \(b\), and --overwrite is false/,
  );
  await kubectl.ok('label configmap c a=z other=1 --overwrite');
  await kubectl.ok('label configmap c other-');
  await kubectl.ok('annotate configmap c', 'note=some words');
  assert.deepEqual(JSON.parse(await kubectl.value('{.metadata.labels}', 'configmap c')), { a: 'z' });
  assert.equal(await kubectl.value('{.metadata.annotations.note}', 'configmap c'), 'some words');
  await kubectl.ok('annotate configmap --all note-');
  assert.equal(await kubectl.value('{.metadata.annotations}', 'configmap c'), '');
  assert.match((await kubectl.outcome('label configmap c', ['a=not valid'])).stderr, /a valid label must be/);
});

test(
  'kubectl patch merges strategically, merges plainly, follows operations and reaches subresources',
  { skip },
  async () => {
    const kubectl = await Kubectl.in(cluster, 'patch');
    await kubectl.fed(deployment(), 'apply -f -');
    const containers = '{.spec.template.spec.containers[*].name}';
    const sidecar = { spec: { template: { spec: { containers: [{ name: 'side', image: 'box:1' }] } } } };
    await kubectl.ok('patch deployment web -p', JSON.stringify(sidecar));
    assert.equal(await kubectl.value(containers, 'deployment web'), 'side web', 'lists are merged by name');
    await kubectl.ok('patch deployment web --type=merge -p', JSON.stringify(sidecar));
    assert.equal(await kubectl.value(containers, 'deployment web'), 'side', 'a list replaces a list');
    const operations = [
      { op: 'test', path: '/spec/replicas', value: 1 },
      { op: 'replace', path: '/spec/replicas', value: 3 },
      { op: 'add', path: '/metadata/labels/new~1label', value: 'x' },
    ];
    await kubectl.ok('patch deployment web --type=json -p', JSON.stringify(operations));
    assert.equal(await kubectl.value('{.spec.replicas} {.metadata.labels.new/label}', 'deployment web'), '3 x');
    const again = await kubectl.outcome('patch deployment web --type=json -p', [JSON.stringify(operations)]);
    assert.equal(again.code, 1, 'a test that fails keeps everything as it is');
    await kubectl.ok('patch deployment web --subresource=scale --type=merge -p', '{"spec":{"replicas":2}}');
    assert.equal(await kubectl.value('{.spec.replicas}', 'deployment web'), '2');
    assert.match(await kubectl.ok('get deployment web --subresource=scale -o yaml'), /^kind: Scale$/m);
    await kubectl.ok(
      'patch deployment web --subresource=status --type=merge -p',
      '{"status":{"collisionCount":7},"spec":{"replicas":9}}',
    );
    assert.equal(await kubectl.value('{.status.collisionCount} {.spec.replicas}', 'deployment web'), '7 2');
    await kubectl.ok('patch deployment web -p', '{"status":{"collisionCount":8}}');
    assert.equal(
      await kubectl.value('{.status.collisionCount}', 'deployment web'),
      '7',
      'status has a door of its own',
    );
    assert.match(await kubectl.ok('patch deployment web -p', '{"spec":{"replicas":2}}'), /patched \(no change\)/);
  },
);

test('kubectl edit, replace and replace --force write whole objects', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'edit');
  await kubectl.fed(configMap('a: one'), 'create -f -');
  const editor = path.join(dir, 'editor');
  writeFileSync(editor, '#!/bin/sh\nsed -i "s/a: one/a: two/" "$1"\n', { mode: 0o755 });
  assert.equal(
    (await kubectl.succeed('edit configmap settings', [], { env: { KUBE_EDITOR: editor } })).stdout,
    'configmap/settings edited\n',
  );
  assert.equal(await kubectl.value('{.data.a}', 'configmap settings'), 'two');
  assert.match(
    (await kubectl.succeed('edit configmap settings', [], { env: { KUBE_EDITOR: 'true' } })).stderr,
    /cancelled, no changes made/,
  );

  await kubectl.fed(configMap('b: three'), 'replace -f -');
  assert.deepEqual(JSON.parse(await kubectl.value('{.data}', 'configmap settings')), { b: 'three' });
  const stale = (await kubectl.ok('get configmap settings -o yaml')).replace('three', 'four');
  await kubectl.fed(configMap('b: five'), 'replace -f -');
  const conflict = await kubectl.outcome('replace -f -', [], { input: stale });
  assert.match(conflict.stderr, /\(Conflict\).*the object has been modified/);

  await kubectl.ok('run forced --image=web:1');
  await kubectl.ok('wait --for=condition=Ready pod/forced --timeout=30s');
  const uid = await kubectl.value('{.metadata.uid}', 'pod forced');
  const pod = await kubectl.ok('run forced --image=web:2 --dry-run=client -o yaml');
  assert.match(
    (
      await kubectl.outcome('replace -f -', [], {
        input: pod.replace('name: forced\n    resources', 'name: other\n    resources'),
      })
    ).stderr,
    /may not|Forbidden|forbidden/,
  );
  assert.equal(await kubectl.fed(pod, 'replace --force -f -'), 'pod "forced" deleted\npod/forced replaced\n');
  await kubectl.ok('wait --for=condition=Ready pod/forced --timeout=30s');
  assert.notEqual(await kubectl.value('{.metadata.uid}', 'pod forced'), uid);
  assert.equal(await kubectl.ok('exec forced -- wget -qO- http://localhost:8080'), 'two\n');
});

test('kubectl diff shows what apply would change, and changes nothing', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'diff');
  await kubectl.fed(deployment(), 'apply -f -');
  const same = await kubectl.outcome('diff -f -', [], { input: deployment() });
  assert.deepEqual([same.code, same.stdout], [0, '']);
  const other = await kubectl.outcome('diff -f -', [], { input: deployment({ image: 'web:2', replicas: 5 }) });
  assert.equal(other.code, 1);
  assert.match(other.stdout, /^- +replicas: 1\n\+ +replicas: 5$/m);
  assert.match(other.stdout, /^- +- image: web:1\n\+ +- image: web:2$/m);
  assert.equal(await kubectl.value('{.spec.replicas}', 'deployment web'), '1');
});

test('kubectl wait waits for conditions, values, creation and deletion, and gives up in time', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'wait');
  const created = kubectl.ok('wait --for=create deployment/web --timeout=30s');
  await kubectl.fed(deployment(), 'apply -f -');
  await created;
  assert.equal(
    await kubectl.ok('wait --for=condition=Available deployment/web --timeout=30s'),
    'deployment.apps/web condition met\n',
  );
  await kubectl.ok('wait pods -l app=web --timeout=30s', '--for=jsonpath={.status.phase}=Running');
  const late = await kubectl.outcome('wait --for=condition=Never deployment/web --timeout=1s');
  assert.match(late.stderr, /timed out waiting for the condition on deployments\/web/);
  const gone = kubectl.ok('wait --for=delete deployment/web --timeout=30s');
  await kubectl.ok('delete deployment web --wait=false');
  await gone;
  await kubectl.ok('wait --for=delete pods -l app=web --timeout=30s');
  assert.equal(await kubectl.ok('get pods -o name'), '');
});

test('kubectl explain, api-resources, api-versions, version and cluster-info know the API', { skip }, async () => {
  const kubectl = new Kubectl(cluster, 'default');
  const fields = await kubectl.ok('explain pod.spec.containers.image');
  assert.match(fields, /^KIND: +Pod\nVERSION: +v1\n\nFIELD: image <string>\n/);
  assert.match(fields, /DESCRIPTION:\n {4}\S/);
  assert.match(await kubectl.ok('explain deployment.spec.strategy'), /rollingUpdate\t<\S+>/i);
  assert.match(
    await kubectl.ok('explain pod --recursive'),
    /^ {2}spec\t<PodSpec>[^]*^ {4}containers\t<\[\]Container> -required-[^]*^ {6}image\t<string>/m,
  );
  assert.match(await kubectl.ok('explain cronjob.spec.schedule'), /FIELD: schedule <string>/);
  assert.match((await kubectl.outcome('explain pod.spec.nothing')).stderr, /field "nothing" does not exist/);

  assert.match(await kubectl.ok('api-resources'), /^deployments +deploy +apps\/v1 +true +Deployment$/m);
  assert.match(await kubectl.ok('api-resources --namespaced=false -o name'), /^nodes$/m);
  assert.match(
    await kubectl.ok('api-resources --api-group=apps -o wide'),
    /^deployments .* create,delete,deletecollection,get,list,patch,update,watch +all$/m,
  );
  assert.match(await kubectl.ok('api-resources --categories=all -o name'), /^replicasets\.apps$/m);
  const versions = (await kubectl.ok('api-versions')).trim().split('\n');
  for (const version of ['v1', 'apps/v1', 'batch/v1', 'policy/v1', 'metrics.k8s.io/v1beta1']) {
    assert.ok(versions.includes(version), `${version} among ${versions.join(', ')}`);
  }
  assert.match(await kubectl.ok('version'), /^Server Version: v1\.35\./m);
  assert.match(
    await kubectl.ok('cluster-info'),
    new RegExp(`control plane.* is running at .*https://127\\.0\\.0\\.1:${cluster.port}`),
  );
  assert.match(await kubectl.ok('cluster-info dump --namespaces=default'), /"kind": "NodeList"/);
  const config = await kubectl.ok('config view');
  assert.match(config, /client-key-data: (DATA\+OMITTED|REDACTED)/);
  assert.equal((await kubectl.ok('config current-context')).trim(), 'tutti');
});

test('kubectl auth can-i and whoami tell who may do what', { skip }, async () => {
  const kubectl = new Kubectl(cluster, 'default');
  assert.equal(await kubectl.ok('auth can-i delete nodes'), 'yes\n');
  const stranger = await kubectl.outcome('auth can-i list secrets --as=stranger');
  assert.deepEqual([stranger.code, stranger.stdout], [1, 'no\n']);
  const refused = await kubectl.outcome('get secrets --as=stranger');
  assert.match(
    refused.stderr,
    /\(Forbidden\): secrets is forbidden: User "stranger" cannot list resource "secrets" in API group "" in the namespace "default"/,
  );
  assert.match(await kubectl.ok('auth can-i --list'), /^\*\.\* +\[\] +\[\] +\[\*\]$/m);
  assert.match(await kubectl.ok('auth whoami'), /^Groups +\[system:masters system:authenticated\]$/m);
  assert.match(await kubectl.ok('auth whoami --as=carol --as-group=crew'), /^Username +carol$/m);
});

test('kubectl proxy opens the API on a plain local port', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'proxy');
  await kubectl.ok('run web --image=web:1 --port=8080');
  await kubectl.ok('expose pod web --port=80 --target-port=8080');
  await kubectl.ok('wait --for=condition=Ready pod/web --timeout=30s');
  await using proxy = kubectl.start('proxy --port=0');
  const [, port] = await proxy.printed(/Starting to serve on 127\.0\.0\.1:(\d+)/);
  const get = async (url: string) => (await fetch(`http://127.0.0.1:${port}${url}`)).text();
  assert.equal(JSON.parse(await get('/api/v1/namespaces/proxy/pods/web')).metadata.name, 'web');
  assert.equal(await get('/readyz'), 'ok');
  assert.equal(await get('/api/v1/namespaces/proxy/pods/web:8080/proxy/'), 'one\n');
  await until(
    'the service answers',
    async () => (await get('/api/v1/namespaces/proxy/services/web:80/proxy/')) === 'one\n',
  );
});

test('the API server keeps its own Service when everything is deleted', { skip }, async () => {
  const kubectl = new Kubectl(cluster, 'default');
  await kubectl.ok('delete all --all');
  await until('it is back', async () => (await kubectl.outcome('get service kubernetes')).code === 0);
  assert.equal(readFileSync(cluster.kubeconfig, 'utf8').includes('tutti'), true);
});
