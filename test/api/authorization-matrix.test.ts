/**
 * Every role of the matrix tries every verb on every resource, in two namespaces, by every transport. What the server
 * lets through must be what a plain evaluator makes of the same roles and bindings (`support/naive-rbac.ts`).
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { Agent, request } from 'node:https';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { ConfigMap } from '#api/core/config-map.ts';
import { Event } from '#api/core/event.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { Service } from '#api/core/service.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { Deployment } from '#api/apps/deployment.ts';
import type { TokenRequest } from '#api/authentication/token-request.ts';
import { Lease } from '#api/coordination/lease.ts';
import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/cluster-role-binding.ts';
import { Role } from '#api/rbac/role.ts';
import { RoleBinding } from '#api/rbac/role-binding.ts';
import type { UserInfo } from '#client/client.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { startCluster, type Served, type TestCluster } from '#cluster/test-cluster.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { mayDo, type Policy } from '../support/naive-rbac.ts';

const home = 'home';
const away = 'away';
const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'] as const;
type Verb = (typeof verbs)[number];
const kinds = [
  Pod,
  Secret,
  ConfigMap,
  Service,
  ServiceAccount,
  Event,
  Deployment,
  Lease,
  Role,
  Node,
  Namespace,
] as readonly Kind[];

/** Who takes part, by the name of its account: what it is bound to at home, and everywhere. */
const cast: Readonly<
  Record<string, { readonly home?: string; readonly everywhere?: string; readonly rules?: Role['rules'] }>
> = {
  nobody: {},
  viewer: { home: 'view' },
  editor: { home: 'edit' },
  boss: { home: 'admin' },
  root: { everywhere: 'cluster-admin' },
  reader: { everywhere: 'view' },
  named: { rules: [{ apiGroups: ['', 'apps'], resources: ['*'], resourceNames: ['thing'], verbs: ['*'] }] },
  getter: { rules: [{ apiGroups: ['*'], resources: ['*', '*/exec'], verbs: ['get', 'list', 'watch'] }] },
  runner: {
    rules: [
      { apiGroups: [''], resources: ['pods/exec', 'pods/attach', 'pods/portforward', 'pods/proxy'], verbs: ['create'] },
    ],
  },
  logger: { rules: [{ apiGroups: [''], resources: ['*/log'], verbs: ['get'] }] },
};

let cluster: TestCluster;
let served: Served;
let ca: string;
let policy: Policy;
const tokens = new Map<string, string>();
before(async () => {
  cluster = await startCluster({ clock: 'system', nodes: 1 });
  served = await cluster.serve();
  ca = (await loadKubeconfig([served.kubeconfigPath])).server.ca ?? '';
  const { client, signal } = cluster;
  for (const name of [home, away]) await client.create(Namespace, { metadata: { name }, spec: {} }, { signal });
  const group = 'rbac.authorization.k8s.io';
  for (const [name, { home: role, everywhere, rules }] of Object.entries(cast)) {
    await client.create(ServiceAccount, { metadata: { name, namespace: home } }, { signal });
    const subjects = [{ kind: 'ServiceAccount', name, namespace: home }];
    const metadata = { name, namespace: home };
    if (rules !== undefined) await client.create(Role, { metadata, rules }, { signal });
    const ref = rules === undefined ? { kind: 'ClusterRole', name: role ?? '' } : { kind: 'Role', name };
    if (rules !== undefined || role !== undefined) {
      await client.create(RoleBinding, { metadata, roleRef: { apiGroup: group, ...ref }, subjects }, { signal });
    }
    if (everywhere !== undefined) {
      const roleRef = { apiGroup: group, kind: 'ClusterRole', name: everywhere };
      await client.create(ClusterRoleBinding, { metadata: { name }, roleRef, subjects }, { signal });
    }
    const account = { metadata: { name, namespace: home }, spec: { audiences: [] } };
    const kind = ServiceAccount as unknown as Kind<TokenRequest>; // the path is the account's, the body a request
    const { status } = await client.create(kind, account, { signal, subresource: 'token' });
    tokens.set(name, status?.token ?? '');
  }
  await cluster.until(
    async () => cluster.cache.get(ServiceAccount, { name: 'default', namespace: home }) !== undefined,
  );
  const pod = { metadata: { name: 'thing', namespace: home }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await client.create(Pod, pod, { signal });
  await cluster.until(async () => (await client.get(Pod, pod.metadata, { signal })).status?.phase === 'Running');
  const all = async <T extends ApiObject>(kind: Kind<T>) => (await client.list(kind, { signal })).items;
  policy = {
    clusterRoles: await all(ClusterRole),
    roles: await all(Role),
    clusterRoleBindings: await all(ClusterRoleBinding),
    roleBindings: await all(RoleBinding),
  } as unknown as Policy; // the same objects, as anybody reads them
});
after(() => cluster[Symbol.asyncDispose]());

const userOf = (name: string): UserInfo => ({
  username: `system:serviceaccount:${home}:${name}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${home}`, 'system:authenticated'],
});

/** One try: an answer of 403 that says what authorization says is a refusal, anything else has got past it. */
interface Try {
  readonly who: string;
  readonly verb: Verb;
  readonly kind: Kind;
  readonly namespace: string | undefined;
}

/** `true`: got past authorization. */
type Transport = (attempt: Try) => Promise<boolean>;

const isRefusal = (code: number | undefined, text: string) => code === 403 && / cannot \w+ (resource|path) /.test(text);

const methods: Readonly<Record<Verb, string>> = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};

function requestOf({ verb, kind, namespace }: Try) {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const collection = `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${kind.plural}`;
  const isOne = ['get', 'update', 'patch', 'delete'].includes(verb);
  const query = verb === 'watch' ? '?watch=true' : isOne && verb === 'get' ? '' : '?dryRun=All';
  const path = `${collection}${isOne ? '/thing' : ''}${verb === 'list' ? '' : query}`;
  const body = methods[verb] === 'GET' || methods[verb] === 'DELETE' ? undefined : '{"metadata":{"name":"thing"}}';
  const type = verb === 'patch' ? 'application/merge-patch+json' : 'application/json';
  return { method: methods[verb], path, body, headers: body === undefined ? {} : { 'content-type': type } };
}

function overHttp1(agent: Agent): Transport {
  return async (attempt) => {
    const { method, path, body, headers } = requestOf(attempt);
    const authorization = `Bearer ${tokens.get(attempt.who)}`;
    const call = request(new URL(path, served.url), { method, agent, ca, headers: { ...headers, authorization } });
    call.end(body);
    const [response] = await once(call, 'response');
    let text = '';
    if (response.statusCode === 403) for await (const chunk of response) text += String(chunk);
    else if (attempt.verb === 'watch') call.destroy();
    else response.resume();
    return !isRefusal(response.statusCode, text);
  };
}

function overHttp2(session: ClientHttp2Session): Transport {
  return async (attempt) => {
    const { method, path, body, headers } = requestOf(attempt);
    const stream = session.request({
      ':method': method,
      ':path': path,
      authorization: `Bearer ${tokens.get(attempt.who)}`,
      ...headers,
    });
    stream.on('error', () => undefined);
    stream.end(body);
    const [answer] = (await once(stream, 'response')) as [Readonly<Record<string, unknown>>];
    const code = Number(answer[':status']);
    let text = '';
    if (code === 403) for await (const chunk of stream) text += String(chunk);
    else stream.close(constants.NGHTTP2_CANCEL);
    return !isRefusal(code, text);
  };
}

const inProcess: Transport = async ({ who, verb, kind, namespace }) => {
  const client = cluster.client.as(userOf(who));
  const signal = AbortSignal.timeout(10_000);
  const ref = namespace === undefined ? { name: 'thing' } : { name: 'thing', namespace };
  const within = namespace === undefined ? {} : { namespace };
  const object = { metadata: ref };
  const options = { signal, dryRun: true };
  const calls: Readonly<Record<Verb, () => Promise<unknown>>> = {
    get: () => client.get(kind, ref, { signal }),
    list: () => client.list(kind, { signal, ...within }),
    watch: async () => {
      for await (const _event of client.watch(kind, { signal, timeoutSeconds: 0.01, ...within })) break;
    },
    create: () => client.create(kind, object, options),
    update: () => client.update(kind, object, options),
    patch: () => client.patch(kind, ref, { type: 'merge', patch: {} }, options),
    delete: () => client.delete(kind, ref, options),
    deletecollection: () => client.deleteCollection(kind, { ...options, ...within }),
  };
  try {
    await calls[verb]();
    return true;
  } catch (error) {
    const { code, message } = error as { code?: number; message: string };
    return !isRefusal(code, message);
  }
};

function* tries(): Generator<Try> {
  for (const who of Object.keys(cast)) {
    for (const kind of kinds) {
      for (const namespace of kind.namespaced ? [home, away] : [undefined]) {
        for (const verb of verbs) {
          // Nobody at all deletes namespaces by the dozen: there is no such call.
          if (kind !== Namespace || verb !== 'deletecollection') yield { who, verb, kind, namespace };
        }
      }
    }
  }
}

/** `who` is asked about; `by` is who really calls. */
async function compare(transport: Transport, by = (who: string) => who) {
  const wrong: string[] = [];
  let count = 0;
  let allowed = 0;
  const queue = tries();
  const work = async () => {
    for (const attempt of queue) {
      const { who, verb, kind, namespace } = attempt;
      const { username: user, groups } = userOf(who);
      const isOne = ['get', 'update', 'patch', 'delete'].includes(verb);
      const name = isOne ? 'thing' : undefined;
      const expected = mayDo(policy, { user, groups, verb, group: kind.group, resource: kind.plural, namespace, name });
      count++;
      if (expected) allowed++;
      if ((await transport({ ...attempt, who: by(who) })) !== expected) {
        wrong.push(
          `${who} ${verb} ${kind.plural} in ${namespace ?? 'no namespace'}: should ${expected ? '' : 'not '}be allowed`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return { wrong, count, allowed };
}

async function isAsExpected(transport: Transport): Promise<void> {
  const { wrong, count, allowed } = await compare(transport);
  assert.deepEqual(wrong, []);
  assert.ok(count > 1_500, `only ${count} cells`);
  assert.ok(allowed > 300 && allowed < count - 300, `${allowed} of ${count} are allowed: that compares little`);
}

test('over HTTP/1.1 every role may do what its rules say', async () => {
  const agent = new Agent({ keepAlive: true, ca, maxSockets: 16 });
  await isAsExpected(overHttp1(agent));
  agent.destroy();
});

test('over HTTP/2 every role may do what its rules say', async () => {
  const session = connect(served.url, { ca });
  await isAsExpected(overHttp2(session));
  session.close();
});

test('in the process every role may do what its rules say', async () => {
  await isAsExpected(inProcess);
});

test('the matrix shows it when somebody may do more, or less, than the rules say', async () => {
  const more = await compare(inProcess, (who) => (who === 'nobody' ? 'root' : who));
  assert.ok(more.wrong.length > 100 && more.wrong.every((each) => each.startsWith('nobody')), `${more.wrong.length}`);
  const less = await compare(inProcess, (who) => (who === 'viewer' ? 'nobody' : who));
  assert.ok(less.wrong.length > 10 && less.wrong.every((each) => each.startsWith('viewer')), `${less.wrong.length}`);
});

/** Ways into a pod, each with the verb that it takes whatever the method of the request. */
const streams: readonly (readonly [subresource: string, query: string, verb: string])[] = [
  ['exec', '?command=id&stdout=true', 'create'],
  ['attach', '?stdout=true', 'create'],
  ['portforward', '?ports=80', 'create'],
  ['log', '', 'get'],
];

/** The code that a request for an upgrade is answered with, and the text of a refusal. */
async function upgrade(method: string, path: string, who: string, protocol: string): Promise<boolean> {
  const headers = { connection: 'Upgrade', upgrade: protocol, authorization: `Bearer ${tokens.get(who)}` };
  const extra = protocol === 'SPDY/3.1' ? { 'x-stream-protocol-version': 'v4.channel.k8s.io' } : {};
  const call = request(new URL(path, served.url), { method, ca, agent: false, headers: { ...headers, ...extra } });
  call.end();
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  call.on('upgrade', (_response, socket) => {
    socket.destroy();
    resolve(true);
  });
  call.on('response', (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve(!isRefusal(response.statusCode, text)));
  });
  call.on('error', reject);
  return promise;
}

function webSocket(path: string, who: string): Promise<boolean> {
  const socket = new WebSocket(new URL(path, served.url.replace('https', 'wss')), ['v5.channel.k8s.io'], {
    ca,
    headers: { authorization: `Bearer ${tokens.get(who)}` },
  });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on('open', () => {
    resolve(true);
    socket.terminate();
  });
  socket.on('unexpected-response', (_request, response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve(!isRefusal(response.statusCode, text)));
  });
  socket.on('error', () => undefined);
  return promise;
}

test('into a pod leads the right to create, by WebSocket and SPDY, GET and POST alike', async () => {
  // Somebody may get these, and nothing more: a door that went by the method of the request would let them in.
  const getter = { ...userOf('getter'), group: '', resource: 'pods/exec', namespace: home, name: 'thing' };
  const asked = { ...getter, user: getter.username };
  assert.deepEqual(
    [mayDo(policy, { ...asked, verb: 'get' }), mayDo(policy, { ...asked, verb: 'create' })],
    [true, false],
  );
  const wrong: string[] = [];
  let count = 0;
  const check = async (what: string, expected: boolean, actual: Promise<boolean>) => {
    count++;
    if ((await actual) !== expected) wrong.push(`${what}: should ${expected ? '' : 'not '}be allowed`);
  };
  for (const who of Object.keys(cast)) {
    const { username: user, groups } = userOf(who);
    for (const [subresource, query, verb] of streams) {
      const question = {
        user,
        groups,
        verb,
        group: '',
        resource: `pods/${subresource}`,
        namespace: home,
        name: 'thing',
      };
      const expected = mayDo(policy, question);
      const path = `/api/v1/namespaces/${home}/pods/thing/${subresource}${query}`;
      if (subresource === 'log') {
        await check(`${who} GET log`, expected, upgrade('GET', path, who, ''));
        continue;
      }
      await check(`${who} WebSocket ${subresource}`, expected, webSocket(path, who));
      await check(`${who} SPDY POST ${subresource}`, expected, upgrade('POST', path, who, 'SPDY/3.1'));
      await check(`${who} SPDY GET ${subresource}`, expected, upgrade('GET', path, who, 'SPDY/3.1'));
    }
    // A proxied request needs the right for its own method.
    for (const [method, proxied] of Object.entries({
      GET: 'get',
      POST: 'create',
      PUT: 'update',
      PATCH: 'patch',
      DELETE: 'delete',
    })) {
      const question = {
        user,
        groups,
        verb: proxied,
        group: '',
        resource: 'pods/proxy',
        namespace: home,
        name: 'thing',
      };
      await check(
        `${who} ${method} proxy`,
        mayDo(policy, question),
        upgrade(method, `/api/v1/namespaces/${home}/pods/thing/proxy/`, who, ''),
      );
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(count >= 140, `only ${count} cells`);
});
