import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { CertificateSigningRequest } from '#api/certificates/certificate-signing-request.ts';
import { RawApi, refusalOf, type Reply } from '../support/api.ts';
import { certificateOf, certificationRequest, type WantedCertificate } from '../support/certificates.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const client = 'kubernetes.io/kube-apiserver-client';
const nodeClient = 'kubernetes.io/kube-apiserver-client-kubelet';

let cluster: Tutti;
let api: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

/** Asks for a certificate under `name`; the key stays here. */
async function ask(caller: RawApi, name: string, wanted: WantedCertificate, spec: object) {
  const { pem, key } = await certificationRequest(wanted);
  const request = Buffer.from(pem).toString('base64');
  const body = { metadata: { name }, spec: { request, usages: ['client auth', 'digital signature'], ...spec } };
  return { key, reply: await caller.send('POST', path, body) };
}

const read = (name: string) => api.json<CertificateSigningRequest>('GET', `${path}/${name}`);

/** Approves or denies as `caller`, as kubectl does. */
async function decide(caller: RawApi, name: string, type: 'Approved' | 'Denied'): Promise<Reply> {
  const request = await read(name);
  const conditions = [{ type, status: 'True', reason: 'Test', message: 'by hand' }];
  return caller.send('PUT', `${path}/${name}/approval`, { ...request, status: { ...request.status, conditions } });
}

const issued = (name: string) =>
  until(`certificate of ${name}`, async () => {
    const { certificate } = (await read(name)).status ?? {};
    return certificate === undefined ? undefined : Buffer.from(certificate, 'base64').toString('utf8');
  });

const userOf = async (cert: string, key: string) => {
  using caller = api.as({ cert, key });
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const url = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  return (await caller.json<{ status: { userInfo: { username: string; groups: string[] } } }>('POST', url, body)).status
    .userInfo;
};

/** A user with these rules, cluster-wide. */
async function userWith(name: string, ...rules: readonly object[]): Promise<RawApi> {
  await api.json('POST', `${rbac}/clusterroles`, { metadata: { name }, rules });
  await api.json('POST', `${rbac}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
  });
  return api.as(await certificateOf(cluster.dataDir, { commonName: name }));
}

const group = ['certificates.k8s.io'];
const mayAsk = {
  apiGroups: group,
  resources: ['certificatesigningrequests'],
  verbs: ['create', 'get', 'update', 'patch'],
};
const mayDecide = { apiGroups: group, resources: ['certificatesigningrequests/approval'], verbs: ['update', 'patch'] };
const mayWriteStatus = {
  apiGroups: group,
  resources: ['certificatesigningrequests/status'],
  verbs: ['update', 'patch'],
};

test('who asks for a certificate gets it once somebody who may has approved, and is let in with it', async () => {
  using asker = await userWith('asker', mayAsk);
  const wanted = { subject: 'O=devs, CN=jane' };
  const { key, reply } = await ask(asker, 'jane', wanted, {
    signerName: client,
    expirationSeconds: 3600,
    username: 'somebody-else',
    groups: ['system:masters'],
  });
  assert.equal(reply.code, 201, reply.text);
  const { spec } = await read('jane');
  assert.deepEqual([spec.username, spec.groups], ['asker', ['system:authenticated']]);

  const refused = async (caller: RawApi) => refusalOf(await decide(caller, 'jane', 'Approved'));
  assert.equal((await refused(asker)).code, 403);
  using half = await userWith('half', mayDecide);
  assert.equal(
    (await refused(half)).message,
    `certificatesigningrequests.certificates.k8s.io "jane" is forbidden: user not permitted to approve requests with signerName "${client}"`,
  );
  const approve = { apiGroups: group, resources: ['signers'], resourceNames: ['kubernetes.io/*'], verbs: ['approve'] };
  using approver = await userWith('approver', mayDecide, approve);
  assert.equal((await decide(approver, 'jane', 'Approved')).code, 200);

  const pem = await issued('jane');
  const certificate = new X509Certificate(pem);
  const lifetime = certificate.validToDate.getTime() - Date.now();
  assert.ok(lifetime > 3_500_000 && lifetime <= 3_600_000, `valid for ${lifetime} ms`);
  assert.equal(certificate.ca, false);
  const user = await userOf(pem, key);
  assert.deepEqual([user.username, user.groups], ['jane', ['devs', 'system:authenticated']]);
  const again = await decide(approver, 'jane', 'Denied');
  assert.deepEqual(refusalOf(again).fields, ['status.conditions'], 'a decision stands');
});

test('what is denied, or not approved, or wrong, is not signed', async () => {
  await ask(api, 'denied', { subject: 'CN=x' }, { signerName: client });
  assert.equal((await decide(api, 'denied', 'Denied')).code, 200);
  await ask(api, 'waiting', { subject: 'CN=x' }, { signerName: client });
  await ask(api, 'wrong', { subject: 'CN=not-a-node' }, { signerName: nodeClient });
  await decide(api, 'wrong', 'Approved');
  const failed = await until('the failure', async () =>
    (await read('wrong')).status?.conditions?.find(({ type }) => type === 'Failed'),
  );
  assert.deepEqual(
    [failed.reason, failed.message],
    ['SignerValidationFailure', 'subject organization is not system:nodes'],
  );
  for (const name of ['denied', 'waiting', 'wrong']) assert.equal((await read(name)).status?.certificate, undefined);
  const { status } = await read('denied');
  assert.ok(status?.conditions?.[0]?.lastUpdateTime, 'the server stamps a decision');
});

test('requests are validated, field by field', async () => {
  const wanted = { subject: 'CN=x' };
  const cases: readonly (readonly [object, readonly string[]])[] = [
    [{ signerName: client, request: Buffer.from('nonsense').toString('base64') }, ['spec.request']],
    [{ signerName: client, usages: [] }, ['spec.usages']],
    [{ signerName: client, usages: ['world peace'] }, ['spec.usages[0]']],
    [{ signerName: client, usages: ['client auth', 'client auth'] }, ['spec.usages[1]']],
    [{ signerName: 'kubernetes.io/legacy-unknown' }, ['spec.signerName']],
    [{ signerName: 'nowhere' }, ['spec.signerName']],
    [{ signerName: client, expirationSeconds: 599 }, ['spec.expirationSeconds']],
  ];
  for (const [spec, fields] of cases) {
    const refusal = refusalOf((await ask(api, 'bad', wanted, spec)).reply);
    assert.deepEqual([refusal.code, refusal.fields], [422, fields], JSON.stringify(spec));
  }
  const masters = await ask(api, 'bad', { subject: 'O=system:masters, CN=x' }, { signerName: client });
  assert.equal(
    refusalOf(masters.reply).message,
    `certificatesigningrequests.certificates.k8s.io "bad" is forbidden: use of ${client} signer with system:masters group is not allowed`,
  );
});

test('a certificate is signed by who may sign, and set once', async () => {
  await ask(api, 'own', { subject: 'CN=x' }, { signerName: 'example.com/own' });
  using writer = await userWith('writer', mayAsk, mayWriteStatus);
  const request = await read('own');
  const certificate = Buffer.from('-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----').toString('base64');
  const signed = { ...request, status: { certificate } };
  assert.match(
    refusalOf(await writer.send('PUT', `${path}/own/status`, signed)).message ?? '',
    /user not permitted to sign requests with signerName "example.com\/own"/,
  );
  const door = await api.send('PUT', `${path}/own/approval`, signed);
  assert.equal(refusalOf(door).code, 422, 'approving sets no certificate');
  const sneaked = { ...request, status: { conditions: [{ type: 'Approved', status: 'True' }] } };
  const { fields } = refusalOf(await api.send('PUT', `${path}/own/status`, sneaked));
  assert.deepEqual(fields, ['status.conditions'], 'the status approves nothing');
  assert.equal((await api.send('PUT', `${path}/own/status`, signed)).code, 200);
  const other = Buffer.from('-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----').toString('base64');
  const current = await read('own');
  const twice = await api.send('PUT', `${path}/own/status`, { ...current, status: { certificate: other } });
  assert.deepEqual(refusalOf(twice).fields, ['status.certificate']);
});

test('a machine that joins with a token gets the certificate of its node, and renews it, and no other node’s', async () => {
  const data = { 'token-id': 'joinme', 'token-secret': '0123456789abcdef', 'usage-bootstrap-authentication': 'true' };
  await api.json('POST', '/api/v1/namespaces/kube-system/secrets', {
    metadata: { name: 'bootstrap-token-joinme' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: data,
  });
  for (const [role, who] of [
    ['system:node-bootstrapper', 'system:bootstrappers'],
    ['system:certificates.k8s.io:certificatesigningrequests:nodeclient', 'system:bootstrappers'],
    ['system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', 'system:nodes'],
  ] as const) {
    await api.json('POST', `${rbac}/clusterrolebindings`, {
      metadata: { name: `join-${role}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: who }],
    });
  }
  const usages = ['digital signature', 'client auth'];
  const wanted = { subject: 'O=system:nodes, CN=system:node:n7' };
  using joiner = api.as({ token: 'joinme.0123456789abcdef' });
  const { key, reply } = await ask(joiner, 'n7', wanted, { signerName: nodeClient, usages });
  assert.equal(reply.code, 201, reply.text);
  const pem = await issued('n7');
  const joined = await userOf(pem, key);
  assert.deepEqual([joined.username, joined.groups], ['system:node:n7', ['system:nodes', 'system:authenticated']]);
  assert.equal((await read('n7')).status?.conditions?.[0]?.reason, 'AutoApproved');

  using node = api.as({ cert: pem, key });
  assert.equal((await ask(node, 'n7-again', wanted, { signerName: nodeClient, usages })).reply.code, 201);
  await issued('n7-again');
  const other = { subject: 'O=system:nodes, CN=system:node:n8' };
  assert.match(
    refusalOf((await ask(node, 'n8', other, { signerName: nodeClient, usages })).reply).message ?? '',
    /can only create a node CSR with CN=system:node:n7/,
  );
});
