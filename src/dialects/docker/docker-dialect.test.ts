import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { Pod } from '#api/core/pod.ts';
import { SharedInformers } from '#client/informer.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import { silentLog } from '#lib/log.ts';
import { startDockerDialect } from './docker-dialect.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'docker-'));
const socketPath = path.join(dir, 'docker.sock');
const stack = new AsyncDisposableStack();
let cluster: TestCluster;

before(async () => {
  cluster = stack.use(await startCluster({ clock: 'system', nodes: 2 }));
  const { client, clock, signal } = cluster;
  const informers = new SharedInformers({ client, clock, log: silentLog });
  void informers.run(signal);
  stack.use(await startDockerDialect({ client, informers, socketPath, clock, log: silentLog, random: () => 0 }));
});
after(async () => {
  await stack.disposeAsync();
  rmSync(dir, { recursive: true, force: true });
});

interface Reply {
  readonly code: number;
  readonly body: string;
}

async function call(method: string, url: string, body?: unknown): Promise<Reply> {
  const asked = request({ socketPath, method, path: url, headers: { 'content-type': 'application/json' } });
  asked.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  return { code: reply.statusCode ?? 0, body: await text(reply) };
}
const json = ({ body }: Reply): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>;

async function created(name: string, more: object = {}): Promise<string> {
  const reply = await call('POST', `/v1.50/containers/create?name=${name}`, { Image: 'demo', Cmd: ['x'], ...more });
  assert.equal(reply.code, 201, reply.body);
  return String(json(reply)['Id']);
}

test('the socket is for its owner and group alone, and _ping tells which versions it speaks', async () => {
  assert.equal(statSync(socketPath).mode & 0o777, 0o660);
  const asked = request({ socketPath, method: 'HEAD', path: '/_ping' });
  asked.end();
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  assert.deepEqual([reply.statusCode, reply.headers['api-version'], reply.headers['ostype']], [200, '1.50', 'linux']);
  reply.resume();
});

test('a container is a pod that waits at a gate until it is started, and stays listed when it has been stopped', async () => {
  const { client, signal } = cluster;
  const id = await created('life', { Labels: { app: 'life', 'not a label': 'x y' } });
  const ref = { namespace: 'default', name: 'life' };
  assert.equal((await client.get(Pod, ref, { signal })).spec.schedulingGates?.length, 1);
  assert.equal((json(await call('GET', '/containers/life/json'))['State'] as { Status: string }).Status, 'created');
  assert.equal((await call('POST', `/containers/${id.slice(0, 10)}/start`)).code, 204);
  assert.equal((await call('POST', '/containers/life/start')).code, 304);
  const [row] = JSON.parse((await call('GET', '/containers/json')).body) as { Names: string[]; Labels: object }[];
  assert.deepEqual([row?.Names, row?.Labels], [['/life'], { app: 'life', 'not a label': 'x y' }]);
  assert.equal((await call('DELETE', '/containers/life')).code, 409);
  const waiting = call('POST', '/containers/life/wait');
  assert.equal((await call('POST', '/containers/life/stop?t=0')).code, 204);
  assert.equal((await call('POST', '/containers/life/stop')).code, 304);
  assert.deepEqual(json(await waiting), { StatusCode: 137 });
  assert.deepEqual(JSON.parse((await call('GET', '/containers/json')).body), []);
  assert.equal((JSON.parse((await call('GET', '/containers/json?all=1')).body) as unknown[]).length, 1);
  assert.equal((await call('POST', '/containers/life/start')).code, 204);
  assert.equal(json(await call('GET', '/containers/life/json'))['Id'], id);
  assert.equal((await call('DELETE', '/containers/life?force=1')).code, 204);
  assert.equal((await call('GET', `/containers/${id}/json`)).code, 404);
});

test('a name is taken once, also by requests that come together', async () => {
  const replies = await Promise.all(
    Array.from({ length: 5 }, () => call('POST', '/containers/create?name=one', { Image: 'demo' })),
  );
  assert.deepEqual(replies.map(({ code }) => `${code}`).toSorted(), ['201', '409', '409', '409', '409']);
  assert.match((await call('POST', '/containers/create?name=one', { Image: 'demo' })).body, /Conflict\. The container name \\"\/one\\" is already in use by container \\"[0-9a-f]{64}\\"/); // prettier-ignore
  await call('DELETE', '/containers/one');
});

test('the head of a wait comes at once, its body when the container is gone', async () => {
  const id = await created('waited');
  const socket = connect(socketPath);
  socket.write(
    `POST /v1.44/containers/${id}/wait?condition=removed HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n`,
  );
  const all = text(socket);
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 200/);
  await call('DELETE', `/containers/${id}`);
  assert.match(await all, /\{"StatusCode":0\}/);
});

test('attach answers 101 to an upgrade, and a client that half-closes its side still gets what the container wrote', async () => {
  const id = await created('attached');
  const socket = connect(socketPath);
  socket.end(`POST /containers/${id}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`); // prettier-ignore
  const all = text(socket);
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(
    head.toString(),
    /^HTTP\/1\.1 101 UPGRADED\r\nContent-Type: application\/vnd\.docker\.multiplexed-stream\r\n/,
  );
  await call('POST', `/containers/${id}/start`);
  await call('POST', `/containers/${id}/stop?t=0`);
  assert.match(await all, /pretend container main/);
  await call('DELETE', `/containers/${id}?force=1`);
});

test('what is wrong is refused with a message and the right code', async () => {
  await created('wrong');
  const table: [method: string, url: string, body: unknown, code: number, message: RegExp][] = [
    ['GET', '/containers/nosuch/json', undefined, 404, /^No such container: nosuch$/],
    ['POST', '/containers/create?name=a%20b', { Image: 'demo' }, 400, /^Invalid container name \(a b\)/],
    ['POST', '/containers/create', '{', 400, /^invalid JSON/],
    ['POST', '/containers/create', '', 400, /config cannot be empty/],
    ['POST', '/containers/create', { Image: 'Not A Name' }, 400, /Invalid image name/],
    ['POST', '/containers/create', { Image: 'demo', HostConfig: { Init: true } }, 501, /HostConfig\.Init \(--init\)/],
    ['POST', '/containers/wrong/kill', undefined, 409, /is not running/],
    ['POST', '/containers/wrong/exec', { Cmd: ['x'] }, 409, /is not running/],
    ['POST', '/containers/wrong/wait?condition=never', undefined, 400, /invalid condition/],
    ['GET', '/containers/wrong/logs', undefined, 400, /at least one stream/],
    ['GET', '/exec/nosuch/json', undefined, 404, /No such exec instance/],
    ['GET', '/images/nosuch:1/json', undefined, 404, /^No such image: nosuch:1$/],
    ['GET', '/volumes/x', undefined, 404, /No such volume: x/],
    ['GET', '/services', undefined, 503, /not a swarm manager/],
    ['POST', '/build', undefined, 501, /does not have POST \/build/],
    ['GET', '/nonsense', undefined, 404, /^page not found$/],
    ['GET', '/v1.39/info', undefined, 400, /too old/],
  ];
  for (const [method, url, body, code, message] of table) {
    const reply = await call(method, url, body);
    assert.equal(reply.code, code, `${method} ${url}: ${reply.body}`);
    assert.match(String(json(reply)['message']), message);
  }
  await call('DELETE', '/containers/wrong');
});

test('--rm removes a container after its end, and events tell all of it', async () => {
  const since = Math.floor(Date.now() / 1000);
  await created('short', { HostConfig: { AutoRemove: true } });
  await call('POST', '/containers/short/start');
  const removed = call('POST', '/containers/short/wait?condition=removed');
  await call('POST', '/containers/short/stop?t=0');
  await removed;
  assert.equal((await call('GET', '/containers/short/json')).code, 404);
  const filters = encodeURIComponent(JSON.stringify({ container: ['short'] }));
  const { body } = await call(
    'GET',
    `/events?since=${since}&until=${Math.floor(Date.now() / 1000) + 1}&filters=${filters}`,
  );
  const actions = body.trim().split('\n').map((line) => (JSON.parse(line) as { Action: string }).Action); // prettier-ignore
  assert.deepEqual(actions.filter((action) => action !== 'stop'), ['create', 'start', 'die', 'destroy']); // prettier-ignore
});
