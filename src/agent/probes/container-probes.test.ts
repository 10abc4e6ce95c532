import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type * as core from '#api/core/types.generated.ts';
import { VirtualClock } from '#lib/clock.ts';
import { spec } from '../testing/pod-facts.ts';
import { ContainerProbes } from './container-probes.ts';
import { grpcHealth } from './grpc-health.ts';
import { httpGet, portNumber } from './http-get.ts';
import { freshTally, tallyAfter } from './probe-tally.ts';

const signal = new AbortController().signal;

test('A verdict changes after as many equal results in a row as its threshold says', () => {
  const probe: core.Probe = { failureThreshold: 3, successThreshold: 2 };
  const verdicts: string[] = [];
  let tally = freshTally;
  for (const ok of [true, true, false, false, true, false, false, false, true, true]) {
    tally = tallyAfter(tally, ok, probe);
    verdicts.push(tally.verdict);
  }
  const [u, s, f] = ['unknown', 'success', 'failure'];
  assert.deepEqual(verdicts, [u, s, s, s, s, s, s, f, f, s]);
});

/** Probes of one container on a virtual clock, with answers that the test sets. */
function probing(container: Partial<core.Container>) {
  const clock = new VirtualClock(0);
  const at: number[] = [];
  const answers = { ok: true };
  const probes = new ContainerProbes({
    clock,
    attempt: async () => {
      at.push(clock.now() / 1000);
      return { ok: answers.ok, message: '' };
    },
    onChange: () => {},
    onFailure: () => {},
  });
  probes.follow([{ id: 'c', spec: spec('a', container), startedAt: 0 }]);
  return { clock, at, answers, probes };
}

test('Probes keep their beat from the start of the container', async () => {
  const { clock, at, probes } = probing({ readinessProbe: { initialDelaySeconds: 2, periodSeconds: 5 } });
  await clock.advance(13_000);
  assert.deepEqual(at, [2, 7, 12]);
  assert.ok(probes.ready.has('c'));
  probes.follow([]);
  await clock.advance(20_000);
  assert.equal(at.length, 3);
});

test('Without probes a container is started and ready at once', () => {
  const { probes } = probing({});
  assert.deepEqual([probes.started.has('c'), probes.ready.has('c')], [true, true]);
});

test('A startup probe holds the others back; readiness comes and goes', async () => {
  const { clock, answers, probes, at } = probing({
    startupProbe: { periodSeconds: 1, failureThreshold: 5 },
    readinessProbe: { periodSeconds: 1, failureThreshold: 1 },
  });
  answers.ok = false;
  await clock.advance(2500);
  assert.deepEqual([probes.started.has('c'), at.length], [false, 3]);
  answers.ok = true;
  await clock.advance(1000);
  assert.deepEqual([probes.started.has('c'), probes.ready.has('c')], [true, true]);
  answers.ok = false;
  await clock.advance(1000);
  assert.equal(probes.ready.has('c'), false);
});

test('What was started and ready before an agent restarted stays so until a probe says otherwise', async () => {
  const { clock, answers, probes } = probing({});
  const readinessProbe = { periodSeconds: 1, failureThreshold: 2 };
  const probed = spec('a', { startupProbe: { periodSeconds: 1 }, readinessProbe });
  const container = { id: 'd', spec: probed, startedAt: 0, before: { started: true, ready: true } };
  answers.ok = false;
  probes.follow([container]);
  assert.deepEqual([probes.started.has('d'), probes.ready.has('d')], [true, true]);
  await clock.advance(500);
  assert.equal(probes.ready.has('d'), true);
  await clock.advance(1000);
  assert.equal(probes.ready.has('d'), false);
});

test('Liveness that fails for good calls for a stop, with its own grace', async () => {
  const { clock, answers, probes } = probing({
    livenessProbe: { periodSeconds: 1, failureThreshold: 2, terminationGracePeriodSeconds: 3 },
  });
  answers.ok = false;
  await clock.advance(500);
  assert.equal(probes.unhealthy.size, 0);
  await clock.advance(1000);
  assert.deepEqual(probes.unhealthy.get('c'), {
    message: 'Container a failed liveness probe, will be restarted',
    graceSeconds: 3,
  });
});

test('An HTTP probe takes 2xx and 3xx for success and follows no redirect', async () => {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    const code = Number(request.url?.slice(1));
    response.writeHead(code, code >= 300 && code < 400 ? { Location: '/200' } : {}).end('x'.repeat(20_000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const get = (path: string) => httpGet({ path, port }, { host: '127.0.0.1', port }, 'test', 1000, signal);
    assert.equal((await get('/200')).ok, true);
    assert.equal((await get('/302')).ok, true);
    assert.deepEqual(await get('/404'), { ok: false, message: 'HTTP probe failed with statuscode: 404' });
    assert.deepEqual(paths, ['/200', '/302', '/404']);
  } finally {
    server.close();
    server.closeAllConnections();
  }
  const gone = await httpGet({ port: 1 }, { host: '127.0.0.1', port: 1 }, 'test', 1000, signal);
  assert.equal(gone.ok, false);
});

test('A gRPC probe asks the health service for SERVING', async () => {
  const answers: Record<string, { status: number; grpc: string }> = {
    up: { status: 1, grpc: '0' },
    down: { status: 2, grpc: '0' },
    none: { status: 0, grpc: '12' },
  };
  const server = createHttp2Server();
  server.on('stream', (stream) => {
    stream.on('data', (frame: Buffer) => {
      const { status, grpc } = answers[frame.subarray(7).toString()] ?? { status: 0, grpc: '2' };
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpc, 'grpc-message': 'x' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const ask = (service: string) => grpcHealth({ port, service }, '127.0.0.1', 1000, signal);
    assert.equal((await ask('up')).ok, true);
    assert.deepEqual(await ask('down'), { ok: false, message: 'service unhealthy (responded with "NOT_SERVING")' });
    assert.match((await ask('none')).message, /does not implement the grpc health protocol/);
  } finally {
    server.close();
  }
  assert.match((await grpcHealth({ port: 1 }, '127.0.0.1', 1000, signal)).message, /failed to connect/);
});

test('Ports are found by number and by name', () => {
  const container = spec('a', { ports: [{ name: 'web', containerPort: 80 }] });
  assert.deepEqual(
    [portNumber(8080, container), portNumber('8080', container), portNumber('web', container)],
    [8080, 8080, 80],
  );
  assert.throws(() => portNumber('none', container), /couldn't find port "none"/);
});
