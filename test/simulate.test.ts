import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { unless } from './support/needs.ts';
import { Tutti, tutti } from './support/tutti.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tutti-simulate-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function traceFile(name: string, ...lines: readonly object[]): Promise<string> {
  const file = path.join(folder, name);
  const all = [{ trace: 'tutti.dev/trace/1' }, ...lines];
  await writeFile(file, all.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

const web = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: { containers: [{ name: 'main', image: 'web:1', resources: { requests: { cpu: '3' } } }] },
};
const nodes = { at: 0, do: 'nodes', count: 2, cpu: '4', memory: '8Gi', namePrefix: 'far-' };

test('what the generator prints is played, and the exit code says whether all pods found a node', async () => {
  const made = await tutti(['simulate', 'generate', '--nodes', '5', '--pods', '20', '--seconds', '10', '--seed', '3']);
  assert.equal(made.code, 0, made.stderr);
  const file = path.join(folder, 'made.jsonl');
  await writeFile(file, made.stdout);
  const played = await tutti(['simulate', 'run', file, '--scoring', 'BinPack']);
  assert.equal(played.code, 0, played.stderr);
  assert.match(played.stdout, /^20 pods on 5 nodes in 369 s; \d+ pods ended$/m);

  const tooMuch = await traceFile('too-much.jsonl', nodes, { at: 0, do: 'create', count: 3, object: web });
  const refused = await tutti(['simulate', 'run', tooMuch]);
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stdout, /1 pods have no node:\n {2}default\/web-3\n {4}2 nodes: Insufficient cpu$/m);
});

test('a trace that cannot be read ends with 255 and says which line is wrong', async () => {
  const file = await traceFile('bad.jsonl', nodes, { at: 0, do: 'explode' });
  const outcome = await tutti(['simulate', 'run', file]);
  assert.equal(outcome.code, 255);
  assert.match(outcome.stderr, /bad\.jsonl, line 3: "do" must be one of nodes, .* not "explode"/);
  const missing = await tutti(['simulate', 'run', path.join(folder, 'nothing.jsonl')]);
  assert.equal(missing.code, 255);
  assert.match(missing.stderr, /cannot be read: ENOENT/);
  const both = await tutti(['up', '--sim', '--nodes', '3', '--trace', file, '--data-dir', path.join(folder, 'data')]);
  assert.equal(both.code, 1);
  assert.match(both.stderr, /--trace names the nodes, so --nodes cannot count them\./);
});

test('a cluster in the machine’s time lives a trace, faster than it says', { skip: unless('kubectl') }, async () => {
  const trace = await traceFile(
    'live.jsonl',
    nodes,
    { at: 500, do: 'create', count: 2, object: web },
    { at: 1_000, do: 'nodes', count: 1, cpu: '2', memory: '8Gi', namePrefix: 'late-' },
  );
  await using cluster = await Tutti.up(['--sim', '--trace', trace, '--trace-speed', '1000']);
  const names = async (kind: string) => (await cluster.kubectl(['get', kind, '-o', 'name'])).trim().split('\n');
  for (const name of ['pod/web-1', 'pod/web-2', 'node/late-00001']) {
    await cluster.kubectl(['wait', '--for=create', '--timeout=30s', name]);
  }
  assert.deepEqual(await names('nodes'), ['node/far-00001', 'node/far-00002', 'node/late-00001']);
  assert.deepEqual(await names('pods'), ['pod/web-1', 'pod/web-2']);
});
