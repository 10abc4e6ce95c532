import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadKubeconfig } from './kubeconfig.ts';

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'tutti-kubeconfig-'));
  return {
    async file(name: string, content: string) {
      await writeFile(join(path, name), content);
      return join(path, name);
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const config = (user: string) => `
apiVersion: v1
kind: Config
current-context: here
clusters: [{ name: c, cluster: { server: 'https://h:6443', certificate-authority: ca.pem, tls-server-name: other } }]
users: [{ name: u, user: ${user} }]
contexts: [{ name: here, context: { cluster: c, user: u, namespace: team } }, { name: broken, context: { cluster: x } }]
`;

test('loadKubeconfig() finds the current context, with data in place or in files beside it', async () => {
  await using dir = await folder();
  await dir.file('ca.pem', 'CA');
  const file = await dir.file(
    'config',
    config(
      `{ client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}, as: eve, as-groups: [g] }`,
    ),
  );
  assert.deepEqual(await loadKubeconfig([`${file}.absent`, file]), {
    name: 'here',
    namespace: 'team',
    server: {
      url: 'https://h:6443',
      ca: 'CA',
      tlsServerName: 'other',
      cert: 'CERT',
      key: 'KEY',
      impersonate: { username: 'eve', groups: ['g'] },
    },
  });
});

test('the first file that has a name counts', async () => {
  await using dir = await folder();
  await dir.file('ca.pem', 'CA');
  const first = await dir.file('first', 'users: [{ name: u, user: { token: mine } }]');
  const second = await dir.file('second', config('{ token: theirs }'));
  const { server } = await loadKubeconfig([first, second]);
  assert.equal(server.token, 'mine');
});

test('a token file is read again each time it is needed', async () => {
  await using dir = await folder();
  await dir.file('ca.pem', 'CA');
  await dir.file('token', 'one\n');
  const { server } = await loadKubeconfig([await dir.file('config', config('{ tokenFile: token }'))]);
  const { token } = server;
  assert.ok(typeof token === 'function');
  assert.equal(await token(), 'one');
  await dir.file('token', 'two\n');
  assert.equal(await token(), 'two');
});

test('what is missing or not supported is named', async () => {
  await using dir = await folder();
  await dir.file('ca.pem', 'CA');
  const exec = await dir.file('exec', config('{ exec: { command: aws } }'));
  await assert.rejects(
    loadKubeconfig([exec]),
    /log in by "exec" are not supported; use a client certificate or a token/,
  );
  await assert.rejects(loadKubeconfig([exec], 'nope'), /no context "nope"; there are: here, broken/);
  await assert.rejects(loadKubeconfig([exec], 'broken'), /no cluster "x"; there are: c/);
  await assert.rejects(loadKubeconfig(['/nowhere/config']), /No kubeconfig found at \/nowhere\/config/);
  await assert.rejects(loadKubeconfig([await dir.file('bad', 'a: [')]), /bad is no valid YAML/);
});
