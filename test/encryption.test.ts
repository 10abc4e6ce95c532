import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { RawApi } from './support/api.ts';
import { freePort, tutti, Tutti } from './support/tutti.ts';

const simulated = ['--sim', '--nodes', '0'];
const secrets = '/api/v1/namespaces/default/secrets';
const count = 60;
const canary = 'CANARY-aVeryPrivateThing';
const encoded = (i: number) => Buffer.from(`${canary}-${i}`).toString('base64');
/** What every encoding of a canary holds: the text itself, and the part of its base64 that depends on nothing behind. */
const needles = [canary, Buffer.from(canary).toString('base64').slice(0, 24)];

function filesWith(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => needles.some((needle) => readFileSync(file).includes(needle)));
}

interface Status {
  readonly keys: readonly string[];
  readonly rewriting: boolean;
  readonly values: readonly {
    readonly plain: number;
    readonly sealed: Readonly<Record<string, number>>;
    readonly unreadable: number;
  }[];
}

async function json<T>(cluster: Tutti, ...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await tutti([...args, '--data-dir', cluster.dataDir, '-o', 'json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

async function expectAll(cluster: Tutti): Promise<void> {
  using api = await RawApi.open(cluster.kubeconfig);
  const { body } = await api.send('GET', secrets);
  const values = (body as { items: readonly { data: { v: string } }[] }).items.map(({ data }) => data.v);
  assert.deepEqual(values.toSorted(), Array.from({ length: count }, (_, i) => encoded(i)).toSorted());
}

test('Secrets are encrypted from the first start on, and their keys are changed, lost and found', async (t) => {
  await using cluster = await Tutti.up(simulated);
  const keyFile = path.join(cluster.dataDir, 'encryption', 'keys.json');
  {
    using api = await RawApi.open(cluster.kubeconfig);
    for (let i = 0; i < count; i++) {
      const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: `s${i}` }, data: { v: encoded(i) } };
      assert.equal((await api.send('POST', secrets, body)).code, 201);
    }
  }

  await t.test('no file of the data directory holds any of them', async () => {
    assert.deepEqual(filesWith(cluster.dataDir), []);
    assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  });

  await t.test('rotate brings them all under a new key, and survives kill -9 in its middle', async () => {
    const before = await json<Status>(cluster, 'encryption', 'status');
    assert.deepEqual(
      before.values.map(({ plain, sealed, unreadable }) => ({ plain, sealed, unreadable })),
      [{ plain: 0, sealed: { [before.keys[0]!]: count }, unreadable: 0 }],
    );
    const interrupted = json(cluster, 'encryption', 'rotate').catch(() => undefined);
    const started = () => readFileSync(keyFile, 'utf8').split('"name"').length > 2;
    while (!started()) await new Promise((resolve) => setImmediate(resolve));
    await cluster.kill('SIGKILL');
    await interrupted;
    await cluster.start();
    await expectAll(cluster);
    await json(cluster, 'encryption', 'rotate');
    const after = await json<Status>(cluster, 'encryption', 'status');
    assert.notEqual(after.keys[0], before.keys[0]);
    assert.deepEqual([after.rewriting, after.values[0]?.sealed], [false, { [after.keys[0]!]: count }]);
    await expectAll(cluster);
    assert.deepEqual(filesWith(cluster.dataDir), []);
  });

  await t.test(
    'without its key file, or with one that others may read, the server does not start, and says why',
    async () => {
      await cluster.kill('SIGTERM');
      const up = async (...more: readonly string[]) => {
        const args = ['up', '--data-dir', cluster.dataDir, '--port', `${await freePort()}`, ...simulated, ...more];
        const { code, stderr } = await tutti(args, { timeoutMs: 30_000 });
        assert.equal(code, 1);
        return stderr;
      };
      renameSync(keyFile, `${keyFile}.away`);
      assert.match(
        await up(),
        /^✗ The key file .*keys\.json is gone, and the store holds values encrypted with its keys\. Put it back/,
      );
      renameSync(`${keyFile}.away`, keyFile);
      chmodSync(keyFile, 0o644);
      assert.match(await up(), /is open to others \(mode 644\)\. Close it with "chmod 600 /);
      chmodSync(keyFile, 0o600);
      await cluster.start();
      await expectAll(cluster);
    },
  );
});
