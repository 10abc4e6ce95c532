import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { WebSocket } from 'ws';
import type { Node } from '#api/core/node.ts';
import { agentConnections } from '#apiserver/streaming/node-streams.ts';
import { ephemeralPki, type Pki } from '#cluster/pki.ts';
import { systemClock } from '#lib/clock.ts';
import type { Credential } from '#lib/x509.ts';
import { hasReason } from '#machinery/status-error.ts';
import { pod, startPodServer, type PodServer } from './pod-server.ts';

const signal = AbortSignal.timeout(60_000);
const clock = systemClock;
let server: PodServer;
let foreign: Pki;
before(async () => {
  server = await startPodServer();
  foreign = await ephemeralPki({ clock, hosts: ['127.0.0.1'] });
});
after(() => server[Symbol.asyncDispose]());

const paths = [
  '/containerLogs/default/web/main',
  '/exec/default/web/main?command=id&stdout=true',
  '/attach/default/web/main?stdout=true',
  '/portForward/default/web?port=80',
  '/stats/summary',
  '/metrics',
  '/pods',
  '/run/default/web/main',
  '/debug/pprof/',
  '/',
];

async function get(credential: Credential | undefined, path: string) {
  const { pki, agent } = server;
  const call = request({
    host: '127.0.0.1',
    port: agent.port,
    path,
    agent: false,
    ca: pki.authority,
    checkServerIdentity: () => undefined,
    ...(credential === undefined ? {} : { cert: credential.certificate, key: credential.key }),
  });
  call.end();
  const [reply] = (await once(call, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  return { code: reply.statusCode, body: await text(reply) };
}

async function upgrade(credential: Credential | undefined, path: string): Promise<number> {
  const { pki, agent } = server;
  const socket = new WebSocket(`wss://127.0.0.1:${agent.port}${path}`, 'v5.channel.k8s.io', {
    ca: pki.authority,
    checkServerIdentity: (() => undefined) as never,
    ...(credential === undefined ? {} : { cert: credential.certificate, key: credential.key }),
  });
  socket.on('error', () => {});
  const [, reply] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  socket.terminate();
  return reply.statusCode;
}

test('an agent tells strangers that it is healthy, and nothing else', async () => {
  assert.deepEqual(await get(undefined, '/healthz'), { code: 200, body: 'ok' });
  for (const path of paths) {
    assert.equal((await get(undefined, path)).code, 401, path);
    assert.equal(await upgrade(undefined, path), 401, path);
    assert.equal((await get(foreign.agentClient, path)).code, 401, `${path} with another cluster's certificate`);
  }
  assert.equal(server.local.runningCount, 0);
});

test('an agent serves the API server only: no other certificate of the cluster opens it, not even its own', async () => {
  const { pki } = server;
  const others = {
    admin: pki.admin,
    scheduler: pki.scheduler,
    controllers: pki.controllerManager,
    node: await pki.node('n1', []),
  };
  for (const [who, credential] of Object.entries(others)) {
    for (const path of paths) {
      assert.equal((await get(credential, path)).code, 403, `${who} ${path}`);
      assert.equal(await upgrade(credential, path), 403, `${who} ${path}`);
    }
  }
  assert.equal((await get(pki.server, '/stats/summary')).code, 401, 'a server certificate is no client certificate');
  assert.equal((await get(pki.agentClient, '/stats/summary')).code, 200);
  assert.equal((await get(pki.agentClient, '/exec/default/web/main?command=id')).code, 400);
  assert.equal((await get(pki.agentClient, '/run/default/web/main')).code, 404);
});

/** Something that answers where the node claims its agent to be. */
async function withImpostor(
  credential: Credential,
  headers: Record<string, string>,
  body: (connections: ReturnType<typeof agentConnections>, hits: () => number) => Promise<void>,
) {
  const { pki } = server;
  let hits = 0;
  const impostor = createServer({ cert: credential.certificate, key: credential.key }, (_req, res) => {
    hits++;
    res.writeHead(302, headers).end('<html>secret page</html>');
  });
  impostor.on('upgrade', (_req, socket) => {
    hits++;
    socket.end(`HTTP/1.1 302 Found\r\nlocation: ${headers['location']}\r\ncontent-length: 0\r\n\r\n`);
  });
  impostor.listen(0, '127.0.0.1');
  await once(impostor, 'listening');
  const { port } = impostor.address() as AddressInfo;
  try {
    const node = {
      metadata: { name: 'n1' },
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    } as unknown as Node;
    await body(
      agentConnections({ node: async () => node, authority: pki.authority, ...pki.agentClient, clock }),
      () => hits,
    );
  } finally {
    impostor.closeAllConnections();
    impostor.close();
  }
}

const exec = { command: ['id'], container: 'main', stdin: false, stdout: true, stderr: true, tty: false, signal };

test('the API server talks to nobody but the agent of the very node', async () => {
  const { pki } = server;
  const impostors = [await pki.node('n2', ['127.0.0.1', 'n1']), pki.server, await foreign.node('n1', ['127.0.0.1'])];
  for (const impostor of impostors) {
    await withImpostor(impostor, {}, async (connections, hits) => {
      const isUnavailable = (error: unknown) => hasReason(error, 'ServiceUnavailable');
      await assert.rejects(connections.exec(pod, exec), isUnavailable);
      await assert.rejects(connections.logs(pod, { container: 'main', signal }), isUnavailable);
      await assert.rejects(connections.portForward(pod, 80, { signal }), isUnavailable);
      await assert.rejects(connections.stats('n1', { signal }), isUnavailable);
      assert.equal(hits(), 0, 'nothing is sent before the certificate is known');
    });
  }
});

test('the API server follows no redirect of an agent and repeats nothing of what it says', async () => {
  let reached = 0;
  const target = createServer({ cert: server.pki.server.certificate, key: server.pki.server.key }, (_req, res) => {
    reached++;
    res.end();
  });
  target.on('connection', () => reached++);
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const location = `https://127.0.0.1:${(target.address() as AddressInfo).port}/`;
  try {
    await withImpostor(await server.pki.node('n1', ['127.0.0.1']), { location }, async (connections, hits) => {
      await assert.rejects(connections.logs(pod, { container: 'main', signal }), (error: Error) => {
        assert.match(error.message, /answered 302$/);
        return hasReason(error, 'ServiceUnavailable');
      });
      await assert.rejects(connections.exec(pod, exec), (error: Error) => !error.message.includes('secret'));
      assert.equal(hits(), 2);
      assert.equal(reached, 0);
    });
  } finally {
    target.close();
  }
});

test('after an upgrade that is refused, what else came over the connection is never read as a request', async () => {
  const { pki } = server;
  for (const [host, port, credential, path] of [
    [
      'API server',
      Number(new URL(server.url).port),
      pki.admin,
      '/api/v1/namespaces/default/pods/web/exec?command=id&container=nope',
    ],
    ['agent', server.agent.port, pki.agentClient, '/exec/default/other/main?command=id'],
  ] as const) {
    for (const protocol of ['websocket', 'SPDY/3.1']) {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: pki.authority,
        cert: credential.certificate,
        key: credential.key,
        checkServerIdentity: () => undefined,
      });
      const evil = `GET ${path.replace('nope', 'main').replace('other', 'web')} HTTP/1.1\r\nHost: x\r\n\r\n`;
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n${evil}`,
      );
      const replies = await text(socket);
      assert.equal(replies.match(/HTTP\/1\.1/g)?.length, 1, `${host} over ${protocol}: ${replies}`);
      assert.match(replies, /^HTTP\/1\.1 4\d\d /);
      assert.match(replies, /connection: close/);
    }
  }
  assert.equal(server.local.runningCount, 0);
});
