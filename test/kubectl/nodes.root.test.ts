import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { loadImages } from './images.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');
let cluster: Tutti;
let node: string;

before(async () => {
  if (skip !== false) return;
  cluster = await Tutti.up();
  await loadImages(cluster);
  node = await cluster.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

test('kubectl cordon keeps new pods away and old ones running, until uncordon', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'cordon');
  await kubectl.ok('run before --image=web:1');
  await kubectl.ok('wait --for=condition=Ready pod/before --timeout=30s');
  assert.equal(await kubectl.ok(`cordon ${node}`), `node/${node} cordoned\n`);
  try {
    assert.match(await kubectl.ok('get nodes --no-headers'), new RegExp(`^${node} +Ready,SchedulingDisabled `));
    await kubectl.ok('run after --image=web:1');
    await kubectl.ok(
      'wait pod/after --timeout=30s',
      '--for=jsonpath={.status.conditions[?(@.type=="PodScheduled")].reason}=Unschedulable',
    );
    await until('the reason is told', async () =>
      /Warning +FailedScheduling .*0\/1 nodes are available.*unschedulable/.test(
        await kubectl.ok('describe pod after'),
      ),
    );
    assert.equal(await kubectl.value('{.status.phase}', 'pod before'), 'Running');
  } finally {
    await kubectl.ok(`uncordon ${node}`);
  }
  await kubectl.ok('wait --for=condition=Ready pod/after --timeout=30s');
});

test('kubectl taint keeps pods away, drives pods out, and lets the tolerant stay', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'taint');
  await kubectl.ok('run delicate --image=web:1');
  await kubectl.ok(
    'run tolerant --image=web:1 --overrides',
    JSON.stringify({ spec: { tolerations: [{ key: 'gas', operator: 'Exists' }] } }),
  );
  await kubectl.ok('wait --for=condition=Ready pod --all --timeout=30s');
  await kubectl.ok(`taint node ${node} gas=poison:NoExecute`);
  try {
    await kubectl.ok('wait --for=delete pod/delicate --timeout=30s');
    await kubectl.ok('run late --image=web:1');
    await kubectl.ok(
      'wait pod/late --timeout=30s',
      '--for=jsonpath={.status.conditions[?(@.type=="PodScheduled")].status}=False',
    );
    assert.match(await kubectl.ok(`describe node ${node}`), /^Taints: +gas=poison:NoExecute$/m);
    assert.equal(await kubectl.value('{.status.phase}', 'pod tolerant'), 'Running');
    assert.match((await kubectl.outcome(`taint node ${node} gas=other:NoExecute`)).stderr, /--overwrite is false/);
  } finally {
    await kubectl.ok(`taint node ${node} gas-`);
  }
  await kubectl.ok('wait --for=condition=Ready pod/late --timeout=30s');
});

test('kubectl drain evicts pods as far as disruption budgets allow', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'drain');
  await kubectl.ok('create deployment web --image=web:1 --replicas=2');
  await kubectl.ok('create poddisruptionbudget web --selector=app=web --min-available=1');
  await kubectl.ok('run bare --image=web:1');
  await kubectl.ok('wait --for=condition=Ready pod --all --timeout=30s');
  await until('one may go', async () => (await kubectl.value('{.status.disruptionsAllowed}', 'pdb web')) === '1');
  const drain = `drain ${node} --ignore-daemonsets --delete-emptydir-data`;
  try {
    const bare = await kubectl.outcome(drain);
    assert.notEqual(bare.code, 0);
    assert.match(bare.stderr, /cannot delete.* Pods that declare no controller.*drain\/bare/s);
    assert.equal(await kubectl.value('{.status.phase}', 'pod bare'), 'Running');

    const stopped = await kubectl.outcome(`${drain} --force --timeout=3s`);
    assert.notEqual(stopped.code, 0);
    assert.match(stopped.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
    assert.equal((await kubectl.outcome('get pod bare')).code, 1, 'nothing protects a bare pod');
    assert.equal(await kubectl.value('{.status.readyReplicas}', 'deployment web'), '1', 'the last one is protected');

    await kubectl.ok('delete pdb web');
    assert.match(await kubectl.ok(`${drain} --force --timeout=30s`), new RegExp(`node/${node} drained\n$`));
    assert.equal(await kubectl.ok(`get pods -o name --field-selector=spec.nodeName=${node}`), '');
  } finally {
    await kubectl.ok(`uncordon ${node}`);
  }
  await kubectl.ok('wait --for=condition=Available deployment/web --timeout=30s');
});

test('kubectl label on a node steers pods that select it', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'steer');
  await kubectl.ok('run picky --image=web:1 --overrides', '{"spec":{"nodeSelector":{"disk":"fast"}}}');
  await kubectl.ok('wait pod/picky --timeout=30s', '--for=jsonpath={.status.phase}=Pending');
  await kubectl.ok(`label node ${node} disk=fast`);
  await kubectl.ok('wait --for=condition=Ready pod/picky --timeout=30s');
  await kubectl.ok(`label node ${node} disk-`);
  assert.equal(await kubectl.value('{.status.phase}', 'pod picky'), 'Running', 'it stays where it is');
});
