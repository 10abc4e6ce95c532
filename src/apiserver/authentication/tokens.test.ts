import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { VirtualClock } from '#lib/clock.ts';
import { peekClaims, signingKeyOf, signToken } from '#lib/jws.ts';
import { hasReason } from '#machinery/status-error.ts';
import { anyToken, bearerTokenAuthenticator, bearerTokenOf, cachedTokens } from './bearer-token.ts';
import { openidDocuments } from './openid.ts';
import { defaultIssuer, serviceAccountTokens, type TokenObjects } from './service-account-tokens.ts';
import { fixedTokens, parseTokenFile } from './token-file.ts';
import { tokenIssuer } from './token-request.ts';
import { reviewToken } from './token-review.ts';
import { unionAuthenticator } from './union.ts';

const newKey = () =>
  signingKeyOf(
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
const isUnauthorized = (error: unknown) => hasReason(error, 'Unauthorized');

/** A namespace `shop` with an account `till`, a pod `web-1` of it on node `n1`, and a secret `s`. */
function world() {
  const uids = new Map([
    ['ServiceAccount shop/till', 'u-till'],
    ['Pod shop/web-1', 'u-web-1'],
    ['Secret shop/s', 'u-s'],
    ['Node /n1', 'u-n1'],
  ]);
  const objects: TokenObjects = { uidOf: async (kind, namespace, name) => uids.get(`${kind} ${namespace}/${name}`) };
  const clock = new VirtualClock();
  const key = newKey();
  const issuer = tokenIssuer({
    issuer: defaultIssuer,
    key,
    objects,
    clock,
    pod: async (namespace, name) => {
      const uid = uids.get(`Pod ${namespace}/${name}`);
      return uid === undefined ? undefined : { uid, serviceAccountName: 'till', nodeName: 'n1' };
    },
  });
  const tokens = serviceAccountTokens({ issuer: defaultIssuer, keys: [key], objects, clock });
  const ask = async (spec: object = {}) => {
    const request = { spec: { audiences: [], ...spec } };
    const answer = await issuer.answer('shop', { name: 'till', uid: 'u-till' }, request);
    assert.ok(answer.status);
    return { ...answer.status, spec: answer.spec };
  };
  return { uids, clock, key, tokens, ask };
}
const own = [defaultIssuer];

test('a service account token says who, in which groups, and in which pod', async () => {
  const { tokens, ask, clock } = world();
  const { token, expirationTimestamp, spec } = await ask({
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'web-1', uid: 'u-web-1' },
  });
  assert.equal(expirationTimestamp, new Date(clock.now() + 3_600_000).toISOString().replace('.000', ''));
  assert.deepEqual(spec.audiences, own);
  const claims = peekClaims(token);
  assert.equal(claims?.['sub'], 'system:serviceaccount:shop:till');
  assert.deepEqual(claims?.['kubernetes.io'], {
    namespace: 'shop',
    node: { name: 'n1', uid: 'u-n1' },
    pod: { name: 'web-1', uid: 'u-web-1' },
    serviceaccount: { name: 'till', uid: 'u-till' },
  });
  const identity = await tokens.authenticateToken(token, own);
  assert.deepEqual(identity?.audiences, own);
  assert.deepEqual(identity?.user, {
    username: 'system:serviceaccount:shop:till',
    uid: 'u-till',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:shop', 'system:authenticated'],
    extra: {
      'authentication.kubernetes.io/credential-id': [`JTI=${String(claims?.['jti'])}`],
      'authentication.kubernetes.io/pod-name': ['web-1'],
      'authentication.kubernetes.io/pod-uid': ['u-web-1'],
      'authentication.kubernetes.io/node-name': ['n1'],
      'authentication.kubernetes.io/node-uid': ['u-n1'],
    },
  });
});

test('a token ends with its time, its account, its pod and its secret', async () => {
  for (const [bound, victim] of [
    [undefined, 'ServiceAccount shop/till'],
    [{ kind: 'Pod', name: 'web-1' }, 'Pod shop/web-1'],
    [{ kind: 'Secret', name: 's' }, 'Secret shop/s'],
  ] as const) {
    for (const uid of [undefined, 'another']) {
      const { tokens, ask, uids } = world();
      const { token } = await ask(bound === undefined ? {} : { boundObjectRef: bound });
      await tokens.authenticateToken(token, own);
      if (uid === undefined) uids.delete(victim);
      else uids.set(victim, uid);
      await assert.rejects(tokens.authenticateToken(token, own), isUnauthorized, victim);
    }
  }
  const { tokens, ask, clock } = world();
  const { token } = await ask({ expirationSeconds: 600 });
  await clock.advance(599_000);
  await tokens.authenticateToken(token, own);
  await clock.advance(1_000);
  await assert.rejects(tokens.authenticateToken(token, own), isUnauthorized);
});

test('a token for another audience, by another key or with a changed content is refused', async () => {
  const { tokens, ask, key, clock } = world();
  const { token } = await ask({ audiences: ['vault', 'db'] });
  await assert.rejects(tokens.authenticateToken(token, own), isUnauthorized);
  assert.deepEqual((await tokens.authenticateToken(token, ['db', 'x']))?.audiences, ['db']);

  const good = (await ask()).token;
  const claims = peekClaims(good) ?? {};
  const [header = '', body = '', signature = ''] = good.split('.');
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  const hs = Buffer.from(JSON.stringify({ alg: 'HS256', kid: key.keyId })).toString('base64url');
  const raised = Buffer.from(JSON.stringify({ ...claims, exp: 1e12 })).toString('base64url');
  const forged = { ...newKey(), keyId: key.keyId };
  for (const bad of [
    signToken(claims, newKey()),
    signToken(claims, forged),
    `${none}.${body}.`,
    `${hs}.${body}.${signature}`,
    `${header}.${raised}.${signature}`,
    `${header}.${body}.`,
    signToken({ ...claims, sub: 'system:serviceaccount:kube-system:root' }, key),
    signToken({ ...claims, exp: undefined }, key),
    signToken({ ...claims, nbf: clock.now() / 1000 + 60 }, key),
    signToken({ ...claims, 'kubernetes.io': null }, key),
  ]) {
    await assert.rejects(tokens.authenticateToken(bad, own), isUnauthorized, bad);
  }
  assert.equal(await tokens.authenticateToken('opaque', own), undefined, 'not a token of this sort');
  assert.equal(await tokens.authenticateToken(signToken({ iss: 'https://other' }, key), own), undefined);
});

test('a TokenRequest is refused when it is too short, or bound to what is gone or not the one meant', async () => {
  const { ask } = world();
  const reason =
    (...reasons: ('Invalid' | 'NotFound' | 'Conflict')[]) =>
    (error: unknown) =>
      hasReason(error, ...reasons);
  await assert.rejects(ask({ expirationSeconds: 599 }), reason('Invalid'));
  await assert.rejects(ask({ audiences: [''] }), reason('Invalid'));
  await assert.rejects(ask({ boundObjectRef: { kind: 'Pod', name: 'web-2' } }), reason('NotFound'));
  await assert.rejects(ask({ boundObjectRef: { kind: 'Pod', name: 'web-1', uid: 'old' } }), reason('Conflict'));
  await assert.rejects(ask({ boundObjectRef: { kind: 'Service', name: 'x' } }), reason('Invalid'));
});

test('the token file gives users, groups and uids, and names the line that is wrong', () => {
  const users = parseTokenFile('# comment\n\nt1,alice,7,"dev, ops"\n t2 , bob\n"t,3",carol,,one\n');
  assert.deepEqual(
    [...users],
    [
      ['t1', { username: 'alice', uid: '7', groups: ['dev', 'ops'] }],
      ['t2', { username: 'bob', groups: [] }],
      ['t,3', { username: 'carol', groups: ['one'] }],
    ],
  );
  assert.throws(() => parseTokenFile('a,b\nonly'), /Line 2/);
  assert.throws(() => parseTokenFile('a,b\na,c'), /Line 2 .* repeats/);
  assert.throws(() => parseTokenFile('a,"b'), /stray quote/);
});

test('the first authenticator that knows the caller decides, and a wrong token is not overlooked', async () => {
  const users = new Map([['good', { username: 'alice', groups: ['dev'] }]]);
  const authenticator = unionAuthenticator(bearerTokenAuthenticator(anyToken(fixedTokens(users)), own));
  const as = (authorization?: string) =>
    authenticator.authenticate({
      headers: authorization === undefined ? {} : { authorization },
      peerCertificate: undefined,
    });
  assert.deepEqual(await as('Bearer good'), { username: 'alice', groups: ['dev', 'system:authenticated'] });
  assert.equal(await as(), undefined);
  await assert.rejects(as('Bearer bad'), isUnauthorized);
  await assert.rejects(as('Basic YTpi'), isUnauthorized);
  await assert.rejects(as('Bearer '), isUnauthorized);
});

test('a browser may carry its token among the WebSocket subprotocols', () => {
  const carried = `v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.${Buffer.from('t').toString('base64url')}`;
  assert.equal(bearerTokenOf({ 'sec-websocket-protocol': carried }), 't');
  assert.equal(bearerTokenOf({ 'sec-websocket-protocol': 'v4.channel.k8s.io' }), undefined);
});

test('cachedTokens() saves checks for ten seconds, never beyond the end of the token, and forgets failures', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const tokens = cachedTokens(
    {
      async authenticateToken(token) {
        asked++;
        if (token !== 'good' && token !== 'short') return undefined;
        return {
          user: { username: token, groups: [] },
          audiences: own,
          ...(token === 'short' ? { expires: clock.now() + 1_000 } : {}),
        };
      },
    },
    clock,
  );
  for (let n = 0; n < 3; n++) await tokens.authenticateToken('good', own);
  assert.equal(asked, 1);
  await tokens.authenticateToken('good', ['other']);
  assert.equal(asked, 2, 'another audience is another question');
  await clock.advance(10_000);
  await tokens.authenticateToken('good', own);
  assert.equal(asked, 3);
  for (let n = 0; n < 2; n++) await tokens.authenticateToken('bad', own);
  assert.equal(asked, 5);
  await tokens.authenticateToken('short', own);
  await clock.advance(1_000);
  await tokens.authenticateToken('short', own);
  assert.equal(asked, 7);
});

test('reviewToken() says whose token it is, or why it is nobody’s', async () => {
  const { tokens, ask, uids } = world();
  const { token } = await ask();
  const review = async (spec: { token?: string; audiences?: string[] }) =>
    (await reviewToken({ spec }, tokens, own)).status;
  assert.equal((await review({ token }))?.user?.username, 'system:serviceaccount:shop:till');
  assert.deepEqual((await review({ token, audiences: [...own, 'x'] }))?.audiences, own);
  assert.equal((await review({ token, audiences: ['x'] }))?.authenticated, false);
  assert.deepEqual(await review({ token: 'opaque' }), { authenticated: false, user: {} });
  uids.delete('ServiceAccount shop/till');
  assert.match((await review({ token }))?.error ?? '', /ServiceAccount "till", which is gone/);
  await assert.rejects(review({}), (error: unknown) => hasReason(error, 'BadRequest'));
});

test('openidDocuments() publishes where the keys are, and of these the public half only', () => {
  const documents = openidDocuments(defaultIssuer, [newKey()]);
  const { keys } = documents.get('/openid/v1/jwks') as { keys: readonly object[] };
  assert.deepEqual(Object.keys(keys[0] ?? {}).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  const configuration = documents.get('/.well-known/openid-configuration') as { jwks_uri: string };
  assert.equal(configuration.jwks_uri, `${defaultIssuer}/openid/v1/jwks`);
});
