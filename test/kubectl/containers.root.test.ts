import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { unless } from '../support/needs.ts';
import { Tutti, freePort } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { loadImages } from './images.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');
let cluster: Tutti;

before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up();
  await loadImages(cluster);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

const pair = `
apiVersion: v1
kind: Pod
metadata: { name: pair, labels: { app: pair } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - { name: web, image: web:1 }
    - name: talk
      image: box:1
      stdin: true
      command: [sh, -c, 'for i in 1 2 3; do echo line $i; done; while read l; do echo got $l; done; idle']
`;

/** A namespace with the pod `pair` running in it. */
async function withPair(namespace: string): Promise<Kubectl> {
  const kubectl = await Kubectl.in(cluster, namespace);
  await kubectl.fed(pair, 'apply -f -');
  await kubectl.ok('wait --for=condition=Ready pod/pair --timeout=30s');
  return kubectl;
}

test('kubectl logs prints, limits, stamps, follows and joins what containers wrote', { skip }, async () => {
  const kubectl = await withPair('logs');
  assert.equal(await kubectl.ok('logs pair -c talk'), 'line 1\nline 2\nline 3\n');
  assert.equal(await kubectl.ok('logs pair -c talk --tail=2'), 'line 2\nline 3\n');
  assert.equal(await kubectl.ok('logs pair -c talk --tail=0'), '');
  assert.equal(await kubectl.ok('logs pair -c talk --since=1h --limit-bytes=6'), 'line 1');
  assert.equal(await kubectl.ok('logs pair -c talk --since-time=2200-01-01T00:00:00Z'), '');
  assert.match(
    await kubectl.ok('logs pair -c talk --timestamps --tail=1'),
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line 3\n$/,
  );
  assert.match(await kubectl.ok('logs -l app=pair --all-containers --prefix'), /^\[pod\/pair\/talk\] line 1$/m);
  assert.match((await kubectl.outcome('logs pair')).stderr, /Defaulted container "web" out of: web, talk/);

  const wrong = await kubectl.outcome('logs pair -c none');
  assert.match(wrong.stderr, /container none is not valid for pod pair/);
  assert.equal(wrong.code, 1);

  await using follower = kubectl.start('logs -f pair -c talk --tail=1');
  await follower.printed(/^line 3\n/);
  await kubectl.fed('heard\n', 'attach -i pair -c talk');
  await follower.printed(/^line 3\ngot heard\n$/);
  await kubectl.ok('delete pod pair');
  assert.equal(await follower.end(), 0, 'following ends with the container');
});

test('kubectl logs --previous shows the run before, and logs -f ends with the last container', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'previous');
  const script = 'if [ -e /state/ran ]; then echo second; idle; else touch /state/ran; echo first; exit 3; fi';
  await kubectl.fed(
    `
apiVersion: v1
kind: Pod
metadata: { name: again }
spec:
  volumes: [{ name: state, emptyDir: {} }]
  containers: [{ name: c, image: box:1, command: [sh, -c, '${script}'], volumeMounts: [{ name: state, mountPath: /state }] }]
`,
    'apply -f -',
  );
  await kubectl.ok('wait pod/again --timeout=30s', '--for=jsonpath={.status.containerStatuses[0].restartCount}=1');
  assert.equal(await kubectl.ok('logs again --previous'), 'first\n');
  await until('the second run has spoken', async () => (await kubectl.ok('logs again')) === 'second\n');
  assert.match(await kubectl.ok('describe pod again'), /Last State: +Terminated\n +Reason: +Error\n +Exit Code: +3/);
});

test('kubectl exec runs commands: output, input, exit code, terminal', { skip }, async () => {
  const kubectl = await withPair('exec');
  const both = await kubectl.outcome('exec pair -c talk -- sh -c', ['echo out; echo err >&2; exit 7']);
  assert.deepEqual(both, { code: 7, stdout: 'out\n', stderr: 'err\ncommand terminated with exit code 7\n' });
  assert.equal(await kubectl.fed('a\nb\n', 'exec -i pair -c talk -- wc -l'), '2\n');
  assert.equal(await kubectl.ok('exec pair -c talk -- cat /proc/1/comm'), 'sh\n');
  assert.equal((await kubectl.ok('exec pair -c talk -- hostname')).trim(), 'pair');
  assert.equal(await kubectl.ok('exec pair -c talk -- wget -qO- http://localhost:8080/'), 'one\n', 'one network a pod');

  const terminal = await kubectl.onTerminal(
    'exec -it pair -c talk -- sh -c',
    'tty; until stty size 2>/dev/null | grep .; do :; done; exit 3',
  );
  assert.match(terminal.stdout, /\/dev\/pts\/\d+\n[^]*24 80\n/);
  assert.equal(terminal.code, 3);
  assert.match((await kubectl.onTerminal('exec pair -c talk -- tty')).stdout, /not a tty/);

  const missing = await kubectl.outcome('exec pair -c talk -- no-such-program');
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /no-such-program/);
  const nowhere = await kubectl.outcome('exec nobody -- true');
  assert.equal(nowhere.stderr, 'Error from server (NotFound): pods "nobody" not found\n');
});

test('kubectl cp carries files and folders both ways', { skip }, async () => {
  const kubectl = await withPair('cp');
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-cp-'));
  try {
    const bytes = randomBytes(2_000_000);
    mkdirSync(path.join(dir, 'folder'));
    writeFileSync(path.join(dir, 'folder', 'data'), bytes);
    writeFileSync(path.join(dir, 'folder', 'note'), 'note\n');
    await kubectl.ok('cp -c talk', path.join(dir, 'folder'), 'pair:/tmp/there');
    assert.equal(await kubectl.ok('exec pair -c talk -- cat /tmp/there/note'), 'note\n');
    await kubectl.ok('cp -c talk pair:/tmp/there/data', path.join(dir, 'back'));
    assert.ok(readFileSync(path.join(dir, 'back')).equals(bytes));
    await kubectl.ok('cp -c talk', path.join(dir, 'back'), 'pair:/tmp/again');
    assert.equal(await kubectl.ok('exec pair -c talk -- wc -c /tmp/again'), '2000000 /tmp/again\n');
    const nowhere = await kubectl.outcome('cp -c talk', [path.join(dir, 'nothing'), 'pair:/tmp/nothing']);
    assert.match(nowhere.stderr, /nothing doesn't exist in local filesystem/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('kubectl port-forward reaches pods, deployments and services', { skip }, async () => {
  const kubectl = await withPair('forward');
  await kubectl.ok('create deployment web --image=web:2');
  await kubectl.ok('expose deployment web --port=80 --target-port=8080');
  await kubectl.ok('rollout status deployment/web --timeout=30s');
  for (const [target, answer] of [
    ['pod/pair :8080', 'one\n'],
    ['deployment/web :8080', 'two\n'],
    ['service/web :80', 'two\n'],
  ] as const) {
    await using forward = kubectl.start(`port-forward ${target}`);
    const [, port] = await forward.printed(/Forwarding from 127\.0\.0\.1:(\d+) ->/);
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
      assert.equal(await response.text(), answer, target);
    }
  }
  const port = await freePort();
  await using closed = kubectl.start(`port-forward pod/pair ${port}:9`);
  await closed.printed(/Forwarding from/);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  await closed.printed(/refused/);
});

test('kubectl attach talks to the first process of a container', { skip }, async () => {
  const kubectl = await withPair('attach');
  await using attached = kubectl.start('attach -i pair -c talk');
  attached.type('hello\n');
  await attached.printed(/got hello/);
  attached.type('again\n');
  await attached.printed(/got again/);
  assert.match(await kubectl.ok('logs pair -c talk'), /got hello\ngot again\n$/);
});

test('kubectl run starts pods, and --rm -i takes their output, input and exit code', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'run');
  assert.equal(
    await kubectl.ok('run plain --image=web:1 --port=8080 --labels=a=b --env=GREETING=hi'),
    'pod/plain created\n',
  );
  await kubectl.ok('wait --for=condition=Ready pod/plain --timeout=30s');
  assert.equal(await kubectl.ok('exec plain -- sh -c', 'echo $GREETING'), 'hi\n');
  assert.equal(await kubectl.ok('get pods -l a=b -o name'), 'pod/plain\n');

  const echo = await kubectl.fed('input\n', 'run reader --rm -i --restart=Never --image=box:1 -- cat');
  assert.match(echo, /^input\npod "reader" deleted/m);
  assert.match(await kubectl.ok('run quick --rm -i --restart=Never --image=box:1 -- echo quick'), /^quick$/m);
  const failing = await kubectl.outcome('run fails --rm -i --restart=Never --image=box:1 -- sh -c', ['exit 9']);
  assert.equal(failing.code, 9);
  const terminal = await kubectl.onTerminal('run term --rm -it --restart=Never --image=box:1 -- sh -c', 'tty; exit 4');
  assert.match(terminal.stdout, /\/dev\/pts\/\d+\n/);
  assert.equal(terminal.code, 4);
  assert.equal(await kubectl.ok('get pods -o name'), 'pod/plain\n', '--rm leaves nothing');
  assert.match(await kubectl.ok('run dry --image=web:1 --dry-run=client -o yaml'), /^kind: Pod$/m);
  assert.match(await kubectl.ok('run dry --image=web:1 --dry-run=server -o name'), /pod\/dry/);
  assert.equal(await kubectl.ok('get pods -o name'), 'pod/plain\n', 'a dry run leaves nothing');
});

test('kubectl debug adds a container to a running pod, copies pods and enters the node', { skip }, async () => {
  const kubectl = await withPair('debug');
  await kubectl.ok('debug pair --image=box:1 -c look --target=web --profile=general -- idle');
  await kubectl.ok(
    'wait pod/pair --timeout=30s',
    '--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running}',
  );
  assert.match(await kubectl.ok('exec pair -c look -- ps'), /httpd -f -p 8080/, 'sees the processes of its target');
  assert.equal(await kubectl.ok('exec pair -c look -- wget -qO- http://localhost:8080'), 'one\n');
  assert.match(await kubectl.ok('describe pod pair'), /^Ephemeral Containers:\n +look:/m);
  assert.equal(await kubectl.value('{.status.containerStatuses[*].restartCount}', 'pod pair'), '0 0');

  const direct = await kubectl.fed('', 'debug pair --image=box:1 -i --profile=general -- echo from-debug');
  assert.match(direct, /^from-debug$/m);

  await kubectl.ok('debug pair --copy-to=copy --image=box:1 -c extra --profile=general -- idle');
  await kubectl.ok('wait --for=condition=Ready pod/copy --timeout=30s');
  assert.equal(await kubectl.value('{.spec.containers[*].name}', 'pod copy'), 'web talk extra');

  const node = await kubectl.value('{.items[0].metadata.name}', 'nodes');
  await kubectl.ok(`debug node/${node} --image=box:1 --profile=general -- idle`);
  const debugger_ = await until(
    'the node debugger',
    async () => /pod\/(node-debugger\S+)/.exec(await kubectl.ok('get pods -o name'))?.[1],
  );
  await kubectl.ok(`wait --for=condition=Ready pod/${debugger_} --timeout=30s`);
  const hostname = readFileSync('/proc/sys/kernel/hostname', 'utf8');
  assert.equal(await kubectl.ok(`exec ${debugger_} -- cat /host/proc/sys/kernel/hostname`), hostname);
});

test('kubectl top shows what nodes, pods and containers use', { skip }, async () => {
  const kubectl = await withPair('top');
  await kubectl.fed('', 'debug pair --image=box:1 -i --profile=general -- echo a container that ends and uses nothing');
  await kubectl.fed(
    `
apiVersion: v1
kind: Pod
metadata: { name: busy }
spec:
  terminationGracePeriodSeconds: 1
  containers: [{ name: spin, image: box:1, command: [sh, -c, 'while true; do :; done'], resources: { limits: { cpu: 300m } } }]
`,
    'apply -f -',
  );
  await kubectl.ok('wait --for=condition=Ready pod/busy --timeout=30s');
  const usage = await until('both pods are measured', async () => {
    const { stdout } = await kubectl.outcome('top pod --no-headers --sort-by=cpu');
    const match = /^busy +(\d+)m +\d+Mi *\npair +\d+m +\d+Mi *\n$/.exec(stdout);
    return match !== null && Number(match[1]) >= 100 && Number(match[1]);
  });
  assert.ok(usage < 500, `${usage}m of at most 300m`);
  assert.match(await kubectl.ok('top pod pair --containers'), /^pair +talk +\d+m +\d+Mi *$/m);
  assert.match(await kubectl.ok('top node --no-headers'), /^\S+ +\d+m +\d+% +[1-9]\d*Mi +\d+% *\n$/);
  assert.equal(await kubectl.value('{.items[0].window}', 'podmetrics').then((window) => window === ''), false);
});
