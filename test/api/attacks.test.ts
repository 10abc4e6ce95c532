/**
 * Attacks on the door, by the numbers of the catalogue that each class has there. Each probe is first turned on a
 * careless stand-in that has the hole, and must find it: a probe that finds nothing anywhere proves nothing.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { connect as connectPlain, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { RawApi } from '../support/api.ts';
import { certificateOf } from '../support/certificates.ts';
import { Tutti } from '../support/tutti.ts';

let cluster: Tutti;
let api: RawApi;
let port: number;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '1']);
  api = await RawApi.open(cluster.kubeconfig);
  port = Number(new URL((await loadKubeconfig([cluster.kubeconfig])).server.url).port);
  for (const namespace of ['ours', 'theirs']) {
    await api.json('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
    for (const name of ['one', 'two']) {
      const secret = { metadata: { name }, stringData: { text: `canary-${namespace}-${name}` } };
      await api.json('POST', `/api/v1/namespaces/${namespace}/secrets`, secret);
    }
  }
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

// --- 1: a second request behind an upgrade that is refused (CVE-2018-1002105)

const smuggled = (secondPath: string) =>
  `GET /api/v1/namespaces/ours/pods/none/exec?command=id HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n` +
  `GET ${secondPath} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** How many answers come back for one refused upgrade with a second request behind it. */
async function answersTo(socket: Socket): Promise<number> {
  socket.write(smuggled('/livez'));
  return (await text(socket)).match(/HTTP\/1\.1 \d/g)?.length ?? 0;
}

test('attack 1: nothing behind a refused upgrade is answered', async () => {
  const careless = createServer((socket) => {
    socket.on('data', (chunk: Buffer) => {
      const requests = chunk.toString().match(/GET /g)?.length ?? 0;
      for (let i = 0; i < requests; i++) socket.write('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
      socket.end();
    });
  });
  careless.listen(0, '127.0.0.1');
  await once(careless, 'listening');
  assert.equal(
    await answersTo(connectPlain((careless.address() as AddressInfo).port, '127.0.0.1')),
    2,
    'the probe works',
  );
  careless.close();

  const { cert, key } = await certificateOf(cluster.dataDir, { commonName: 'x', organizations: ['system:masters'] });
  const options = { host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
  assert.equal(await answersTo(connect({ ...options, cert: cert ?? '', key: key ?? '' })), 1);
});

// --- 8: another way to write a path (CVE-2019-11247, CVE-2022-3162, CVE-2015-5305)

/** Numbers in [0, 1) from a seed, so that a failure can be had again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const pieces = [
  'api',
  'apis',
  'v1',
  'namespaces',
  'ours',
  'theirs',
  'secrets',
  'one',
  'two',
  'pods',
  'proxy',
  'status',
  'watch',
  '.',
  '..',
  '%2e%2e',
  '%2E',
  '',
  '%2f',
  '%2Fsecrets',
  '..%2ftheirs',
  'theirs%2fsecrets',
  '%00',
  'ours%00',
  'OURS',
  'theirs%2f..%2fours',
  'one%2f..%2f..%2ftheirs',
  '%25%32%65',
  '%c0%ae%c0%ae',
  '*',
  'one;theirs',
  'one?x=/../theirs',
  '%e2%80%ae',
  '\\..\\theirs',
  'one%20',
  'namespaces%2ftheirs',
];

/** Paths that begin well, with something odd in them. */
function* oddPaths(count: number): Generator<string> {
  const random = randomFrom(42);
  const pick = () => pieces[Math.floor(random() * pieces.length)] ?? '';
  const bases = [
    ['api', 'v1', 'namespaces', 'ours', 'secrets', 'one'],
    ['api', 'v1', 'namespaces', 'ours', 'secrets'],
    ['api', 'v1', 'secrets'],
    ['api', 'v1', 'namespaces', 'ours'],
  ];
  for (let i = 0; i < count; i++) {
    const path = [...(bases[Math.floor(random() * bases.length)] ?? [])];
    for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
      const at = Math.floor(random() * (path.length + 1));
      path.splice(at, random() < 0.5 ? 1 : 0, pick(), ...(random() < 0.3 ? [pick()] : []));
    }
    yield `/${path.join('/')}`;
  }
}

const leaked = /canary-theirs/;

test('attack 8: whatever the spelling of a path, who may read one namespace reads that one', async () => {
  // A door that checks the text and then resolves it: some of the paths must get through it.
  const careless = (path: string) => {
    if (!path.startsWith('/api/v1/namespaces/ours/')) return '';
    const resolved = new URL(path.replaceAll(/%2f/gi, '/').replaceAll(/%2e/gi, '.').replaceAll('\\', '/'), 'http://x')
      .pathname;
    return resolved.startsWith('/api/v1/namespaces/theirs/secrets') ? 'canary-theirs' : '';
  };
  const corpus = [...new Set(oddPaths(20_000))];
  assert.ok(
    corpus.filter((each) => leaked.test(careless(each))).length > 5,
    'the corpus has paths that would lead astray',
  );

  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/ours';
  await api.json('POST', `${rbac}/roles`, {
    metadata: { name: 'ours' },
    rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
  });
  await api.json('POST', `${rbac}/rolebindings`, {
    metadata: { name: 'ours' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'ours' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'tenant' }],
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const credentials = await certificateOf(cluster.dataDir, { commonName: 'tenant' });
  /** Sends the path as it stands: whatever reads it as a URL would tidy it up. */
  const send = async (method: string, path: string): Promise<string> => {
    const call = request({ host: '127.0.0.1', port, method, path, agent, rejectUnauthorized: false, ...credentials });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    return text(response);
  };
  assert.match(
    await send('GET', '/api/v1/namespaces/ours/secrets/one'),
    new RegExp(Buffer.from('canary-ours-one').toString('base64')),
  );
  const foreign = ['one', 'two'].map((name) => Buffer.from(`canary-theirs-${name}`).toString('base64'));
  const queue = corpus.slice(0, 1_500).values();
  const work = async () => {
    for (const each of queue) {
      // Node refuses to send some characters in a path; those are written as they would be escaped.
      const url = each.replaceAll(' ', '%20').replaceAll('\\', '%5c');
      for (const method of ['GET', 'DELETE']) {
        const answer = await send(method, url);
        assert.ok(
          !foreign.some((value) => answer.includes(value)),
          `${method} ${each} reads what is not theirs to read`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  agent.destroy();
  for (const name of ['one', 'two']) {
    assert.equal((await api.send('GET', `/api/v1/namespaces/theirs/secrets/${name}`)).code, 200, 'nothing was deleted');
  }
});

// --- 13: what answers without credentials (CVE-2019-11248, CVE-2025-0426)

const debugPaths = [
  '/',
  '/debug',
  '/debug/pprof/',
  '/debug/pprof/heap',
  '/debug/flags/v',
  '/configz',
  '/logs/',
  '/logs/server.log',
  '/metrics',
  '/metrics/slis',
  '/stats/summary',
  '/pods',
  '/runningpods/',
  '/run/ours/x/x',
  '/spec/',
  '/checkpoint/',
  '/statusz',
  '/flagz',
  '/version',
  '/openapi/v2',
  '/openapi/v3',
  '/swagger.json',
  '/api',
  '/apis',
  '/ui',
  '/_ping',
  '/.well-known/openid-configuration',
  '/openid/v1/jwks',
  '/v1.43/containers/json',
  '/v2/apps',
  '/v1/jobs',
];

/** Every collection that the server lists. */
async function collections(): Promise<readonly string[]> {
  const found: string[] = [];
  const { groups } = await api.json<{ groups: readonly { versions: readonly { groupVersion: string }[] }[] }>(
    'GET',
    '/apis',
  );
  const roots = ['/api/v1', ...groups.flatMap(({ versions }) => versions.map((each) => `/apis/${each.groupVersion}`))];
  for (const root of roots) {
    const { resources } = await api.json<{ resources: readonly { name: string }[] }>('GET', root);
    found.push(root, ...resources.filter(({ name }) => !name.includes('/')).map(({ name }) => `${root}/${name}`));
  }
  return found;
}

/** Ports that a process listens on. */
function portsOf(pid: number): readonly number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // closed meanwhile
      }
    }),
  );
  const listening = '0A';
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1),
  );
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    return state === listening && inodes.has(inode) ? [parseInt(local.split(':')[1] ?? '', 16)] : [];
  });
}

test('attack 13: without credentials nothing but health answers, on the one port there is', async () => {
  assert.deepEqual(portsOf(cluster.pid), [port]);
  // The probe sees ports: a listener of this very process is found.
  const own = createServer().listen(0, '127.0.0.1');
  await once(own, 'listening');
  assert.ok(portsOf(process.pid).includes((own.address() as AddressInfo).port));
  own.close();

  using stranger = api.as({});
  const paths = [...debugPaths, ...(await collections())];
  assert.ok(paths.length > 80, `${paths.length} paths`);
  for (const each of paths) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD']) {
      const { code, text: answer } = await stranger.send(method, each);
      assert.equal(code, 401, `${method} ${each}`);
      assert.ok(!answer.includes(versionText), `${method} ${each} says what runs here`);
    }
  }
  // To somebody who is known most of them do answer: it is not that nothing is there.
  const codes = await Promise.all(paths.map(async (each) => (await api.send('GET', each)).code));
  assert.ok(codes.filter((code) => code === 200).length > 50);
});

const versionText = 'v1.35';

// --- 14: certificates of one role in the hands of another (CVE-2020-7956, CVE-2021-37218)

test('attack 14: each certificate of the cluster opens what is its own, and nothing else', async () => {
  const pki = (file: string) => readFile(join(cluster.dataDir, 'pki', file), 'utf8');
  const kept = async (name: string) => ({ cert: await pki(`${name}.crt`), key: await pki(`${name}.key`) });
  const calls = {
    'read secrets': ['GET', '/api/v1/secrets', undefined],
    'read pods': ['GET', '/api/v1/pods', undefined],
    'bind pods': ['POST', '/api/v1/namespaces/ours/pods/none/binding', { target: { name: 'n' } }],
    'write roles': ['POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles?dryRun=All', { metadata: { name: 'x' } }],
    'own node': ['GET', '/api/v1/nodes/sim-00001', undefined],
    'be somebody else': ['GET', '/api/v1/pods', undefined],
    'who am i': ['POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {}],
  } as const;
  /** What gets past authorization, by certificate; `401`: is let in by no means. */
  const expected: Readonly<Record<string, readonly (keyof typeof calls)[] | 401>> = {
    admin: ['read secrets', 'read pods', 'bind pods', 'write roles', 'own node', 'be somebody else', 'who am i'],
    scheduler: ['read pods', 'bind pods', 'own node', 'who am i'],
    'controller-manager': ['read secrets', 'read pods', 'who am i'],
    'apiserver-kubelet-client': ['who am i'],
    'front-proxy-client': 401,
    apiserver: 401,
    ca: 401,
    node: ['own node', 'who am i'],
  };
  const node = { commonName: 'system:node:sim-00001', organizations: ['system:nodes'] };
  for (const [name, mayDo] of Object.entries(expected)) {
    using caller = api.as(name === 'node' ? await certificateOf(cluster.dataDir, node) : await kept(name));
    for (const [what, [method, url, body]] of Object.entries(calls)) {
      const headers: Record<string, string> =
        what === 'be somebody else'
          ? { 'impersonate-user': 'kubernetes-admin', 'impersonate-group': 'system:masters' }
          : {};
      const { code } = await caller.send(method, url, body, headers);
      const isExpected =
        mayDo === 401 ? code === 401 : mayDo.includes(what as keyof typeof calls) === (code !== 403 && code !== 401);
      assert.ok(isExpected, `${name}: ${what}: ${code}`);
    }
  }
});
