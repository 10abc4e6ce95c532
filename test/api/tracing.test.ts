import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RawApi } from '../support/api.ts';
import { Tutti, tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, string>> }[];
}

/** What a collector of OpenTelemetry would have been sent. */
async function collector() {
  const spans: ReceivedSpan[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      assert.equal(`${req.method} ${req.url} ${req.headers['content-type']}`, 'POST /v1/traces application/json');
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: { scopeSpans: { spans: ReceivedSpan[] }[] }[];
      };
      spans.push(...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)));
      res.end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    spans,
    endpoint: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('requests of sampled traces are sent to a collector with what the store did for them, others are not', async () => {
  await using received = await collector();
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-tracing-'));
  const file = path.join(dir, 'tracing.yaml');
  const config = (more: string) =>
    writeFileSync(file, `apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n${more}\n`);
  try {
    config(`endpoint: ${received.endpoint}\nsamplingRatePerMillion: 2000000`);
    const refused = await tutti(['up', '--sim', '--data-dir', path.join(dir, 'data'), '--tracing-config-file', file]);
    assert.match(refused.stderr, /samplingRatePerMillion must be a whole number from 0 to 1000000/);
    config(`endpoint: ${received.endpoint}`);
    await using cluster = await Tutti.up(['--sim', '--nodes', '0', '--tracing-config-file', file]);
    using api = await RawApi.open(cluster.kubeconfig);
    const [traceId, parent] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const url = '/api/v1/namespaces/default/configmaps';
    const send = (name: string, flags: string) =>
      api.json('POST', url, { metadata: { name } }, { traceparent: `00-${traceId}-${parent}-${flags}` });
    await send('unsampled', '00');
    await send('sampled', '01');
    const request = await until('the request is sent', () =>
      received.spans.find(({ name }) => name === 'KubernetesAPI'),
    );
    assert.deepEqual([request.traceId, request.parentSpanId], [traceId, parent]);
    const said = Object.fromEntries(request.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
    assert.deepEqual([said['http.method'], said['http.target'], said['http.status_code']], ['POST', url, '201']);
    const commit = await until('the commit is sent', () => received.spans.find(({ name }) => name === 'store commit'));
    assert.deepEqual([commit.traceId, commit.parentSpanId], [traceId, request.spanId]);
    assert.ok(BigInt(request.endTimeUnixNano) >= BigInt(commit.endTimeUnixNano));
    assert.ok(BigInt(commit.endTimeUnixNano) > BigInt(commit.startTimeUnixNano));
    assert.equal(received.spans.filter(({ name }) => name === 'KubernetesAPI').length, 1);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
