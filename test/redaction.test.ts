import assert from 'node:assert/strict';
import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { RawApi } from './support/api.ts';
import { Tutti } from './support/tutti.ts';
import { until } from './support/until.ts';

const canary = 'CANARYq7Zk3Jw9';
const encoded = Buffer.from(canary).toString('base64');
const needles = [canary, encoded.slice(0, -2)];

/** Files below `dir` that hold a canary, with the first line that does. */
function leaks(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      const line = readFileSync(file, 'utf8')
        .split('\n')
        .find((text) => needles.some((needle) => text.includes(needle)));
      return line === undefined ? [] : [`${entry.name}: ${line.slice(0, 400)}`];
    });
}

const secrets = '/api/v1/namespaces/default/secrets';
const secret = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  data: { k: encoded },
  ...more,
});

test('no secret that anybody sends stands in a log, an event or the audit log, at debug level', async () => {
  await using cluster = await Tutti.up([
    '--sim',
    '--nodes',
    '1',
    '--log-level',
    'debug',
    '--dialect',
    'docker',
    '--audit-internal',
  ]);
  using api = await RawApi.open(cluster.kubeconfig);
  const json = { 'content-type': 'application/json' };
  const ok = await api.send('POST', secrets, secret('a', { stringData: { other: canary } }));
  assert.equal(ok.code, 201);
  // Bodies that are refused, each at another place.
  const bad: readonly [string, string, string | object, Record<string, string>?][] = [
    ['POST', secrets, `{"kind":"Secret","data":{"k":"${canary}" oops`],
    ['POST', secrets, `${canary} is no JSON`],
    ['POST', secrets, `kind: Secret\ndata:\n  k: [${canary}\n`, { 'content-type': 'application/yaml' }],
    ['POST', secrets, secret('b', { data: { k: `!${canary}!` } })],
    ['POST', secrets, secret('b', { data: { [`${canary} no key`]: encoded } })],
    ['POST', secrets, secret('b', { type: `kubernetes.io/tls`, data: { 'tls.key': encoded } })],
    ['POST', `${secrets}?fieldValidation=Strict`, secret('b', { [canary]: canary })],
    ['POST', secrets, secret('a')],
    ['PUT', `${secrets}/a`, secret('a', { type: `changed/${canary}` })],
    ['PUT', `${secrets}/absent`, secret('absent')],
    ['PATCH', `${secrets}/a`, { data: { k: 7, more: canary } }, { 'content-type': 'application/merge-patch+json' }],
    [
      'PATCH',
      `${secrets}/a`,
      [{ op: 'test', path: '/data/k', value: canary }] as never,
      { 'content-type': 'application/json-patch+json' },
    ],
    [
      'PATCH',
      `${secrets}/a`,
      [{ op: 'add', path: '/data', value: canary }] as never,
      { 'content-type': 'application/json-patch+json' },
    ],
    [
      'POST',
      '/apis/authentication.k8s.io/v1/tokenreviews',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: canary } },
    ],
    ['GET', `/api/v1/pods?token=${canary}&access_token=${canary}`, ''],
    ['GET', `/api/v1/namespaces/default/pods/p/exec?command=x&token=${canary}`, ''],
  ];
  for (const [method, url, body, headers = json] of bad) {
    const { code } = await api.send(method, url, body === '' ? undefined : body, headers);
    assert.ok(code >= 200 && code < 500, `${method} ${url}: ${code}`);
  }
  // Credentials that are wrong, and right ones whose work fails.
  const strangers = [
    `Bearer ${canary}`,
    `Basic ${Buffer.from(`user:${canary}`).toString('base64')}`,
    `Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.${canary}`,
  ];
  for (const authorization of strangers) await api.as({}).send('GET', secrets, undefined, { authorization });
  // A Secret that a pod wants, which never comes to be right; and Docker's way in.
  const pod = await api.send('POST', '/api/v1/namespaces/default/pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      containers: [
        {
          name: 'c',
          image: `https://user:${canary}@registry.invalid/x`,
          env: [{ name: 'K', valueFrom: { secretKeyRef: { name: 'a', key: 'none' } } }],
        },
      ],
    },
  });
  assert.equal(pod.code, 201, pod.text);
  const docker = request({
    socketPath: path.join(cluster.dataDir, 'docker.sock'),
    method: 'POST',
    path: `/v1.44/images/create?fromImage=registry.invalid%2Fx&tag=1`,
    headers: { 'x-registry-auth': Buffer.from(JSON.stringify({ username: 'u', password: canary })).toString('base64') },
  });
  docker.end();
  const [reply] = (await once(docker, 'response')) as [IncomingMessage];
  reply.resume();
  const events = await until('an event about the pod', async () => {
    const { text } = await api.send('GET', '/apis/events.k8s.io/v1/events');
    return /"regarding":\{[^}]*"name":"p"/.test(text) ? text : undefined;
  });
  for (const needle of needles) assert.ok(!events.includes(needle), `an event holds ${needle}`);
  await cluster.kill('SIGTERM');
  assert.deepEqual(leaks(path.join(cluster.dataDir, 'logs')), []);
  // The search looks where it should: what is no secret is there.
  const audit = readFileSync(path.join(cluster.dataDir, 'logs', 'audit.log'), 'utf8');
  assert.match(audit, /"resource":"secrets","namespace":"default","name":"a"/);
});
