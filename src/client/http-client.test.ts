import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { text } from 'node:stream/consumers';
import { type WebSocket, WebSocketServer } from 'ws';
import { ConfigMap } from '#api/core/config-map.ts';
import { Deployment } from '#api/apps/deployment.ts';
import { systemClock } from '#lib/clock.ts';
import { type Credential, issueCertificate } from '#lib/x509.ts';
import { hasReason, notFoundError } from '#machinery/status-error.ts';
import { HttpClient } from './http-client.ts';

let authority: Promise<Credential> | undefined;
const year = 365 * 24 * 3600 * 1000;
const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + year };

/** A real TLS server that answers as `handle` says, and the client's side of it. */
async function setup(
  handle: (request: http2.Http2ServerRequest, reply: http2.Http2ServerResponse, body: string) => void,
) {
  authority ??= issueCertificate({ use: 'authority', commonName: 'test-ca', ...validity });
  const ca = await authority;
  const serverCert = await issueCertificate(
    { use: 'server', commonName: 'server', hosts: ['127.0.0.1'], ...validity },
    ca,
  );
  const clientCert = await issueCertificate({ use: 'client', commonName: 'someone', ...validity }, ca);
  const server = http2.createSecureServer({
    cert: serverCert.certificate,
    key: serverCert.key,
    ca: ca.certificate,
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
  });
  const sessions = new Set<http2.Http2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('request', (request, reply) => {
    void text(request).then((body) => handle(request, reply, body));
  });
  server.on('sessionError', () => {});
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;
  const tls = { ca: ca.certificate, cert: clientCert.certificate, key: clientCert.key };
  const client = new HttpClient({ server: { url, ...tls }, clock: systemClock, userAgent: 'test/1' });
  return {
    client,
    server,
    sessions,
    url,
    tls,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(reply: http2.Http2ServerResponse, code: number, body: unknown): void {
  reply.writeHead(code, { 'content-type': 'application/json' });
  reply.end(JSON.stringify(body));
}

const signal = new AbortController().signal;

test('calls become the requests that Kubernetes clients send', async () => {
  const seen: unknown[] = [];
  await using house = await setup((request, reply, body) => {
    seen.push([
      request.method,
      request.url,
      request.headers['content-type'] ?? '',
      body === '' ? '' : JSON.parse(body),
    ]);
    send(reply, 200, { apiVersion: 'v1', kind: 'ConfigMap', items: [] });
  });
  const { client } = house;
  const ref = { namespace: 'a', name: 'b' };
  const object = { metadata: ref, data: { k: 'v' } };
  const sent = { ...object, apiVersion: 'v1', kind: 'ConfigMap' };
  await client.get(Deployment, ref, { signal, subresource: 'scale' });
  await client.list(ConfigMap, { signal, labelSelector: 'a in (b,c)', limit: 5, resourceVersion: '0' });
  await client.create(ConfigMap, object, { signal, dryRun: true, fieldManager: 'me' });
  await client.create(ConfigMap, object, { signal, subresource: 'token' });
  await client.update(ConfigMap, object, { signal });
  await client.patch(ConfigMap, ref, { type: 'merge', patch: { data: {} } }, { signal });
  await client.patch(ConfigMap, ref, { type: 'apply', patch: {}, force: true }, { signal, fieldManager: 'me' });
  await client.delete(ConfigMap, ref, { signal, gracePeriodSeconds: 0, propagationPolicy: 'Foreground' });
  await client.deleteCollection(ConfigMap, { signal, namespace: 'a', labelSelector: 'x' });
  assert.deepEqual(seen, [
    ['GET', '/apis/apps/v1/namespaces/a/deployments/b/scale', '', ''],
    ['GET', '/api/v1/configmaps?labelSelector=a+in+%28b%2Cc%29&limit=5&resourceVersion=0', '', ''],
    ['POST', '/api/v1/namespaces/a/configmaps?fieldManager=me&dryRun=All', 'application/json', sent],
    ['POST', '/api/v1/namespaces/a/configmaps/b/token', 'application/json', sent],
    ['PUT', '/api/v1/namespaces/a/configmaps/b', 'application/json', sent],
    ['PATCH', '/api/v1/namespaces/a/configmaps/b', 'application/merge-patch+json', { data: {} }],
    ['PATCH', '/api/v1/namespaces/a/configmaps/b?fieldManager=me&force=true', 'application/apply-patch+yaml', {}],
    [
      'DELETE',
      '/api/v1/namespaces/a/configmaps/b',
      'application/json',
      { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, propagationPolicy: 'Foreground' },
    ],
    [
      'DELETE',
      '/api/v1/namespaces/a/configmaps?labelSelector=x',
      'application/json',
      { kind: 'DeleteOptions', apiVersion: 'v1' },
    ],
  ]);
});

test('the client proves who it is by certificate, by token, and says whom it acts for', async () => {
  const seen: unknown[] = [];
  await using house = await setup((request, reply) => {
    const peer = (request.socket as TLSSocket).getPeerCertificate();
    const { authorization, 'impersonate-user': user, 'impersonate-group': group } = request.headers;
    seen.push([peer.subject?.CN, authorization, user, group, request.headers['user-agent']]);
    send(reply, 200, {});
  });
  const { client, url, tls } = house;
  await client.get(ConfigMap, { namespace: 'a', name: 'b' }, { signal });
  await client.as({ username: 'eve', groups: ['x'] }).get(ConfigMap, { namespace: 'a', name: 'b' }, { signal });
  await using bearer = new HttpClient({
    server: { url, ca: tls.ca, token: async () => 'secret' },
    clock: systemClock,
    userAgent: 'test/2',
  });
  await bearer.get(ConfigMap, { namespace: 'a', name: 'b' }, { signal });
  assert.deepEqual(seen, [
    ['someone', undefined, undefined, undefined, 'test/1'],
    ['someone', undefined, 'eve', 'x', 'test/1'],
    [undefined, 'Bearer secret', undefined, undefined, 'test/2'],
  ]);
});

test('failures arrive as the StatusErrors they were, and other replies by their code', async () => {
  const missing = notFoundError({ group: '', plural: 'configmaps' }, 'b').toStatus();
  await using house = await setup((request, reply) => {
    if (request.url.endsWith('/b')) send(reply, 404, missing);
    else reply.writeHead(503).end('<h1>down</h1>');
  });
  await assert.rejects(house.client.get(ConfigMap, { namespace: 'a', name: 'b' }, { signal }), (error) => {
    assert.ok(hasReason(error, 'NotFound'));
    assert.deepEqual(error.toStatus(), missing);
    return true;
  });
  await assert.rejects(house.client.list(ConfigMap, { signal }), (error) => {
    assert.ok(hasReason(error, 'ServiceUnavailable'));
    assert.match(error.message, /down/);
    return true;
  });
});

test('a server that is not there is ServiceUnavailable with its cause, and nothing of it escapes', async () => {
  const house = await setup(() => {});
  await house[Symbol.asyncDispose]();
  await using client = new HttpClient({ server: { url: house.url, ...house.tls }, clock: systemClock, userAgent: 't' });
  await assert.rejects(client.list(ConfigMap, { signal }), (error) => {
    assert.ok(hasReason(error, 'ServiceUnavailable'));
    assert.match(error.message, /Cannot connect to https:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    assert.ok(error.cause instanceof Error);
    return true;
  });
});

test('a lost connection is opened again by the next call', async () => {
  await using house = await setup((_request, reply) => send(reply, 200, { items: [] }));
  await house.client.list(ConfigMap, { signal });
  for (const session of house.sessions) session.destroy();
  await house.client.list(ConfigMap, { signal });
  assert.equal(house.sessions.size, 2);
});

test('items of a list say what they are', async () => {
  await using house = await setup((_request, reply) =>
    send(reply, 200, { kind: 'ConfigMapList', apiVersion: 'v1', metadata: {}, items: [{ metadata: { name: 'x' } }] }),
  );
  const { items } = await house.client.list(ConfigMap, { signal });
  assert.deepEqual(items, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } }]);
});

const event = (name: string) => ({ type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name } } });

test('watch() yields events however the bytes are cut, and ends when aborted', async () => {
  await using house = await setup((request, reply) => {
    assert.equal(request.url, '/api/v1/namespaces/a/configmaps?watch=true&resourceVersion=7&allowWatchBookmarks=true');
    const bytes = Buffer.from(`${JSON.stringify(event('ä'))}\n${JSON.stringify(event('b'))}\n`);
    reply.writeHead(200, { 'content-type': 'application/json' });
    for (let at = 0; at < bytes.length; at += 7) reply.write(bytes.subarray(at, at + 7));
  });
  const stop = new AbortController();
  const seen: unknown[] = [];
  const options = { namespace: 'a', resourceVersion: '7', allowWatchBookmarks: true, signal: stop.signal };
  for await (const each of house.client.watch(ConfigMap, options)) {
    seen.push(each);
    if (seen.length === 2) stop.abort();
  }
  assert.deepEqual(seen, [event('ä'), event('b')]);
});

test('a watch whose connection breaks throws ServiceUnavailable', async () => {
  await using house = await setup((_request, reply) => {
    reply.writeHead(200);
    reply.write('{"type":"BOOKMARK","object":{}}\n');
  });
  await assert.rejects(
    async () => {
      for await (const _ of house.client.watch(ConfigMap, { signal }))
        for (const each of house.sessions) each.destroy();
    },
    (error) => hasReason(error, 'ServiceUnavailable'),
  );
});

test('an aborted call rejects with the reason at once', async () => {
  await using house = await setup(() => {});
  const stop = new AbortController();
  const call = house.client.list(ConfigMap, { signal: stop.signal });
  const reason = new Error('enough');
  setImmediate(() => stop.abort(reason));
  await assert.rejects(call, (error) => error === reason);
});

test('logs() streams bytes as they come', async () => {
  await using house = await setup((request, reply) => {
    assert.equal(request.url, '/api/v1/namespaces/a/pods/p/log?container=c&follow=true&tailLines=3');
    reply.writeHead(200, { 'content-type': 'text/plain' });
    reply.write('one\n');
    setImmediate(() => reply.end('two\n'));
  });
  const options = { container: 'c', follow: true, tailLines: 3, signal };
  const stream = await house.client.logs({ namespace: 'a', name: 'p' }, options);
  assert.equal(await text(stream), 'one\ntwo\n');
});

/** Answers upgrades with `talk`, given a socket that speaks Kubernetes' channels. */
function serveChannels(server: http2.Http2SecureServer, talk: (socket: WebSocket, url: string) => void): void {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (opened) => talk(opened, request.url ?? ''));
  });
}

test('exec() carries both ways, half-closes stdin, tells the size and the exit code', async () => {
  await using house = await setup(() => {});
  const failure = { kind: 'Status', status: 'Failure', reason: 'NonZeroExitCode' };
  const sizes: string[] = [];
  serveChannels(house.server, (socket, url) => {
    assert.equal(
      url,
      '/api/v1/namespaces/a/pods/p/exec?command=cat&command=-&stdin=true&stdout=true&stderr=true&tty=false',
    );
    assert.equal(socket.protocol, 'v5.channel.k8s.io');
    socket.on('message', (data: Buffer) => {
      if (data[0] === 0) socket.send(Buffer.concat([Buffer.of(1), data.subarray(1)]));
      if (data[0] === 4) sizes.push(data.subarray(1).toString());
      if (data[0] === 255) {
        socket.send(Buffer.concat([Buffer.of(2), Buffer.from('bye')]));
        socket.send(Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(failure))]));
        socket.close(1000);
      }
    });
  });
  const options = { command: ['cat', '-'], stdin: true, stdout: true, stderr: true, tty: false, signal };
  const session = await house.client.exec({ namespace: 'a', name: 'p' }, options);
  assert.ok(session.stdin && session.stdout && session.stderr);
  session.resize(80, 24);
  const [out, err] = [text(session.stdout), text(session.stderr)];
  const big = 'x'.repeat(300_000);
  session.stdin.write('hello ');
  session.stdin.end(big);
  assert.equal(await out, `hello ${big}`);
  assert.equal(await err, 'bye');
  assert.deepEqual(await session.done, failure);
  assert.deepEqual(sizes, ['{"Width":80,"Height":24}']);
});

test('a refused exec() rejects with the Status the server gave', async () => {
  await using house = await setup((_request, reply) => {
    send(reply, 404, notFoundError({ group: '', plural: 'pods' }, 'p').toStatus());
  });
  house.server.on('upgrade', (_request, socket) => {
    const body = JSON.stringify(notFoundError({ group: '', plural: 'pods' }, 'p').toStatus());
    socket.end(`HTTP/1.1 404 Not Found\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
  });
  const options = { command: ['x'], stdin: false, stdout: true, stderr: false, tty: false, signal };
  await assert.rejects(house.client.exec({ namespace: 'a', name: 'p' }, options), (error) =>
    hasReason(error, 'NotFound'),
  );
});

test('portForward() is one connection as a stream', async () => {
  await using house = await setup(() => {});
  serveChannels(house.server, (socket, url) => {
    assert.equal(url, '/api/v1/namespaces/a/pods/p/portforward?ports=8080');
    const port = Buffer.from([0x90, 0x1f]);
    socket.send(Buffer.concat([Buffer.of(0), port]));
    socket.send(Buffer.concat([Buffer.of(1), port]));
    socket.on('message', (data: Buffer) => {
      socket.send(Buffer.concat([Buffer.of(0), Buffer.from(data.subarray(1).toString().toUpperCase())]));
      socket.close(1000);
    });
  });
  const stream = await house.client.portForward({ namespace: 'a', name: 'p' }, 8080, { signal });
  stream.write('ping');
  assert.equal(await text(stream), 'PING');
});
