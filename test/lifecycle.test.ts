import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { outcomeOf, run } from './support/command.ts';
import { unless } from './support/needs.ts';
import { RawApi } from './support/api.ts';
import { freePort, tutti, Tutti } from './support/tutti.ts';

let place: string;
before(() => {
  place = mkdtempSync(path.join(tmpdir(), 'tutti-lifecycle-'));
});
after(() => rmSync(place, { recursive: true, force: true }));

const succeeds = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await tutti(args, { timeoutMs: 60_000 });
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  return stdout;
};

test('"tutti up --detach" returns when ready, "down" ends it, and a second "up" goes on where it stopped', async () => {
  const dataDir = path.join(place, 'detached');
  const up = ['up', '--sim', '--nodes', '2', '--detach', '--data-dir', dataDir, '--port', `${await freePort()}`];
  try {
    assert.match(await succeeds(...up), /^ready in .*: https:\/\/127\.0\.0\.1:\d+ {2}KUBECONFIG=.*\/kubeconfig$/m);
    const kubeconfig = path.join(dataDir, 'kubeconfig');
    const identity = readFileSync(kubeconfig, 'utf8');
    {
      using api = await RawApi.open(kubeconfig);
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' }, data: { a: '1' } };
      await api.json('POST', '/api/v1/namespaces/default/configmaps', body);
    }
    const { pid } = JSON.parse(await succeeds('status', '-o', 'json', '--data-dir', dataDir)) as { pid: number };
    assert.match(await succeeds('down', '--data-dir', dataDir), /✔ Server/);
    // A zombie, where nobody reaps, has no command line.
    const left = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    assert.equal(left, '', 'the server is still there');

    await succeeds(...up);
    assert.equal(readFileSync(kubeconfig, 'utf8'), identity, 'the identity of the cluster has changed');
    using api = await RawApi.open(kubeconfig);
    const { data } = await api.json<{ data: object }>('GET', '/api/v1/namespaces/default/configmaps/kept');
    assert.deepEqual(data, { a: '1' });
    const status = await succeeds('status', '--data-dir', dataDir);
    assert.match(status, /^server {3}https:.*\(pid \d+, up .*\)$/m);
    assert.match(status, /^sim-\d+ +True +0/m);
  } finally {
    await succeeds('reset', '--yes', '--data-dir', dataDir);
  }
});

test('a server that is asked to end while clients watch it ends at once', async () => {
  await using cluster = await Tutti.up(['--sim', '--nodes', '0']);
  using api = await RawApi.open(cluster.kubeconfig);
  const watch = api.send('GET', '/api/v1/pods?watch=1&timeoutSeconds=60').catch(() => undefined);
  await api.json('GET', '/api/v1/pods');
  const asked = performance.now();
  await cluster.kill('SIGTERM');
  await watch;
  assert.ok(performance.now() - asked < 5_000, 'it took more than 5 s');
});

const others = `apiVersion: v1
kind: Config
current-context: work
clusters:
- {name: work, cluster: {server: "https://work.example:6443"}}
contexts:
- {name: work, context: {cluster: work, user: me, namespace: team}}
users:
- {name: me, user: {token: secret}}
`;

test('"tutti kubeconfig --merge" keeps what the file had, and a copy of it', { skip: unless('kubectl') }, async () => {
  await using cluster = await Tutti.up(['--sim', '--nodes', '0']);
  const home = path.join(place, 'home');
  mkdirSync(home);
  const file = path.join(home, 'config');
  writeFileSync(file, others, { mode: 0o600 });
  const env = { KUBECONFIG: file, HOME: home };
  const merge = () => tutti(['kubeconfig', '--merge', '--data-dir', cluster.dataDir], { env });

  const { code, stdout } = await merge();
  assert.equal(code, 0);
  const [, copy] = /^.* has the context "tutti" \(a copy of the file before: (.*)\)$/m.exec(stdout) ?? [];
  assert.equal(readFileSync(copy!, 'utf8'), others);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const contexts = async () =>
    (await run('kubectl', ['config', 'get-contexts', '-o', 'name'], { env })).trim().split('\n');
  assert.deepEqual(await contexts(), ['tutti', 'work']);
  const view = JSON.parse(await run('kubectl', ['config', 'view', '--raw', '-o', 'json'], { env })) as {
    users: readonly { name: string; user: { token?: string } }[];
  };
  assert.equal(view.users.find(({ name }) => name === 'me')?.user.token, 'secret');
  const ask = await outcomeOf('kubectl', ['--context', 'tutti', 'get', '--raw', '/livez'], { env });
  assert.deepEqual(ask, { code: 0, stdout: 'ok', stderr: '' });

  await merge();
  assert.deepEqual(await contexts(), ['tutti', 'work']);

  writeFileSync(file, 'no: [yaml');
  const damaged = await merge();
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, new RegExp(`^✗ ${file} was left as it is\\. Cannot merge .*\n {2}→ mend that file`));
  assert.equal(readFileSync(file, 'utf8'), 'no: [yaml');
  assert.equal(
    readdirSync(home).some((name) => name.endsWith('.tmp')),
    false,
  );
});
