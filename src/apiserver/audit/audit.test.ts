import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Agent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ConfigMap } from '#api/core/config-map.ts';
import { systemClock } from '#lib/clock.ts';
import { InProcessClient } from '../in-process-client.ts';
import { admin, testServer, type TestServerOptions } from '../testing.ts';
import { AuditedClient } from './audited-client.ts';
import { Auditor, type AuditBackend } from './auditor.ts';
import type { AuditEvent } from './event.ts';
import { AuditLogFile } from './log-backend.ts';
import { Policy } from './policy.ts';
import { AuditWebhook } from './webhook-backend.ts';

class Kept implements AuditBackend {
  readonly events: AuditEvent[] = [];
  readonly errors = 0;
  write(line: string): void {
    this.events.push(JSON.parse(line) as AuditEvent);
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

const policy = (...rules: readonly object[]) => new Policy({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules });

async function audited(rules: readonly object[], options: TestServerOptions = {}) {
  const kept = new Kept();
  const auditor = new Auditor({ policy: policy(...rules), backends: [kept], clock: systemClock });
  const server = await testServer({ auditor, ...options });
  const agent = new Agent({ keepAlive: true, ca: server.ca.certificate });
  const call = async (method: string, url: string, body?: object, headers: Record<string, string> = {}) => {
    const request = httpsRequest(`${server.url}${url}`, {
      method,
      agent,
      headers: {
        authorization: 'Bearer admin',
        'user-agent': 'test/1',
        'content-type': 'application/json',
        ...headers,
      },
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
    const [reply] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of reply) text += String(chunk);
    return { code: reply.statusCode, headers: reply.headers, text };
  };
  return {
    ...server,
    call,
    events: kept.events,
    auditor,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

const maps = '/api/v1/namespaces/n/configmaps';
const map = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { k: 'v' } });

test('a write leaves what upstream writes of it, stage by stage', async () => {
  await using server = await audited([{ level: 'RequestResponse' }]);
  const reply = await server.call('POST', `${maps}?fieldManager=t`, map('a'), {
    'audit-id': 'mine-1',
    'x-forwarded-for': '10.1.1.1',
  });
  assert.equal(reply.headers['audit-id'], 'mine-1');
  const [received, complete] = server.events;
  assert.equal(server.events.length, 2);
  assert.equal(received?.stage, 'RequestReceived');
  const { requestReceivedTimestamp, stageTimestamp, responseObject, ...rest } = complete!;
  for (const time of [requestReceivedTimestamp, stageTimestamp])
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual((responseObject as { data: unknown }).data, { k: 'v' });
  assert.deepEqual(rest, {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: 'mine-1',
    stage: 'ResponseComplete',
    requestURI: `${maps}?fieldManager=t`,
    verb: 'create',
    user: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
    sourceIPs: ['10.1.1.1', '127.0.0.1'],
    userAgent: 'test/1',
    objectRef: { resource: 'configmaps', namespace: 'n', name: 'a', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: map('a'),
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  });
});

test('refusals, unknown callers, impersonation, watches and faults of the server are all noted', async () => {
  const authorizer = {
    authorize: async ({ verb }: { verb: string }) => ({ allowed: verb !== 'delete', reason: 'as the test wants' }),
  };
  let fault = false;
  const admission = [
    {
      name: 'fault',
      async mutate<T>({ object }: { object: T }) {
        if (fault) throw new TypeError('a bug');
        return object;
      },
    },
  ];
  await using server = await audited([{ level: 'Metadata', omitStages: ['RequestReceived'] }], {
    authorizer,
    admission,
  } as never);
  const last = () => server.events.at(-1)!;
  await server.call('DELETE', `${maps}/a`);
  assert.deepEqual(
    [last().stage, last().responseStatus?.code, last().responseStatus?.reason, last().annotations],
    [
      'ResponseComplete',
      403,
      'Forbidden',
      { 'authorization.k8s.io/decision': 'forbid', 'authorization.k8s.io/reason': 'as the test wants' },
    ],
  );
  await server.call('GET', maps, undefined, { authorization: 'Bearer ' });
  assert.deepEqual([last().user, last().responseStatus?.code], [{ username: '', groups: [] }, 401]);
  await server.call('GET', maps, undefined, { 'impersonate-user': 'bob' });
  assert.deepEqual([last().user.username, last().impersonatedUser?.username], ['admin', 'bob']);
  await server.call('GET', `${maps}?watch=true&timeoutSeconds=1`);
  // A watch is over once its end has gone out, which its client may know first.
  while (last().stage !== 'ResponseComplete' || last().verb !== 'watch')
    await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    server.events.slice(-2).map(({ stage, verb }) => `${verb} ${stage}`),
    ['watch ResponseStarted', 'watch ResponseComplete'],
  );
  fault = true;
  await server.call('POST', maps, map('b'));
  assert.deepEqual([last().stage, last().responseStatus?.code], ['Panic', 500]);
  assert.equal(JSON.stringify(server.events).includes('"requestObject"'), false);
});

test('every mutating call leaves one event, whichever door it comes through and whatever becomes of it', async ({
  signal,
}) => {
  await using server = await audited([
    {
      level: 'Metadata',
      omitStages: ['RequestReceived', 'ResponseStarted'],
      verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
    },
  ]);
  let calls = 0;
  const http = async (method: string, url: string, body?: object, type = 'application/json') => {
    calls++;
    await server.call(method, url, body, { 'content-type': type });
  };
  const dialect = new AuditedClient({
    auditor: server.auditor,
    user: admin,
    door: 'docker',
    clientOf: (user, audit) => new InProcessClient(server.api, { user, audit }),
  });
  const inProcess = async (call: Promise<unknown>) => {
    calls++;
    await call.catch(() => undefined);
  };
  for (let i = 0; i < 10; i++) {
    const object = { metadata: { namespace: 'n', name: `d${i}` } };
    const ref = { namespace: 'n', name: `d${i}` };
    await Promise.all([
      http('POST', maps, map(`h${i}`)),
      http('POST', maps, { nonsense: true }),
      http('PUT', `${maps}/absent`, map('absent')),
      http('PATCH', `${maps}/h0`, { data: { n: `${i}` } }, 'application/merge-patch+json'),
      http('PATCH', `${maps}/h0`, {}, 'text/unknown'),
      http('DELETE', `${maps}/h${i}`),
      http('DELETE', maps),
      http('POST', '/api/v1/namespaces/n/nothing-such', {}),
      inProcess(dialect.create(ConfigMap, object, { signal })),
      inProcess(dialect.create(ConfigMap, object, { signal })),
      inProcess(dialect.patch(ConfigMap, ref, { type: 'merge', patch: { data: { a: 'b' } } }, { signal })),
      inProcess(dialect.delete(ConfigMap, ref, { signal })),
      inProcess(dialect.deleteCollection(ConfigMap, { namespace: 'n', signal })),
      inProcess(dialect.get(ConfigMap, ref, { signal }).finally(() => calls--)), // a read: noted by no rule
      server.call('GET', maps),
    ]);
  }
  assert.equal(server.events.length, calls);
  assert.equal(new Set(server.events.map(({ auditID }) => auditID)).size, calls);
  assert.equal(server.events.filter(({ userAgent }) => userAgent === 'docker').length, 50);
});

test('an event with objects that are too large goes without them, and says so', () => {
  const kept = new Kept();
  const auditor = new Auditor({ policy: policy({ level: 'Request' }), backends: [kept], clock: systemClock });
  const trail = auditor.begin({
    auditId: 'x',
    uri: '/x',
    path: '/x',
    verb: 'create',
    user: admin,
    sourceIPs: [],
    userAgent: '',
    resource: undefined,
  });
  trail?.request({ data: 'x'.repeat(2 * 1024 * 1024) });
  trail?.end({ code: 201 });
  assert.equal(kept.events[1]?.requestObject, undefined);
  assert.equal(kept.events[1]?.annotations?.['audit.k8s.io/truncated'], 'true');
});

test('the log is put aside at its size, and no more is kept than asked for', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-audit-'));
  try {
    const file = path.join(dir, 'audit.log');
    const log = new AuditLogFile({ file, maxSizeMb: 1, maxBackups: 2, maxAgeDays: 30, clock: systemClock });
    let lines = 0;
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 600; i++) log.write(JSON.stringify({ n: lines++, text: 'x'.repeat(1_000) }));
      log.flush();
    }
    await log[Symbol.asyncDispose]();
    const names = readdirSync(dir).toSorted();
    assert.equal(names.length, 3);
    for (const name of names) {
      assert.ok(statSync(path.join(dir, name)).size <= 1024 * 1024);
      assert.equal(statSync(path.join(dir, name)).mode & 0o777, 0o600);
    }
    const kept = names.flatMap((name) => readFileSync(path.join(dir, name), 'utf8').trim().split('\n'));
    assert.deepEqual(
      kept.map((line) => (JSON.parse(line) as { n: number }).n).toSorted((a, b) => a - b),
      Array.from({ length: 1_800 }, (_, i) => lines - 1_800 + i),
    );
    const later = { ...systemClock, now: () => Date.now() + 60 * 24 * 3_600_000 };
    const old = new AuditLogFile({ file, maxSizeMb: 1, maxBackups: 9, maxAgeDays: 30, clock: later });
    old.write('x'.repeat(600_000));
    old.flush();
    await old[Symbol.asyncDispose]();
    assert.equal(readdirSync(dir).length, 2); // the current one, and the one just put aside
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('the webhook gets every event in batches, again after a failure, and loses what its buffer cannot hold', async () => {
  const got: AuditEvent[] = [];
  let failures = 2;
  const hook = createServer((req, res) => {
    let text = '';
    req.on('data', (chunk) => (text += String(chunk)));
    req.on('end', () => {
      if (failures-- > 0) return void res.writeHead(500).end('try again');
      const list = JSON.parse(text) as { kind: string; items: AuditEvent[] };
      assert.equal(list.kind, 'EventList');
      assert.ok(list.items.length <= 10);
      got.push(...list.items);
      res.writeHead(200).end();
    });
  }).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  try {
    const options = { server: { url }, clock: systemClock, batchEventsMax: 10, batchWaitMs: 20, initialBackoffMs: 5 };
    {
      await using webhook = new AuditWebhook({ ...options, bufferEventsMax: 100 });
      for (let i = 0; i < 35; i++) webhook.write(JSON.stringify({ auditID: `${i}` }));
      while (got.length < 35) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.deepEqual(
        got.map(({ auditID }) => auditID),
        Array.from({ length: 35 }, (_, i) => `${i}`),
      );
      assert.equal(webhook.errors, 0);
    }
    failures = Number.POSITIVE_INFINITY;
    const full = new AuditWebhook({ ...options, initialBackoffMs: 60_000, bufferEventsMax: 100 });
    for (let i = 0; i < 500; i++) full.write('{}');
    assert.equal(full.errors, 400);
    await full[Symbol.asyncDispose](); // does not wait for the back-off
    assert.equal(full.errors, 500);
  } finally {
    hook.closeAllConnections();
    hook.close();
  }
});
