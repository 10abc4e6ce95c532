import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { TokenRequest } from '#api/authentication/token-request.ts';
import { TokenReview } from '#api/authentication/token-review.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { HttpClient } from '#client/http-client.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { systemClock } from '#lib/clock.ts';
import type { Kind } from '#machinery/kind.ts';
import { hasReason } from '#machinery/status-error.ts';
import { SelfSubjectReview } from '#api/authentication/self-subject-review.ts';
import { startCluster, type TestCluster } from './test-cluster.ts';

let cluster: TestCluster;
let ca: string | undefined;
let url: string;
before(async () => {
  cluster = await startCluster({ clock: 'system', nodes: 1 });
  const served = await cluster.serve();
  ({ url } = served);
  ({ ca } = (await loadKubeconfig([served.kubeconfigPath])).server);
});
after(() => cluster[Symbol.asyncDispose]());

const base64 = (text: string) => Buffer.from(text).toString('base64');
const plain = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString('utf8');

/** Who the server takes the bearer of `token` for; undefined if it lets nobody in. */
async function whoIs(token: string) {
  await using client = new HttpClient({
    server: { url, ...(ca === undefined ? {} : { ca }), token },
    clock: systemClock,
    userAgent: 'test',
  });
  try {
    return (await client.create(SelfSubjectReview, {}, { signal: cluster.signal })).status?.userInfo;
  } catch (error) {
    if (hasReason(error, 'Unauthorized')) return undefined;
    throw error;
  }
}

async function create<T extends object>(kind: Kind<T>, object: T): Promise<T> {
  return cluster.client.create(kind, object, { signal: cluster.signal });
}

// Each waits for things to end by themselves: together they wait once.
suite('tokens', { concurrency: true }, () => {
  test('a Secret of an account is filled with a token that lasts as long as both', async () => {
    const { client, signal } = cluster;
    const account = { name: 'robot', namespace: 'default' };
    await create(ServiceAccount, { metadata: account });
    const ref = { name: 'robot-token', namespace: 'default' };
    const annotations = { 'kubernetes.io/service-account.name': 'robot' };
    const secret: Secret = { metadata: { ...ref, annotations }, type: 'kubernetes.io/service-account-token' };
    await create(Secret, secret);
    const filled = async () => (await client.get(Secret, ref, { signal })).data?.['token'] !== undefined;
    await cluster.until(filled, { what: 'a token' });
    const { data, metadata } = await client.get(Secret, ref, { signal });
    assert.equal(plain(data?.['namespace']), 'default');
    assert.ok(metadata?.annotations?.['kubernetes.io/service-account.uid']);
    const token = plain(data?.['token']);
    const user = await whoIs(token);
    assert.equal(user?.username, 'system:serviceaccount:default:robot');
    assert.deepEqual(user.groups, ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated']);

    await client.delete(ServiceAccount, account, { signal });
    await cluster.until(
      () =>
        client.get(Secret, ref, { signal }).then(
          () => false,
          (error: unknown) => hasReason(error, 'NotFound'),
        ),
      { what: 'the Secret to go' },
    );
    await cluster.until(async () => (await whoIs(token)) === undefined, { what: 'the token to end', withinMs: 11_000 });
  });

  test('a join token is its id, its groups and its end', async () => {
    const put = (id: string, more: Readonly<Record<string, string>>) => {
      const data = {
        'token-id': id,
        'token-secret': 'abcdefghijklmnop',
        'usage-bootstrap-authentication': 'true',
        ...more,
      };
      return create(Secret, {
        metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
        type: 'bootstrap.kubernetes.io/token',
        data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
      });
    };
    await put('aaaaaa', { 'auth-extra-groups': 'system:bootstrappers:workers' });
    const groups = ['system:bootstrappers', 'system:bootstrappers:workers', 'system:authenticated'];
    const user = await whoIs('aaaaaa.abcdefghijklmnop');
    assert.deepEqual([user?.username, user?.groups], ['system:bootstrap:aaaaaa', groups]);
    assert.equal(await whoIs('aaaaaa.abcdefghijklmnoq'), undefined);
    assert.equal(await whoIs('zzzzzz.abcdefghijklmnop'), undefined);
    await put('bbbbbb', { 'usage-bootstrap-authentication': 'false' });
    assert.equal(await whoIs('bbbbbb.abcdefghijklmnop'), undefined);
    await put('cccccc', { 'auth-extra-groups': 'system:masters' });
    assert.equal(await whoIs('cccccc.abcdefghijklmnop'), undefined, 'a join token makes nobody an administrator');
    await put('dddddd', { expiration: new Date(Date.now() + 3_000).toISOString() });
    assert.equal((await whoIs('dddddd.abcdefghijklmnop'))?.username, 'system:bootstrap:dddddd');
    await cluster.until(async () => (await whoIs('dddddd.abcdefghijklmnop')) === undefined, { what: 'the end' });
    const { client, signal } = cluster;
    const ref = { name: 'bootstrap-token-dddddd', namespace: 'kube-system' };
    await cluster.until(
      () =>
        client.get(Secret, ref, { signal }).then(
          () => false,
          (error: unknown) => hasReason(error, 'NotFound'),
        ),
      { what: 'the expired Secret to go' },
    );
  });

  test('a token that is bound to a pod is nobody’s within ten seconds of the pod’s deletion', async () => {
    const { client, signal } = cluster;
    await create(Namespace, { metadata: { name: 'bound' }, spec: {} });
    const ref = { name: 'p', namespace: 'bound' };
    await cluster.until(
      () =>
        client.get(ServiceAccount, { name: 'default', namespace: 'bound' }, { signal }).then(
          () => true,
          () => false,
        ),
      { what: 'the account' },
    );
    const pod = await create(Pod, { metadata: ref, spec: { containers: [{ name: 'c', image: 'i' }] } });
    const issue = async (audiences: readonly string[]) => {
      const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: pod.metadata?.uid ?? '' };
      const request: TokenRequest = {
        metadata: { name: 'default', namespace: 'bound' },
        spec: { audiences, boundObjectRef, expirationSeconds: 600 },
      };
      const kind = ServiceAccount as unknown as Kind<TokenRequest>; // the path is the account's, the body a request
      return (await client.create(kind, request, { signal, subresource: 'token' })).status?.token ?? '';
    };
    const token = await issue([]);
    const user = await whoIs(token);
    assert.equal(user?.username, 'system:serviceaccount:bound:default');
    assert.deepEqual(user.extra?.['authentication.kubernetes.io/pod-name'], ['p']);
    assert.deepEqual(user.extra['authentication.kubernetes.io/pod-uid'], [pod.metadata?.uid]);
    assert.match(user.extra['authentication.kubernetes.io/credential-id']?.[0] ?? '', /^JTI=/);

    const vault = await issue(['vault']);
    assert.equal(await whoIs(vault), undefined, 'a token for others is none for us');
    const review = async (audiences: readonly string[]) =>
      (await client.create(TokenReview, { spec: { token: vault, audiences } }, { signal })).status;
    assert.deepEqual((await review(['vault', 'other']))?.audiences, ['vault']);
    assert.equal((await review(['other']))?.authenticated, false);

    await client.delete(Pod, ref, { signal, gracePeriodSeconds: 0 });
    const start = performance.now();
    await cluster.until(async () => (await whoIs(token)) === undefined, { what: 'the token to end' });
    assert.ok(performance.now() - start < 10_500);
  });
});
