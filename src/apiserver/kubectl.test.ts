import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Namespace } from '#api/core/namespace.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { builtInAdmission } from './admission/built-in.ts';
import { InProcessClient } from './in-process-client.ts';
import { ServiceAllocator } from './service-allocator.ts';
import { admin, testServer } from './testing.ts';

const kubectl = '/usr/bin/kubectl';
const skip = existsSync(kubectl) ? false : 'needs kubectl';

async function open(signal: AbortSignal) {
  const home = await mkdtemp(join(tmpdir(), 'tutti-kubectl-'));
  const server = await testServer({
    admission: (registry) => builtInAdmission(registry, { clock: systemClock, random: Math.random }),
    hooks: (registry) => [new ServiceAllocator(registry, { random: Math.random, log: silentLog })],
  });
  const client = new InProcessClient(server.api, { user: admin });
  await client.create(Namespace, { metadata: { name: 'default' }, spec: {} }, { signal });
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } }, { signal });
  const authority = join(home, 'ca.crt');
  await writeFile(authority, server.ca.certificate);
  const global = [
    `--server=${server.url}`,
    `--certificate-authority=${authority}`,
    '--token=admin',
    `--cache-dir=${home}`,
  ];

  /** Runs kubectl; `input` is the file `-`. */
  function run(line: string, input?: string): Promise<{ code: number; out: string; err: string }> {
    return new Promise((resolve) => {
      const env = { HOME: home, PATH: process.env['PATH'] };
      const child = execFile(kubectl, [...global, ...line.split(' ')], { env, signal }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
      });
      child.stdin?.end(input ?? '');
    });
  }
  async function ok(line: string, input?: string): Promise<string> {
    const { code, out, err } = await run(line, input);
    assert.equal(code, 0, `kubectl ${line}: ${err}`);
    return out;
  }
  return {
    run,
    ok,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const manifest = (image: string) => `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: "${image}"}]}
`;

test('kubectl applies, shows, changes and deletes a pod', { skip }, async ({ signal }) => {
  await using cluster = await open(signal);
  const { ok, run } = cluster;
  assert.equal(await ok('apply -f -', manifest('nginx:1')), 'pod/web created\n');
  assert.equal(await ok('apply -f -', manifest('nginx:1')), 'pod/web unchanged\n');
  const difference = await run('diff -f -', manifest('nginx:2'));
  assert.equal(difference.code, 1);
  assert.match(difference.out, /^\+ {2}- image: nginx:2$/m);
  assert.equal(await ok('apply -f -', manifest('nginx:2')), 'pod/web configured\n');
  assert.match(await ok('get pods -o wide'), /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE .*\nweb +0\/1 +Pending /);
  assert.equal(await ok('get pod web -o jsonpath={.spec.containers[0].image}'), 'nginx:2');
  assert.match(await ok('describe pod web'), /^Service Account: +default$/m);
  assert.equal(await ok('label pod web tier=front'), 'pod/web labeled\n');
  assert.equal(await ok('get pods -l tier=front -o name'), 'pod/web\n');
  assert.equal(await ok('get pods --field-selector status.phase=Pending -o name'), 'pod/web\n');
  assert.match(await ok('delete pod web'), /pod "web" deleted/);
  assert.match((await run('get pod web')).err, /Error from server \(NotFound\): pods "web" not found/);
});

test('kubectl create sends protobuf and gets what it made', { skip }, async ({ signal }) => {
  await using cluster = await open(signal);
  const { ok, run } = cluster;
  assert.equal(await ok('create namespace team'), 'namespace/team created\n');
  assert.equal(await ok('create deployment web --image=nginx --replicas=3'), 'deployment.apps/web created\n');
  assert.equal(await ok('create configmap settings --from-literal=a=b'), 'configmap/settings created\n');
  assert.equal(await ok('create secret generic key --from-literal=a=b'), 'secret/key created\n');
  assert.equal(await ok('create job once --image=busybox'), 'job.batch/once created\n');
  assert.match((await run('create configmap settings')).err, /configmaps "settings" already exists/);
  assert.match((await run('-n nowhere create configmap x')).err, /namespaces "nowhere" not found/);
  assert.equal(await ok('scale deployment web --replicas=5'), 'deployment.apps/web scaled\n');
  assert.equal(await ok('set image deployment web nginx=nginx:2'), 'deployment.apps/web image updated\n');
  assert.equal(await ok('get deployment web -o jsonpath={.spec.replicas}-{.metadata.generation}'), '5-3');
  assert.match(await ok('expose deployment web --port=80 --type=NodePort'), /service\/web exposed/);
  assert.match(await ok('get service web'), /web +NodePort +10\.\d+\.\d+\.\d+ +<none> +80:3\d{4}\/TCP/);
  assert.equal(await ok('auth can-i create pods'), 'yes\n');
  assert.match(await ok('auth whoami'), /Username +admin/);
});

test('kubectl is told about unknown fields, by name', { skip }, async ({ signal }) => {
  await using cluster = await open(signal);
  const { err } = await cluster.run('create -f -', manifest('nginx').replace('spec: {', 'spec: {colour: red, '));
  assert.match(err, /strict decoding error: unknown field "spec.colour"/);
});

test('kubectl explains, lists resources and tells versions', { skip }, async ({ signal }) => {
  await using cluster = await open(signal);
  assert.match(await cluster.ok('explain pod.spec.containers.image'), /FIELD: image <string>/);
  assert.match(await cluster.ok('api-resources'), /^deployments +deploy +apps\/v1 +true +Deployment$/m);
  assert.match((await cluster.run('version')).out, /Server Version: v1\.35\.0\+tutti/);
});

test('a deleted namespace takes nothing new in', { skip }, async ({ signal }) => {
  await using cluster = await open(signal);
  await cluster.ok('create namespace team');
  await cluster.ok('delete namespace team --wait=false');
  assert.match(await cluster.ok('get namespace team'), /team +Terminating/);
  assert.match((await cluster.run('-n team create configmap x')).err, /because it is being terminated/);
  assert.match((await cluster.run('delete namespace default')).err, /this namespace may not be deleted/);
});
