import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { unless } from './support/needs.ts';
import { freePort, tutti, Tutti } from './support/tutti.ts';
import { outcomeOf } from './support/command.ts';

const simulated = ['--sim', '--nodes', '0'];
const pretended =
  'Nodes are pretended, as --sim asks: pods are scheduled and reported as running, but there are no containers.\n';

let place: string;
before(() => {
  place = mkdtempSync(path.join(tmpdir(), 'tutti-errors-'));
});
after(() => rmSync(place, { recursive: true, force: true }));

/** `tutti up` that must fail: what it says, after the line about pretend nodes. */
async function upFails(dataDir: string, port: number, ...more: readonly string[]): Promise<string> {
  const args = ['up', '--data-dir', dataDir, '--port', `${port}`, ...simulated, ...more];
  const { code, stdout, stderr } = await tutti(args, { timeoutMs: 30_000 });
  assert.equal(code, 1);
  assert.equal(stdout, pretended);
  return stderr;
}

/** A command that must fail: what it says. */
async function fails(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tutti(args, { timeoutMs: 30_000 });
  assert.equal(code, 1, stderr);
  assert.equal(stdout, '');
  return stderr;
}

test('a data directory in use names the pid of its server, whatever way it is asked for', async () => {
  await using cluster = await Tutti.up(simulated);
  const { pid } = JSON.parse(readFileSync(path.join(cluster.dataDir, 'server.json'), 'utf8')) as { pid: number };
  assert.equal(
    await upFails(cluster.dataDir, await freePort()),
    `✗ The data directory ${cluster.dataDir} is in use by the Tutti server with pid ${pid}. ` +
      `Stop it with "tutti down --data-dir ${cluster.dataDir}", or choose another --data-dir.\n`,
  );
  const again = await tutti(['up', '--detach', '--data-dir', cluster.dataDir, ...simulated]);
  assert.deepEqual(again, {
    code: 0,
    stdout: `${pretended}A server with pid ${pid} already runs on ${cluster.dataDir}.\n`,
    stderr: '',
  });
  assert.equal(await cluster.kubectl(['get', '--raw', '/livez']), 'ok');

  const other = path.join(place, 'port');
  const taken = `Port ${cluster.port} is taken: see who has it with "ss -ltnp sport = :${cluster.port}", or choose another --port.`;
  assert.equal(await upFails(other, cluster.port), `✗ ${taken}\n`);
  const detached = await upFails(other, cluster.port, '--detach');
  assert.equal(detached, `✗ ${taken}\n  → all it said is in ${other}/logs/up.log, its log beside it\n`);
});

test('of two "tutti up" at once on the same data, one runs and the other says so', async () => {
  const dataDir = path.join(place, 'two');
  const outcomes = await Promise.all(
    [await freePort(), await freePort()].map(
      (port) =>
        new Promise<{ ready: boolean; output: string; end: () => Promise<unknown> }>((resolve) => {
          const program = path.join(import.meta.dirname, '..', 'bin', 'tutti');
          const child = spawn(program, ['up', '--data-dir', dataDir, '--port', `${port}`, ...simulated]);
          let output = '';
          const end = () => (child.kill('SIGTERM') ? once(child, 'exit') : Promise.resolve());
          const read = (chunk: Buffer) => {
            output += chunk.toString();
            if (/^ready/m.test(output)) resolve({ ready: true, output, end });
          };
          child.stdout.on('data', read);
          child.stderr.on('data', read);
          child.on('close', () => resolve({ ready: false, output, end: () => Promise.resolve() }));
        }),
    ),
  );
  await Promise.all(outcomes.map(({ end }) => end()));
  assert.equal(outcomes.filter(({ ready }) => ready).length, 1);
  assert.match(outcomes.find(({ ready }) => !ready)?.output ?? '', /is in use by the Tutti server with pid \d+/);
});

test('data of a newer Tutti, damaged data and a directory of other things are refused and left alone', async () => {
  const dataDir = path.join(place, 'newer');
  mkdirSync(dataDir);
  const layout = path.join(dataDir, 'layout.json');
  const port = await freePort();
  writeFileSync(layout, '{"version":2,"writtenBy":"9.0.0"}');
  assert.equal(
    await upFails(dataDir, port),
    `✗ The data directory ${dataDir} has layout version 2, written by Tutti 9.0.0; this Tutti knows versions up to 1. Start it with that Tutti or a newer one, or choose another --data-dir.\n`,
  );
  writeFileSync(layout, 'garbage');
  assert.equal(await upFails(dataDir, port), `✗ ${layout} is damaged: it should hold {"version":1}\n`);

  writeFileSync(layout, '{"version":1,"writtenBy":"0.1.0"}');
  const database = path.join(dataDir, 'state.db');
  {
    using db = new DatabaseSync(database);
    db.exec('PRAGMA user_version = 99');
  }
  assert.equal(
    await upFails(dataDir, port),
    `✗ ${database} has schema version 99, which is newer than the 1 this Tutti knows: start it with the Tutti that wrote it (or a newer one)\n`,
  );
  writeFileSync(database, 'certainly no database');
  assert.equal(await upFails(dataDir, port), `✗ Cannot open the database ${database}: file is not a database\n`);
  assert.equal(readFileSync(database, 'utf8'), 'certainly no database');

  const thesis = path.join(place, 'thesis');
  mkdirSync(thesis);
  writeFileSync(path.join(thesis, 'chapter-1.txt'), 'years of work');
  const others = `The directory ${thesis} has other things in it`;
  assert.equal(await upFails(thesis, port), `✗ ${others}: choose an empty --data-dir, or a new one.\n`);
  assert.equal(await upFails(thesis, port, '--detach'), `✗ ${others}: choose an empty --data-dir, or a new one.\n`);
  assert.match(await fails('reset', '--yes', '--data-dir', thesis), /is not the data directory of a cluster/);
  assert.equal(readFileSync(path.join(thesis, 'chapter-1.txt'), 'utf8'), 'years of work');
  assert.equal(
    await upFails(path.join(thesis, 'chapter-1.txt'), port),
    `✗ ${path.join(thesis, 'chapter-1.txt')} is no directory: choose another --data-dir.\n`,
  );
});

test('a data directory that cannot be made is refused by name', { skip: unless('root') }, async () => {
  const port = await freePort();
  assert.equal(
    await upFails('/proc/tutti/data', port),
    '✗ The data directory /proc/tutti/data cannot be written (ENOENT): choose another --data-dir.\n',
  );
  const mountPoint = path.join(place, 'read-only');
  mkdirSync(mountPoint);
  const script = 'mount -t tmpfs -o ro tmpfs "$1" && exec "$2" up --sim --data-dir "$1/data" --port "$3"';
  const program = path.join(import.meta.dirname, '..', 'bin', 'tutti');
  const { code, stderr } = await outcomeOf('unshare', ['-m', 'sh', '-c', script, 'sh', mountPoint, program, `${port}`]);
  assert.deepEqual(
    { code, stderr },
    {
      code: 1,
      stderr: `✗ The data directory ${mountPoint}/data cannot be written (EROFS): choose another --data-dir.\n`,
    },
  );
});

test('commands that need a server say that none runs, and how to start one', async () => {
  const dataDir = path.join(place, 'nobody');
  const none = `✗ No Tutti server runs on ${dataDir}.\n  → start one with "tutti up --data-dir ${dataDir}", or name another --data-dir\n`;
  for (const command of [['status'], ['why', 'pod/web'], ['image', 'ls']])
    assert.equal(await fails(...command, '--data-dir', dataDir), none);
  assert.equal(
    await fails('kubeconfig', '--data-dir', dataDir),
    `✗ There is no cluster in ${dataDir} yet.\n  → make one with "tutti up --data-dir ${dataDir}"\n`,
  );
  const down = await tutti(['down', '--data-dir', dataDir]);
  assert.equal(down.code, 0);
  assert.match(down.stdout, new RegExp(`Nothing of a cluster was running on ${dataDir}\\.`));
  assert.match(
    await fails('reset', '--data-dir', dataDir),
    /Nobody is here to confirm\.\n {2}→ say "tutti reset --yes/,
  );
  assert.equal(existsSync(dataDir), false);
});

test('wrong options and commands are refused with the range or the choices', async () => {
  const dir = ['--data-dir', path.join(place, 'options')];
  assert.match(await fails('up', ...dir, '--port', 'abc'), /--port must be a whole number from 0 to 65535, not "abc"/);
  assert.match(await fails('up', ...dir, '--nodes', '-1'), /--nodes must be a whole number from 0 to \d+, not "-1"/);
  assert.match(await fails('up', ...dir, '--dialect', 'esperanto'), /Allowed choices are docker/);
  assert.match(await fails('up', ...dir, '--bogus'), /unknown option '--bogus'/);
  assert.match(await fails('frobnicate'), /unknown command 'frobnicate'/);
  assert.match(await fails('status', ...dir, '-o', 'yaml'), /Allowed choices are json/);
  assert.match(await fails('why', ...dir), /missing required argument 'pod'/);
});

test('"tutti version" tells Tutti, API and Node, and the same as JSON', async () => {
  const { stdout } = await tutti(['version', '-o', 'json']);
  const { tutti: own, kubernetes, node } = JSON.parse(stdout) as Record<string, string>;
  assert.match(kubernetes ?? '', /^v1\.35\./);
  assert.equal((await tutti(['version'])).stdout, `tutti ${own}\nkubernetes API ${kubernetes}\nnode ${node}\n`);
  assert.equal((await tutti(['--version'])).stdout, `${own}\n`);
});

test('a scheduler configuration that cannot be used names file, field and way out, and nothing is started', async () => {
  const port = await freePort();
  const dataDir = path.join(place, 'scheduling');
  const file = path.join(place, 'scheduler.yaml');
  const failsWith = async (text: string) => {
    writeFileSync(file, text);
    return upFails(dataDir, port, '--scheduler-config', file);
  };
  const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
  const cannot = `✗ The scheduler configuration ${file} cannot be used: `;
  assert.equal(
    await upFails(dataDir, port, '--scheduler-config', `${file}.missing`),
    `✗ The scheduler configuration ${file}.missing cannot be used: ENOENT: no such file or directory, open '${file}.missing'\n`,
  );
  assert.match(await failsWith('profiles: ['), /cannot be used: the body is not valid YAML/);
  assert.equal(
    await failsWith(`${head}profiles: [{schedulerName: a}, {schedulerName: a, plugins: {scores: {}}}]\n`),
    `${cannot}profiles[1].plugins.scores: Forbidden: unknown field; known here are bind, filter, multiPoint, permit, postBind, postFilter, preBind, preEnqueue, preFilter, preScore, queueSort, reserve, score\n` +
      'profiles[1].schedulerName: Duplicate value: "a"\n',
  );
  assert.equal(
    await failsWith(`${head}extenders: [{urlPrefix: "http://127.0.0.1:80", filterVerb: filter}]\n`),
    `${cannot}extenders: Forbidden: HTTP extenders are not asked; take them out, and write a plugin under tuttiPlugins instead\n`,
  );
});

test('a scheduler plugin that cannot be used is named with its field, its file and its error', async () => {
  const port = await freePort();
  const file = path.join(place, 'plugins.yaml');
  const module = path.join(place, 'plugin.ts');
  const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
  const profile = 'profiles: [{plugins: {score: {enabled: [{name: Mine}]}}}]\n';
  writeFileSync(file, `${head}tuttiPlugins: [{name: Mine, module: ./plugin.ts}]\n${profile}`);
  const failsWith = async (text: string) => {
    writeFileSync(module, text);
    return upFails(path.join(place, 'plugins'), port, '--scheduler-config', file);
  };
  const cannot = `✗ The scheduler configuration ${file} cannot be used: `;
  assert.equal(
    await upFails(path.join(place, 'plugins'), port, '--scheduler-config', file),
    `${cannot}tuttiPlugins[0].module: there is no file ${module}\n`,
  );
  assert.equal(
    await failsWith('throw new TypeError("no racks here")'),
    `${cannot}tuttiPlugins[0].module: plugin "Mine": its module cannot be used: TypeError: no racks here (${module})\n`,
  );
  assert.equal(
    await failsWith('export default { filter: () => true };'),
    `${cannot}profiles[0].plugins.score.enabled[0].name: plugin "Mine" has no score; it has filter\n`,
  );
});

test('a server schedules as its --scheduler-config says', async () => {
  const file = path.join(place, 'pack.yaml');
  const packs =
    'pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}, {name: PodTopologySpread, args: {defaultingType: List}}]';
  writeFileSync(
    file,
    `apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nleaderElection: {leaderElect: true}\nprofiles: [{${packs}}]\n`,
  );
  await using cluster = await Tutti.up(['--sim', '--nodes', '3', '--scheduler-config', file]);
  await cluster.kubectl(['create', 'deployment', 'web', '--image=web:1', '--replicas=6']);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=20s']);
  const nodes = await cluster.kubectl(['get', 'pods', '-o', 'jsonpath={.items[*].spec.nodeName}']);
  assert.equal(new Set(nodes.split(' ')).size, 1, nodes);
  const log = readFileSync(path.join(cluster.dataDir, 'logs', 'server.log'), 'utf8');
  assert.match(log, /leaderElection is ignored/);
});
