import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { outcomeOf } from './support/command.ts';
import { unless } from './support/needs.ts';
import { freePort, Tutti } from './support/tutti.ts';
import { until } from './support/until.ts';

const image = 'docker-test:1';
/** Ends at once and cleanly when asked to, as a server would. */
const server = 'trap "exit 0" TERM; echo serving; while true; do sleep 0.05; done';

describe(
  'the docker CLI on a cluster',
  { skip: unless('root', 'containerd', 'cni', 'nft', 'docker', 'kubectl') },
  () => {
    let tutti: Tutti;
    const docker = (...args: string[]) => tutti.docker(args);
    const failing = async (...args: string[]) => {
      const outcome = await tutti.dockerOutcome(args);
      assert.notEqual(outcome.code, 0, `docker ${args.join(' ')} should fail`);
      return outcome;
    };
    const state = async (name: string) =>
      (await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name)).trim();
    /** Runs docker on a terminal of its own and types `input`. */
    const onTerminal = (args: string, input: string) =>
    outcomeOf('script', ['-qec', `docker -H unix://${path.join(tutti.dataDir, 'docker.sock')} ${args}`, '/dev/null'], { input, timeoutMs: 20_000 }); // prettier-ignore

    before(async () => {
      tutti = await Tutti.up(['--dialect', 'docker']);
      await tutti.busyboxImage(image);
    });
    after(async () => tutti?.[Symbol.asyncDispose]());

    test('version and info tell what serves them', async () => {
      assert.match(await docker('version'), /Server: Tutti[\s\S]*API version: +1\.50 \(minimum version 1\.40\)/);
      const info = await docker('info');
      assert.match(info, /Swarm: inactive/);
      assert.match(info, /Nodes: 1/);
      assert.equal(statSync(path.join(tutti.dataDir, 'docker.sock')).mode & 0o777, 0o660);
    });

    test('run shows both outputs to the last byte and ends with the exit code of the command', async () => {
      const outcome = await tutti.dockerOutcome([
        'run',
        '--rm',
        image,
        'sh',
        '-c',
        'echo out; echo err >&2; printf end; exit 3',
      ]);
      assert.deepEqual(outcome, { code: 3, stdout: 'out\nend', stderr: 'err\n' });
      await until('the container is removed', async () => (await docker('ps', '-aq')) === '');
    });

    test('run -i hands its input on and ends with it', async () => {
      const lines = Array.from({ length: 2000 }, (_, index) => `line ${index}\n`).join('');
      const { code, stdout } = await tutti.dockerOutcome(['run', '--rm', '-i', image, 'cat'], { input: lines });
      assert.deepEqual([code, stdout], [0, lines]);
    });

    test('run -it is a terminal that one can type into', async () => {
      const { code, stdout } = await onTerminal(`run --rm -it ${image} sh`, 'tty; echo $((40+2)); exit 5\n');
      assert.match(stdout, /\/dev\/pts\/0\r\n42\r\n/);
      assert.equal(code, 5);
    });

    test('run -d with ports, variables, volumes and a name makes a pod that kubectl sees', async () => {
      const dir = mkdtempSync(path.join(tmpdir(), 'tutti-bind-'));
      const port = await freePort();
      try {
        writeFileSync(path.join(dir, 'index.html'), 'from the host');
        const id = (await docker('run', '-d', '--name', 'web', '-p', `${port}:80`, '-e', 'GREETING=$(PATH) hi', '-v', `${dir}:/www:ro`, '--label', 'tier=front', '--label', 'odd=x y', image, 'httpd', '-f', '-h', '/www')).trim(); // prettier-ignore
        assert.match(id, /^[0-9a-f]{64}$/);
        const answer = await until('the port answers', async () => (await fetch(`http://127.0.0.1:${port}/`)).text());
        assert.equal(answer, 'from the host');
        const [row] = (await docker('ps', '--format', '{{.Names}} {{.Image}} {{.State}} {{.Ports}}'))
          .trim()
          .split('\n');
        assert.match(row ?? '', new RegExp(`^web ${image} running .*:${port}->80/tcp$`));
        assert.equal(await tutti.kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.status.phase} {.metadata.labels.tier}']), 'Running front'); // prettier-ignore
        assert.equal(await docker('exec', 'web', 'sh', '-c', 'echo "$GREETING"'), '$(PATH) hi\n');
        const [found] = JSON.parse(await docker('inspect', 'web')) as { Id: string; Config: { Labels: object }; HostConfig: { Binds: string[] } }[]; // prettier-ignore
        assert.equal(found?.Id, id);
        assert.deepEqual(found?.Config.Labels, { tier: 'front', odd: 'x y' });
        assert.deepEqual(found?.HostConfig.Binds, [`${dir}:/www:ro`]);
        assert.equal((await docker('ps', '-q', '--no-trunc', '--filter', 'label=odd=x y')).trim(), id);
        assert.equal((await docker('inspect', '-f', '{{.Name}}', id.slice(0, 12))).trim(), '/web');
        await docker('rm', '-f', 'web');
        assert.equal(await tutti.kubectl(['get', 'pods', '-o', 'name']), '');
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });

    test('a container is created, started, stopped, started again, killed and removed, and stays listed in between', async () => {
      const id = (await docker('create', '--name', 'life', image, 'sh', '-c', server)).trim();
      assert.equal(await state('life'), 'created 0');
      await docker('start', 'life');
      assert.equal(await state('life'), 'running 0');
      const waiting = docker('wait', 'life');
      assert.equal(await docker('stop', '-t', '5', 'life'), 'life\n');
      assert.equal((await waiting).trim(), '0');
      assert.equal(await state('life'), 'exited 0');
      assert.match(await docker('ps', '-a', '--filter', 'name=life', '--format', '{{.Status}}'), /^Exited \(0\) /);
      assert.equal(await docker('ps', '-q'), '');
      await docker('start', 'life');
      assert.equal((await docker('inspect', '-f', '{{.Id}}', 'life')).trim(), id);
      assert.match((await failing('rm', 'life')).stderr, /cannot remove container "life": container is running/);
      await docker('kill', '-s', 'TERM', 'life');
      await until('the signal has ended it', async () => (await state('life')) === 'exited 0');
      await docker('start', 'life');
      await docker('kill', 'life');
      assert.equal(await state('life'), 'exited 137');
      await docker('rm', 'life');
      assert.match((await failing('inspect', 'life')).stderr, /No such object: life/);
    });

    test('stop kills what ignores its signal once the time is up', async () => {
      await docker('run', '-d', '--name', 'deaf', image, 'sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done');
      const began = performance.now();
      await docker('stop', '-t', '1', 'deaf');
      assert.ok(performance.now() - began < 8_000);
      assert.equal(await state('deaf'), 'exited 137');
      await docker('rm', 'deaf');
    });

    test('logs follow to the end, with times, a tail and a beginning', async () => {
      await docker('run', '-d', '--name', 'talker', image, 'sh', '-c', 'for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.2; done'); // prettier-ignore
      const followed = await tutti.dockerOutcome(['logs', '-f', 'talker']);
      assert.deepEqual([followed.stdout, followed.stderr], ['out 1\nout 2\nout 3\n', 'err 1\nerr 2\nerr 3\n']);
      const tail = await tutti.dockerOutcome(['logs', '--tail', '2', 'talker']);
      assert.deepEqual([tail.stdout, tail.stderr], ['out 3\n', 'err 3\n']);
      assert.match(await docker('logs', '-t', 'talker'), /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z out \d\n){3}$/);
      assert.equal(await docker('logs', '--since', '2100-01-01T00:00:00Z', 'talker'), '');
      await docker('rm', 'talker');
    });

    test('exec runs commands with their own output, input, exit code and terminal', async () => {
      await docker('run', '-d', '--name', 'box', image, 'sh', '-c', server);
      const { code, stdout, stderr } = await tutti.dockerOutcome([
        'exec',
        'box',
        'sh',
        '-c',
        'echo o; echo e >&2; exit 9',
      ]);
      assert.deepEqual([code, stdout, stderr], [9, 'o\n', 'e\n']);
      assert.equal((await tutti.dockerOutcome(['exec', '-i', 'box', 'cat'], { input: 'typed' })).stdout, 'typed');
      assert.equal(await docker('exec', '-e', 'A=b c', '-w', '/tmp', 'box', 'sh', '-c', 'echo $PWD $A'), '/tmp b c\n');
      const terminal = await onTerminal('exec -it box sh', 'tty; exit 4\n');
      assert.match(terminal.stdout, /\/dev\/pts\/\d/);
      assert.equal(terminal.code, 4);
      const missing = await tutti.dockerOutcome(['exec', 'box', 'no-such-program']);
      assert.equal(missing.code, 127);
      assert.match(
        (await failing('exec', '-u', 'nobody', 'box', 'id')).stderr,
        /Tutti's Docker API does not have docker exec --user/,
      );
      await docker('rm', '-f', 'box');
      assert.match((await failing('exec', 'box', 'true')).stderr, /No such container: box/);
    });

    test("docker sees every container of the cluster, also kubectl's", async () => {
      await tutti.apply(`
apiVersion: v1
kind: Pod
metadata: { name: pair, labels: { app: pair } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - { name: one, image: "${image}", command: [sh, -c, "echo from one; sleep 1000"] }
    - { name: two, image: "${image}", command: [sleep, "1000"] }
`);
      await tutti.kubectl(['wait', '--for=condition=Ready', 'pod/pair', '--timeout=20s']);
      assert.deepEqual((await docker('ps', '--format', '{{.Names}}', '--filter', 'label=app=pair')).trim().split('\n').toSorted(), ['pair_one', 'pair_two']); // prettier-ignore
      await until('its log is there', async () => (await docker('logs', 'pair_one')) === 'from one\n');
      assert.equal((await docker('exec', 'pair_two', 'hostname')).trim(), 'pair');
      assert.match((await failing('stop', 'pair_one')).stderr, /shares pod "default\/pair" with others/);
      await tutti.kubectl(['delete', 'pod', 'pair']);
    });

    test('events tell the life of a container', async () => {
      // The client may be slow to connect: with a beginning, it is told what it has missed.
      const since = `${Math.floor(Date.now() / 1000)}`;
      const child = spawn('docker', ['-H', `unix://${path.join(tutti.dataDir, 'docker.sock')}`, 'events', '--since', since, '--filter', 'container=seen', '--format', '{{.Action}} {{.Actor.Attributes.exitCode}}']); // prettier-ignore
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      try {
        await docker('run', '-d', '--name', 'seen', image, 'sh', '-c', server);
        await docker('stop', 'seen');
        await docker('rm', 'seen');
        const lines = ['create', 'start', 'die 0', 'stop', 'destroy'];
        const actions = (output: string) => output.split('\n').map((line) => line.replace('<no value>', '').trim()).filter((line) => line !== ''); // prettier-ignore
        await until('the destroy event', () => actions(text).includes('destroy'));
        assert.deepEqual(actions(text), lines);
        const past = await docker('events', '--since', since, '--until', `${Math.floor(Date.now() / 1000) + 1}`, '--filter', 'container=seen', '--format', '{{.Action}}'); // prettier-ignore
        assert.deepEqual(actions(past), ['create', 'start', 'die', 'stop', 'destroy']);
      } finally {
        child.kill();
      }
    });

    test('images lists what nodes have; a pull that fails says why', async () => {
      await until('the node has reported its image', async () => (await docker('images', '--format', '{{.Repository}}:{{.Tag}}')).includes(image), 60_000); // prettier-ignore
      const { code, stderr } = await failing('pull', 'registry.invalid/nothing:1');
      assert.equal(code, 1);
      assert.match(stderr, /registry\.invalid\/nothing:1/);
      const run = await failing('run', 'registry.invalid/nothing:1');
      assert.match(run.stderr, /Unable to find image 'registry\.invalid\/nothing:1' locally/);
      assert.equal(run.code, 125);
      assert.equal(await tutti.kubectl(['get', 'pods', '-o', 'name']), '');
    });

    test('what is wrong is refused by name, and nothing changes', async () => {
      const port = await freePort();
      await docker('run', '-d', '--name', 'first', '-p', `${port}:80`, image, 'sh', '-c', server);
      const table: [args: string[], message: RegExp][] = [
        [
          ['run', '-d', '--name', 'first', image, 'true'],
          /Conflict\. The container name "\/first" is already in use by container "[0-9a-f]{64}"/,
        ],
        [['run', '-d', '--name', 'a b', image, 'true'], /Invalid container name \(a b\), only \[a-zA-Z0-9\]/],
        [['create', '--device', '/dev/null', image], /does not have HostConfig\.Devices \(--device\)/],
        [['create', '--init', image], /does not have HostConfig\.Init \(--init\)/],
        [['create', '-v', 'data:/data', image], /does not have named volumes \("data"\)/],
        [['create', '--network', 'none', image], /does not have containers without a network/],
        [['create', '--user', 'nobody', image], /users and groups by name/],
        [['stop', 'nosuch'], /No such container: nosuch/],
        [['logs', 'nosuch'], /No such container: nosuch/],
        [['network', 'ls'], /Tutti's Docker API does not have GET \/networks/],
        [['service', 'ls'], /This node is not a swarm manager/],
        [['ps', '--filter', 'nonsense=1'], /invalid filter 'nonsense'/],
      ];
      for (const [args, message] of table) assert.match((await failing(...args)).stderr, message, args.join(' '));
      const taken = await failing('run', '-d', '--name', 'second', '-p', `${port}:80`, image, 'true');
      assert.match(taken.stderr, /port is already allocated/);
      assert.equal(await state('second'), 'created 128');
      const missing = await failing('run', '--name', 'third', image, 'no-such-program');
      assert.equal(missing.code, 127);
      assert.match(missing.stderr, /no-such-program/);
      await docker('rm', '-f', 'first', 'second', 'third');
      assert.equal(await docker('ps', '-aq'), '');
    });
  },
);
