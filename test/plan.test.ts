import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { tutti, Tutti } from './support/tutti.ts';

let cluster: Tutti;
let place: string;
before(async () => {
  place = mkdtempSync(path.join(tmpdir(), 'tutti-plan-'));
  cluster = await Tutti.up(['--sim', '--nodes', '2']);
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
  rmSync(place, { recursive: true, force: true });
});

const manifest = (replicas: number) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1"}]}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: canary-${replicas}}
`;

test('a plan is shown, kept, applied once, and refused when the cluster has moved', async () => {
  const [file, kept] = [path.join(place, 'web.yaml'), path.join(place, 'plan.json')];
  const run = (...args: readonly string[]) => tutti([...args, '--data-dir', cluster.dataDir], { timeoutMs: 60_000 });
  writeFileSync(file, manifest(4));
  const plan = await run('plan', '-f', file, '--out', kept);
  assert.equal(plan.code, 1, plan.stderr);
  assert.match(plan.stdout, /^\+ Deployment default\/web\n\+ Secret default\/key\n/);
  assert.match(plan.stdout, /^Deployment default\/web +\+4 {2}\(sim-0000\d 2, sim-0000\d 2\)$/m);
  assert.equal(statSync(kept).mode & 0o777, 0o600);

  const applied = { code: 0, stdout: 'Deployment default/web created\nSecret default/key created\n', stderr: '' };
  assert.deepEqual(await run('apply', kept), applied);
  const twice = await run('apply', kept);
  assert.equal(twice.code, 1);
  assert.match(twice.stderr, /^✗ The cluster has moved since the plan was made; nothing was applied:\n/);
  assert.match(
    twice.stderr,
    /- Deployment default\/web is there by now\n(.*\n)* {2}→ make a new plan with "tutti plan"/,
  );

  await cluster.kubectl(['rollout', 'status', 'deployment/web']);
  const same = await run('plan', '-f', file);
  assert.deepEqual(same, { code: 0, stdout: '= 2 unchanged\n\nNo pod would come, go or move.\n', stderr: '' });

  writeFileSync(file, manifest(6));
  const more = await run('plan', '-f', place, '-o', 'json');
  assert.equal(more.code, 255, 'plan.json in the same directory is no manifest');
  const changed = await run('plan', '-f', file, '--out', kept);
  assert.match(
    changed.stdout,
    /^~ Deployment default\/web\n {4}spec\.replicas: 4 → 6\n~ Secret default\/key\n {4}data\.password: \(hidden\)\n/,
  );
  await cluster.kubectl(['scale', 'deployment/web', '--replicas=5']);
  const moved = await run('apply', kept);
  assert.equal(moved.code, 1);
  assert.match(moved.stderr, /conflict with "kubectl"|Deployment default\/web was changed/);
});

test('what cannot be planned ends with 255, and says why', async () => {
  const file = path.join(place, 'bad.yaml');
  const run = (...args: readonly string[]) => tutti(['plan', ...args, '--data-dir', cluster.dataDir]);
  writeFileSync(file, manifest(-1).replaceAll('web', 'wrong'));
  const refused = await run('-f', file);
  assert.equal(refused.code, 255);
  assert.match(refused.stdout, /^✗ Deployment default\/wrong\n.*spec\.replicas: Invalid value: -1/);
  const none = await run('-f', path.join(place, 'none.yaml'));
  assert.equal(none.code, 255);
  assert.match(none.stderr, /^✗ ".*none\.yaml" cannot be read: .*\n {2}→ name a file, a directory or "-"\n$/);
  const noPlan = await tutti(['apply', file, '--data-dir', cluster.dataDir]);
  assert.equal(noPlan.code, 1);
  assert.match(noPlan.stderr, /bad\.yaml is no plan: /);
});

test('rehearsals schedule as the server does: its profiles, and what its own plugins say of nodes', async () => {
  const [file, web] = [path.join(place, 'scheduler.yaml'), path.join(place, 'one.yaml')];
  writeFileSync(
    path.join(place, 'second.ts'),
    `export default {
      filter: (pod, node) => node.name === 'sim-00002' || 'node(s) were not the second',
      async permit() { throw new Error('rehearsals do not get here'); },
    };`,
  );
  writeFileSync(
    file,
    `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
tuttiPlugins: [{name: Second, module: ./second.ts}]
profiles:
  - {schedulerName: default-scheduler}
  - {schedulerName: second, plugins: {multiPoint: {enabled: [{name: Second}]}}}
`,
  );
  writeFileSync(web, manifest(3).replace('spec: {containers', 'spec: {schedulerName: second, containers'));
  await using other = await Tutti.up(['--sim', '--nodes', '3', '--scheduler-config', file]);
  const run = (...args: readonly string[]) => tutti([...args, '--data-dir', other.dataDir], { timeoutMs: 60_000 });
  const plan = await run('plan', '-f', web);
  assert.match(plan.stdout, /^Deployment default\/web +\+3 {2}\(sim-00002 3\)$/m, plan.stderr);
  await other.kubectl(['apply', '-f', web]);
  await other.kubectl(['wait', '--for=jsonpath={.status.replicas}=3', 'deployment/web', '--timeout=20s']);
  const { stdout } = await run('what-if', 'add', '--count', '1'); // permit() keeps them waiting
  assert.match(stdout, /^3 waiting pods would find a node:\n {2}default\/web-\S+ gets sim-00002$/m);
  const trace = path.join(place, 'trace.jsonl');
  const generated = await tutti(['simulate', 'generate', '--nodes', '3', '--pods', '10', '--seconds', '10']);
  writeFileSync(trace, generated.stdout);
  const both = await tutti(['simulate', 'run', trace, '--scoring', 'BinPack', '--scheduler-config', file]);
  assert.match(both.stderr, /option '--scheduler-config <file>' cannot be used with option '--scoring <strategy>'/);
  const simulated = await tutti(['simulate', 'run', trace, '--scheduler-config', file], { timeoutMs: 60_000 });
  assert.match(simulated.stdout, /^10 pods on 3 nodes/, simulated.stderr);
});
