import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { certificationRequest } from '../support/certificates.ts';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('kubectl');
let cluster: Tutti;
let dir: string;
before(async () => {
  if (skip !== false) return;
  dir = mkdtempSync(path.join(tmpdir(), 'tutti-access-'));
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
});
after(async () => {
  if (skip !== false) return;
  await cluster[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

/** The row of a table whose first cell this is. */
const row = (table: string, first: string) => table.split('\n').find((line) => line.startsWith(`${first} `));

test('kubectl create role and rolebinding give rights, which can-i and can-i --list tell', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'rights');
  await kubectl.ok('create role keeper --verb=get,list --resource=pods,configmaps --resource-name=one');
  await kubectl.ok('create rolebinding keeper --role=keeper --user=jane --serviceaccount=rights:bot');
  await kubectl.ok('create clusterrole metrics --verb=get --non-resource-url=/metrics');
  await kubectl.ok('create clusterrolebinding metrics --clusterrole=metrics --user=jane');
  assert.equal(await kubectl.ok('auth can-i get pods/one --as=jane'), 'yes\n');
  assert.equal((await kubectl.outcome('auth can-i get pods/two --as=jane')).stdout, 'no\n');
  assert.equal(await kubectl.ok('auth can-i get configmaps/one --as=system:serviceaccount:rights:bot'), 'yes\n');
  assert.equal(await kubectl.ok('auth can-i get /metrics --as=jane'), 'yes\n');
  const listed = await kubectl.ok('auth can-i --list --as=jane');
  assert.match(row(listed, 'pods') ?? '', /^pods +\[\] +\[one\] +\[get list\]$/);
  assert.match(listed, /^selfsubjectaccessreviews\.authorization\.k8s\.io +\[\] +\[\] +\[create\]$/m);
  assert.match(listed, /^ +\[\/metrics\] +\[\] +\[get\]$/m);
  assert.match(await kubectl.ok('describe role keeper'), /pods +\[\] +\[one\] +\[get list\]/);
  assert.match(await kubectl.ok('get rolebinding keeper -o wide'), /Role\/keeper +\S+ +jane +rights\/bot/);
  const refused = await kubectl.outcome('delete pod one --as=jane');
  assert.match(
    refused.stderr,
    /pods "one" is forbidden: User "jane" cannot delete resource "pods" in API group "" in the namespace "rights"/,
  );
});

test('kubectl auth reconcile adds what is missing, and takes away only when told to', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'reconcile');
  const role = (...verbs: readonly string[]) => {
    const file = path.join(dir, 'role.json');
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs }];
    const roleObject = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'r', namespace: 'reconcile' },
      rules,
    };
    writeFileSync(file, JSON.stringify(roleObject));
    return file;
  };
  const may = async (verb: string) => (await kubectl.outcome(`auth can-i ${verb} pods --as=jane`)).stdout;
  assert.match(await kubectl.ok('auth reconcile -f', role('get')), /role.rbac.authorization.k8s.io\/r reconciled/);
  await kubectl.ok('create rolebinding r --role=r --user=jane');
  await kubectl.ok('auth reconcile -f', role('list'));
  assert.deepEqual([await may('get'), await may('list')], ['yes\n', 'yes\n']);
  await kubectl.ok('auth reconcile --remove-extra-permissions -f', role('list'));
  assert.deepEqual([await may('get'), await may('list')], ['no\n', 'yes\n']);
});

test('aggregated roles are the sum of what is labelled for them, and follow it', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'aggregation');
  await kubectl.ok('create rolebinding viewer --clusterrole=view --user=jane');
  const may = async (what: string) => (await kubectl.outcome(`auth can-i ${what} --as=jane`)).stdout;
  assert.equal(await may('get leases.coordination.k8s.io'), 'no\n');
  const labelled = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'leases', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
    rules: [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get'] }],
  };
  await kubectl.fed(JSON.stringify(labelled), 'apply -f -');
  await until('the right', async () => (await may('get leases.coordination.k8s.io')) === 'yes\n');
  // What view has, edit and admin have.
  await kubectl.ok('create rolebinding boss --clusterrole=admin --user=ann');
  assert.match(await kubectl.ok('get clusterrole edit -o jsonpath={.rules[*].resources}'), /leases/);
  await kubectl.ok('delete clusterrole leases');
  await until('its end', async () => (await may('get leases.coordination.k8s.io')) === 'no\n');
});

test('kubectl create token makes a token that works, and auth whoami tells whose', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'accounts');
  await kubectl.ok('create serviceaccount bot');
  const token = (await kubectl.ok('create token bot --duration=10m')).trim();
  const config = JSON.parse(await kubectl.ok('config view --raw --flatten -o json')) as {
    users: readonly { name: string }[];
  };
  const file = path.join(dir, 'bot');
  const users = config.users.map(({ name }) => ({ name, user: { token } }));
  writeFileSync(file, JSON.stringify({ ...config, users }));
  const who = await kubectl.ok('auth whoami -o json', '--kubeconfig', file);
  const { username, extra } = (JSON.parse(who) as { status: { userInfo: { username: string; extra: object } } }).status
    .userInfo;
  assert.equal(username, 'system:serviceaccount:accounts:bot');
  assert.ok('authentication.kubernetes.io/credential-id' in extra);
  const short = await kubectl.outcome('create token bot --duration=5m');
  assert.match(short.stderr, /may not specify a duration less than 10 minutes/);
});

test('kubectl certificate approve and deny decide on requests', { skip }, async () => {
  const kubectl = new Kubectl(cluster, 'default');
  const ask = async (name: string) => {
    const { pem } = await certificationRequest({ subject: 'O=devs, CN=jane' });
    const request = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name },
      spec: {
        request: Buffer.from(pem).toString('base64'),
        signerName: 'kubernetes.io/kube-apiserver-client',
        usages: ['client auth'],
        expirationSeconds: 86_400,
      },
    };
    await kubectl.fed(JSON.stringify(request), 'create -f -');
  };
  await ask('jane');
  await ask('joe');
  assert.match(await kubectl.ok('get csr jane'), /kubernetes-admin +24h +Pending/);
  assert.match(await kubectl.ok('certificate approve jane'), /jane approved/);
  assert.match(await kubectl.ok('certificate deny joe'), /joe denied/);
  await until('the certificate', async () => /Approved,Issued/.test(await kubectl.ok('get csr jane')));
  assert.match(await kubectl.ok('get csr joe'), /Denied/);
  assert.match(await kubectl.ok('get csr --field-selector=spec.signerName=nobody.example/x'), /^$/);
});

test('a cluster whose roles are all deleted gets back those that it needs, and goes on', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'wiped');
  await kubectl.ok('create deployment web --image=web:1 --replicas=1');
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  for (const plural of ['clusterroles', 'clusterrolebindings', 'namespaces/kube-system/roles']) {
    await kubectl.ok(`delete --raw ${rbac}/${plural}`);
  }
  await kubectl.ok('scale deployment web --replicas=3');
  const pods = async () => (await kubectl.ok('get pods -o name')).split('\n').filter((line) => line !== '').length;
  await until('three pods', async () => (await pods()) === 3);
  assert.match(await kubectl.ok('get clusterrole view -o name'), /clusterrole.rbac.authorization.k8s.io\/view/);
  const reader = 'extension-apiserver-authentication-reader';
  await until('the role in kube-system', async () =>
    (await kubectl.outcome(`-n kube-system get role ${reader}`)).stdout.includes(reader),
  );
});
