import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { formatYaml } from '#machinery/yaml.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { certificateOf } from '../support/certificates.ts';
import { Issuer } from '../support/issuer.ts';
import { Tutti } from '../support/tutti.ts';

let issuer: Issuer;
let second: Issuer;
let cluster: Tutti;
let api: RawApi;
let folder: string;
before(async () => {
  issuer = await Issuer.start();
  second = await Issuer.start();
  second.addKey('ec', 'ES256');
  issuer.addKey('rsa', 'RS256');
  issuer.addKey('ec', 'ES256');
  folder = await mkdtemp(path.join(tmpdir(), 'tutti-oidc-'));
  const file = path.join(folder, 'authentication.yaml');
  const configuration = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    jwt: [
      {
        issuer: { url: issuer.url, certificateAuthority: issuer.authority, audiences: ['tutti', 'other'] },
        claimValidationRules: [{ claim: 'hd', requiredValue: 'example.com' }],
        claimMappings: {
          username: { claim: 'email', prefix: 'oidc:' },
          groups: { claim: 'groups', prefix: 'oidc:' },
          uid: { claim: 'sub' },
        },
      },
      {
        issuer: { url: second.url, certificateAuthority: second.authority, audiences: ['tutti'] },
        claimValidationRules: [
          { expression: 'claims.exp - claims.iat <= 3600', message: 'tokens of more than an hour are not taken' },
        ],
        claimMappings: {
          username: { expression: '"robot:" + claims.sub' },
          groups: { expression: 'claims.roles.filter(r, r.startsWith("k8s-")).map(r, r.substring(4))' },
          uid: { expression: 'claims.sub' },
          extra: [{ key: 'example.com/team', valueExpression: 'claims.?team.orValue("")' }],
        },
        userValidationRules: [{ expression: '!user.groups.exists(g, g == "banned")', message: 'banned' }],
      },
    ],
    anonymous: { enabled: true, conditions: [{ path: '/livez' }, { path: '/version' }, { path: '/metrics' }] },
  };
  await writeFile(file, formatYaml(configuration));
  cluster = await Tutti.up(['--sim', '--nodes', '0', '--authentication-config', file]);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const claims = { sub: 'u-1', email: 'jane@example.com', hd: 'example.com', groups: ['devs', 'ops'] };

interface Who {
  readonly status: {
    readonly userInfo: { readonly username: string; readonly groups: readonly string[]; readonly uid?: string };
  };
}

async function whoIs(token: string): Promise<Who['status']['userInfo'] | number> {
  using caller = api.as({ token });
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const { code, body: answer } = await caller.send('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', body);
  return code === 201 ? (answer as Who).status.userInfo : code;
}

test('a token of the issuer says who calls, in which groups, whatever sort of key has signed it', async () => {
  for (const key of ['rsa', 'ec']) {
    assert.deepEqual(await whoIs(issuer.token(key, claims)), {
      username: 'oidc:jane@example.com',
      groups: ['oidc:devs', 'oidc:ops', 'system:authenticated'],
      uid: 'u-1',
    });
  }
  assert.equal(issuer.asked.length, 2, 'its description and its keys are fetched once');
});

test('expressions map claims, and say which tokens and users are taken', async () => {
  const robot = { sub: 'r-1', roles: ['k8s-ops', 'other', 'k8s-dev'], team: 'blue' };
  assert.deepEqual(await whoIs(second.token('ec', robot)), {
    username: 'robot:r-1',
    groups: ['ops', 'dev', 'system:authenticated'],
    uid: 'r-1',
    extra: { 'example.com/team': ['blue'] },
  });
  const { team: _team, ...teamless } = robot;
  const plain = await whoIs(second.token('ec', teamless));
  assert.ok(typeof plain === 'object' && !('extra' in plain));
  const now = Math.floor(Date.now() / 1000);
  const wrong: Readonly<Record<string, object>> = {
    'that lasts too long': { ...robot, exp: now + 7200 },
    'of somebody banned': { ...robot, roles: ['k8s-banned'] },
    'without roles': { sub: 'r-1' },
    'with roles that are none': { ...robot, roles: 7 },
    'that claims to be the system': { ...robot, roles: ['k8s-system:masters'] },
  };
  for (const [what, claims_] of Object.entries(wrong)) {
    assert.equal(await whoIs(second.token('ec', { ...claims_ })), 401, what);
  }
});

test('rights come from roles: nobody may do anything by being known alone', async () => {
  using caller = api.as({ token: issuer.token('rsa', claims) });
  const pods = '/api/v1/namespaces/default/pods';
  assert.equal(
    refusalOf(await caller.send('GET', pods)).message,
    'pods is forbidden: User "oidc:jane@example.com" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  await api.json('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
    metadata: { name: 'devs' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'oidc:devs' }],
  });
  assert.equal((await caller.send('GET', pods)).code, 200);
});

test('a token that is wrong in any one way is nobody’s', async () => {
  const now = Math.floor(Date.now() / 1000);
  const wrong: Readonly<Record<string, string>> = {
    expired: issuer.token('rsa', { ...claims, exp: now - 1 }),
    'without an end': issuer.token('rsa', { ...claims, exp: undefined }),
    'not valid yet': issuer.token('rsa', { ...claims, nbf: now + 600 }),
    'for others': issuer.token('rsa', { ...claims, aud: 'somebody' }),
    'of another domain': issuer.token('rsa', { ...claims, hd: 'example.org' }),
    'without a name': issuer.token('rsa', { ...claims, email: undefined }),
    'of an unverified address': issuer.token('rsa', { ...claims, email_verified: false }),
    'of another issuer': issuer.token('rsa', { ...claims, iss: 'https://127.0.0.1:1' }),
    'with odd groups': issuer.token('rsa', { ...claims, groups: [{}] }),
    'that names another key': issuer.token('rsa', claims, { kid: 'ec' }),
    'that names another algorithm': issuer.token('rsa', claims, { alg: 'ES256' }),
    'without a signature': `${issuer.token('rsa', claims, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`,
    'with a critical extension': issuer.token('rsa', claims, { crit: ['x'] }),
  };
  for (const [what, token] of Object.entries(wrong)) assert.equal(await whoIs(token), 401, what);

  // The public key as the secret of a symmetric algorithm: the oldest trick.
  const [, body] = issuer.token('rsa', claims).split('.');
  const head = Buffer.from(JSON.stringify({ alg: 'HS256', kid: 'rsa' })).toString('base64url');
  const mac = createHmac('sha256', issuer.publicKey('rsa')).update(`${head}.${body}`).digest('base64url');
  assert.equal(await whoIs(`${head}.${body}.${mac}`), 401);
});

test('a new key is asked for, and one that nobody knows does not make us ask without end', async () => {
  const other = await Issuer.start();
  other.addKey('elsewhere', 'RS256');
  const asked = issuer.asked.length;
  for (let i = 0; i < 20; i++) {
    assert.equal(await whoIs(other.token('elsewhere', { ...claims, iss: issuer.url, jti: `${i}` })), 401);
  }
  assert.ok(issuer.asked.length - asked <= 2, `asked ${issuer.asked.length - asked} times`);
  await other[Symbol.asyncDispose]();
});

test('strangers get what the configuration names and roles allow, and nothing else', async () => {
  using stranger = api.as({});
  const codes = async (paths: readonly string[]) =>
    Promise.all(paths.map(async (each) => [each, (await stranger.send('GET', each)).code]));
  assert.deepEqual(
    await codes(['/livez', '/version', '/metrics', '/readyz', '/healthz', '/api', '/api/v1/pods', '/livez/ping']),
    [
      ['/livez', 200],
      ['/version', 200],
      ['/metrics', 403], // named, but no role has it for them
      ['/readyz', 401],
      ['/healthz', 401],
      ['/api', 401],
      ['/api/v1/pods', 401],
      ['/livez/ping', 401],
    ],
  );
});

test('a front proxy is believed, and nobody else who says the same', async () => {
  const pki = (name: string) => readFile(path.join(cluster.dataDir, 'pki', name), 'utf8');
  const headers = {
    'x-remote-user': 'jane',
    'x-remote-group': 'devs',
    'x-remote-uid': 'u-9',
    'x-remote-extra-scopes': 'read',
  };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const url = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  using proxy = api.as({ cert: await pki('front-proxy-client.crt'), key: await pki('front-proxy-client.key') });
  assert.deepEqual((await proxy.json<Who>('POST', url, body, headers)).status.userInfo, {
    username: 'jane',
    groups: ['devs', 'system:authenticated'],
    uid: 'u-9',
    extra: { scopes: ['read'] },
  });
  const odd = { ...headers, 'x-remote-group': 'a,system:masters' };
  const { groups } = (await proxy.json<Who>('POST', url, body, odd)).status.userInfo;
  assert.deepEqual(groups, ['a,system:masters', 'system:authenticated'], 'a comma is part of a name');
  assert.equal((await proxy.send('POST', url, body)).code, 401, 'by itself it is nobody');

  using user = api.as(await certificateOf(cluster.dataDir, { commonName: 'front-proxy-client' }));
  const { username } = (await user.json<Who>('POST', url, body, headers)).status.userInfo;
  assert.equal(username, 'front-proxy-client', 'a user of that name is a user');
  using stranger = api.as({});
  assert.equal((await stranger.send('POST', url, body, headers)).code, 401);

  const { data } = await api.json<{ data: Readonly<Record<string, string>> }>(
    'GET',
    '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication',
  );
  assert.equal(data['requestheader-client-ca-file'], await pki('front-proxy-ca.crt'));
  assert.equal(data['client-ca-file'], await pki('ca.crt'));
  assert.equal(data['requestheader-allowed-names'], '["front-proxy-client"]');
});
