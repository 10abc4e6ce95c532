import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { HttpClient } from '#client/http-client.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { lead } from '#client/leader-election.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { issueCertificate, type CertificateRequest } from '#lib/x509.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { outcomeOf } from '../support/command.ts';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const pods = '/api/v1/namespaces/default/pods';
const accounts = '/api/v1/namespaces/default/serviceaccounts';
const whoAmI = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
const hour = 3_600_000;

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

interface Review {
  readonly status: {
    readonly userInfo: { readonly username: string; readonly groups: readonly string[]; readonly extra?: object };
  };
}

/** A client certificate of the cluster's own authority. */
async function certificate(request: Partial<CertificateRequest> & { readonly commonName: string }) {
  const pki = (name: string) => readFileSync(path.join(cluster.dataDir, 'pki', name), 'utf8');
  const now = Date.now();
  const credential = await issueCertificate(
    { use: 'client', notBefore: now - hour, notAfter: now + hour, ...request },
    { certificate: pki('ca.crt'), key: pki('ca.key') },
  );
  return { cert: credential.certificate, key: credential.key };
}

async function whoIs(caller: RawApi, headers: Readonly<Record<string, string>> = {}) {
  return (await caller.json<Review>('POST', whoAmI, review, headers)).status.userInfo;
}

const refused = async (caller: RawApi, url = pods) => {
  const { code, reason, message } = refusalOf(await caller.send('GET', url));
  return [code, reason, message];
};

test('a stranger learns that the server is healthy, and nothing else', async () => {
  using stranger = api.as({});
  for (const url of ['/livez', '/readyz', '/healthz', '/livez/ping']) {
    assert.equal((await stranger.send('GET', url)).code, 200, url);
  }
  for (const url of [
    '/',
    '/api',
    '/apis',
    '/api/v1/pods',
    '/version',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/nonsense',
  ]) {
    assert.deepEqual(await refused(stranger, url), [401, 'Unauthorized', 'Unauthorized'], url);
  }
  assert.equal((await stranger.send('POST', pods, {})).code, 401);
});

test('a certificate says who one is: its name is the user, its organizations the groups', async () => {
  using someone = api.as(await certificate({ commonName: 'ann', organizations: ['dev', 'ops'] }));
  const { username, groups, extra } = await whoIs(someone);
  assert.deepEqual([username, groups], ['ann', ['dev', 'ops', 'system:authenticated']]);
  const [id] = Object.values((extra ?? {}) as Readonly<Record<string, readonly string[]>>).flat();
  assert.match(id ?? '', /^X509SHA256=[0-9a-f]{64}$/);
  assert.deepEqual(await refused(someone), [
    403,
    'Forbidden',
    'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"',
  ]);
  using administrator = api.as(await certificate({ commonName: 'root', organizations: ['system:masters'] }));
  assert.equal((await administrator.send('GET', pods)).code, 200);
});

test('a certificate that is over, not yet valid, or of another authority is refused, saying so', async () => {
  const now = Date.now();
  using over = api.as(await certificate({ commonName: 'ann', notBefore: now - 2 * hour, notAfter: now - hour }));
  using early = api.as(await certificate({ commonName: 'ann', notBefore: now + hour, notAfter: now + 2 * hour }));
  const validity = { notBefore: now - hour, notAfter: now + hour };
  const other = await issueCertificate({ use: 'authority', commonName: 'tutti-ca', ...validity });
  const theirs = await issueCertificate(
    { use: 'client', commonName: 'root', organizations: ['system:masters'], ...validity },
    other,
  );
  using foreign = api.as({ cert: theirs.certificate, key: theirs.key });
  const texts = [/certificate has expired/, /certificate is not yet valid/, /not signed by this cluster's authority/];
  for (const [index, caller] of [over, early, foreign].entries()) {
    const [code, reason, message] = await refused(caller);
    assert.deepEqual([code, reason], [401, 'Unauthorized']);
    assert.match(String(message), texts[index]!);
    assert.equal((await caller.send('GET', '/livez')).code, 200);
  }
});

test(
  'kubectl tells what is wrong with an expired certificate and with a wrong authority',
  { skip: unless('kubectl') },
  async () => {
    const now = Date.now();
    const { server } = await loadKubeconfig([cluster.kubeconfig]);
    const kubectl = async (ca: string, { cert, key }: { cert: string; key: string }) => {
      const data = (text: string) => Buffer.from(text).toString('base64');
      const file = path.join(cluster.dataDir, 'other-kubeconfig');
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'c',
        clusters: [{ name: 'c', cluster: { server: server.url, 'certificate-authority-data': data(ca) } }],
        users: [{ name: 'u', user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      };
      writeFileSync(file, JSON.stringify(config));
      return outcomeOf('kubectl', ['--kubeconfig', file, 'get', 'pods'], { env: { KUBECACHEDIR: `${file}-cache` } });
    };
    const expired = await kubectl(
      String(server.ca),
      await certificate({ commonName: 'ann', notBefore: now - 2 * hour, notAfter: now - hour }),
    );
    assert.equal(expired.code, 1);
    assert.match(expired.stderr, /You must be logged in to the server|certificate has expired/);
    const other = await issueCertificate({
      use: 'authority',
      commonName: 'x',
      notBefore: now - hour,
      notAfter: now + hour,
    });
    const wrong = await kubectl(other.certificate, await certificate({ commonName: 'ann' }));
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /x509: certificate signed by unknown authority/);
  },
);

test('a token of a service account works as its rules say, and no further', async () => {
  await api.json('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } });
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
  const { status } = await api.json<{ status: { token: string } }>('POST', `${accounts}/robot/token`, request);
  using robot = api.as({ token: status.token });
  const { username, groups } = await whoIs(robot);
  assert.deepEqual(
    [username, groups.toSorted()],
    [
      'system:serviceaccount:default:robot',
      ['system:authenticated', 'system:serviceaccounts', 'system:serviceaccounts:default'],
    ],
  );
  assert.equal((await robot.send('GET', '/api/v1')).code, 200);
  assert.equal((await robot.send('GET', '/.well-known/openid-configuration')).code, 200);
  assert.equal((await refused(robot))[0], 403);
  const asked = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { verb: 'list', resource: 'pods', namespace: 'default' } },
  };
  const answer = await robot.json<{ status: { allowed: boolean } }>(
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    asked,
  );
  assert.equal(answer.status.allowed, false);
});

test('a token that is none, or was changed, is refused', async () => {
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const { status } = await api.json<{ status: { token: string } }>('POST', `${accounts}/default/token`, request);
  const [head = '', body = '', signature = ''] = status.token.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as { sub: string };
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:kube-system:x' })).toString(
    'base64url',
  );
  const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
  for (const token of ['nonsense', `${head}.${forged}.${signature}`, `${unsigned}.${body}.`, `${head}.${body}`]) {
    using caller = api.as({ token });
    assert.deepEqual((await refused(caller)).slice(0, 2), [401, 'Unauthorized'], token);
  }
});

test('an administrator may speak for others, with their groups and no more than their rights', async () => {
  const asAnn = { 'impersonate-user': 'ann', 'impersonate-group': 'dev', 'impersonate-extra-scopes': 'view' };
  assert.deepEqual(await whoIs(api, asAnn), {
    username: 'ann',
    groups: ['dev', 'system:authenticated'],
    extra: { scopes: ['view'] },
  });
  assert.equal((await api.send('GET', pods, undefined, asAnn)).code, 403);
  const account = await whoIs(api, { 'impersonate-user': 'system:serviceaccount:default:default' });
  assert.ok(account.groups.includes('system:serviceaccounts:default'));
  assert.equal((await api.send('GET', pods, undefined, { 'impersonate-group': 'dev' })).code, 400);
  using ann = api.as(await certificate({ commonName: 'ann' }));
  const refusal = refusalOf(await ann.send('GET', pods, undefined, { 'impersonate-user': 'root' }));
  assert.deepEqual([refusal.code, refusal.reason], [403, 'Forbidden']);
  assert.match(refusal.message ?? '', /^users "root" is forbidden: User "ann" cannot impersonate resource "users"/);
  const masters = { 'impersonate-user': 'ann', 'impersonate-group': 'system:masters' };
  assert.equal((await ann.send('GET', pods, undefined, masters)).code, 403);
});

test('of two that stand for election over HTTPS one leads, and the other follows it at once', async () => {
  const { server } = await loadKubeconfig([cluster.kubeconfig]);
  const leading = new Set<string>();
  let most = 0;
  const stand = (identity: string) => {
    const stop = new AbortController();
    const client = new HttpClient({ server, clock: systemClock, userAgent: identity });
    const lease = { namespace: 'kube-system', name: 'contest' };
    const options = {
      client,
      clock: systemClock,
      log: silentLog,
      lease,
      identity,
      leaseMs: 3_000,
      renewMsMax: 2_000,
      retryMs: 200,
    };
    const running = lead(
      options,
      async ({ signal }) => {
        leading.add(identity);
        most = Math.max(most, leading.size);
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        leading.delete(identity);
      },
      stop.signal,
    );
    return {
      identity,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await running;
        await client[Symbol.asyncDispose]();
      },
    };
  };
  const contenders = [stand('a'), stand('b')];
  const first = await until('one leads', () => [...leading][0]);
  const [winner, loser] = contenders[0]?.identity === first ? contenders : contenders.toReversed();
  await winner?.[Symbol.asyncDispose]();
  assert.equal(await until('the other leads', () => [...leading][0]), loser?.identity);
  await loser?.[Symbol.asyncDispose]();
  assert.equal(most, 1);
});
