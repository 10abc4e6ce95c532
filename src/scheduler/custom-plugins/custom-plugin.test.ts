import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import { silentLog } from '#lib/log.ts';
import { Metrics } from '#lib/metrics.ts';
import { BatchPlacer, pendingOf, type Decision } from '../batch.ts';
import { parseSchedulerConfiguration } from '../configuration/scheduler-configuration.ts';
import { NodeTable } from '../node-table.ts';
import type { NodeView } from '../node-view.ts';
import type { FilterPlugin, ScorePlugin } from '../plugin.ts';
import { profileOf, type ProfileConfig } from '../profile.ts';
import { Signatures } from '../signature.ts';
import { Random } from '../testing/random.ts';
import { boundTo, podOf, randomNode, randomPodSpec } from '../testing/random-cluster.ts';
import { openCustomPlugins } from './open-custom-plugins.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tutti-plugin-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** One profile that asks the plugin in `module`. */
async function open(module: string, metrics?: Metrics, callTimeoutMs = 5000) {
  writeFileSync(path.join(folder, 'plugin.ts'), module);
  const text = `
    apiVersion: kubescheduler.config.k8s.io/v1
    kind: KubeSchedulerConfiguration
    tuttiPlugins: [{ name: Mine, module: ./plugin.ts, callTimeoutMilliseconds: ${callTimeoutMs} }]
    profiles: [{ plugins: { multiPoint: { enabled: [{ name: Mine, weight: 3 }] } } }]
  `;
  return openCustomPlugins(parseSchedulerConfiguration(text), { folder, log: silentLog, metrics });
}

function placerOf(config: ProfileConfig, seed = 1) {
  const profile = profileOf(config);
  const signatures = new Signatures({ needs: () => profile });
  const table = new NodeTable(signatures, { seed });
  const placer = new BatchPlacer(table, [profile]);
  const decide = (pod: Pod) => placer.decide(pendingOf(pod, signatures.of(pod, table.affine)));
  return { profile, table, placer, decide };
}

const node = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  metadata: { name, labels },
  spec: {},
  status: { allocatable: { cpu: '2500m', memory: '4Gi', pods: '10', 'example.com/gpu': '1' } },
});
const web = (labels: Readonly<Record<string, string>> = { app: 'web' }) =>
  podOf({ containers: [{ name: 'main', image: 'web', resources: { requests: { cpu: '100m' } } }] }, undefined, labels);

for (const [reads, perPod] of [
  ['node', 0],
  ['use', 1],
] as const) {
  test(`a plugin that reads ${reads} is asked about each node once, and again when that changes`, async () => {
    const metrics = new Metrics();
    await using opened = await open(`export default { reads: '${reads}', filter: () => true };`, metrics);
    const { table, decide } = placerOf(opened.profiles[0] ?? {});
    for (const name of ['n1', 'n2', 'n3']) table.setNode(node(name));
    const asked = async () =>
      Number(/^scheduler_plugin_evaluation_total{.*"Filter".*} (\d+)$/m.exec(await metrics.text())?.[1] ?? 0);
    decide(web());
    assert.equal(await asked(), 3);
    decide(web());
    assert.equal(await asked(), 3 + perPod, 'an equal pod: only the node that took the one before');
    const earlier = await asked();
    table.setNode(node('n2', { disk: 'ssd' }));
    table.setNode({ ...node('n3'), metadata: { name: 'n3', labels: {}, annotations: { seen: 'now' } } });
    decide(web());
    assert.equal(await asked(), earlier + 1 + perPod, 'the node that is another one now');
    decide(web({ app: 'db' }));
    assert.equal(await asked(), earlier + 4 + perPod, 'another pod');
  });
}

test('a plugin sees the pod without what is its own alone, and nodes with what is there', async () => {
  await using opened = await open(`export default {
    reads: 'use',
    filter: (pod, node) => JSON.stringify([pod, node.name, node.labels, node.taints, node.allocatable, node.used, node.pods]).slice(0, 195),
  };`);
  const { table, placer, decide } = placerOf(opened.profiles[0] ?? {});
  const tainted = { ...node('n1', { disk: 'ssd' }), spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } };
  table.setNode(tainted);
  table.setPod(
    boundTo({ ...web(), metadata: { name: 'there', namespace: 'default', uid: 'there', labels: { a: 'b' } } }, 'n1'),
  );
  const pod = { ...podOf({ containers: [] }), metadata: { name: 'x', namespace: 'default', uid: 'x' } };
  const decision = decide(pod);
  assert.equal(decision.do, 'refuse');
  const [refusal] = placer.evaluationOf(decision.pending.signature).refusals(0);
  assert.equal(
    refusal?.reason,
    '[{"metadata":{"namespace":"default"},"spec":{"containers":[]}},"n1",{"disk":"ssd"},[{"key":"k","value":"","effect":"PreferNoSchedule"}],{"cpu":2.5,"memory":4294967296,"ephemeral-storage":0,"pods":10,"example.com/gpu":1},{"cpu":0.1,"memory":0,"ephemeral-storage":0,"pods":1}'.slice(
      0,
      195,
    ),
  );
});

test('pods that their workload numbers, or pins to nodes, are asked about together', async () => {
  const metrics = new Metrics();
  await using opened = await open('export default { filter: () => true };', metrics);
  const { table, decide } = placerOf(opened.profiles[0] ?? {});
  const names = ['n1', 'n2', 'n3'];
  for (const name of names) table.setNode(node(name));
  for (const name of names) {
    const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] };
    const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
    const decision = decide(podOf({ containers: [], affinity: { nodeAffinity } }));
    assert.equal(decision.do === 'place' && decision.nodeName, name);
  }
  for (const index of ['0', '1', '2']) {
    const labels = {
      app: 'db',
      'statefulset.kubernetes.io/pod-name': `db-${index}`,
      'apps.kubernetes.io/pod-index': index,
    };
    assert.equal(decide(podOf({ containers: [], hostname: `db-${index}` }, undefined, labels)).do, 'place');
  }
  assert.match(await metrics.text(), /^scheduler_plugin_evaluation_total{.*"Filter".*} 6$/m);
});

test('a plugin that is too slow over all nodes is named, and gets there in the end', async () => {
  const metrics = new Metrics();
  const slow = 'const until = performance.now() + 0.4; while (performance.now() < until); return true;';
  await using opened = await open(`export default { filter() { ${slow} } };`, metrics, 400);
  const { profile, table, placer, decide } = placerOf(opened.profiles[0] ?? {});
  for (let index = 0; index < 3000; index++) table.setNode(node(`n${index}`));
  let changed = Promise.withResolvers<void>();
  using _ = profile.onChange?.(() => changed.resolve());
  const decision = decide(web());
  assert.equal(
    decision.do === 'refuse' && decision.failure.message.split(' preemption:')[0],
    '0/3000 nodes are available: 3000 plugin "Mine": it is too slow: it did not judge all nodes within 800 ms.',
  );
  assert.match(await metrics.text(), /^tutti_scheduler_plugin_slow_total{plugin="Mine"} [1-9]/m);
  for (let round = 0, placed = false; !placed; round++) {
    assert.ok(round < 8, 'what was judged is kept, so a few rounds are enough');
    await changed.promise;
    changed = Promise.withResolvers();
    placer.reconsider(profile.schedulerName);
    placed = decide(web()).do === 'place';
  }
});

test('a plugin with a reason of its own for every node makes no message without end', async () => {
  await using opened = await open('export default { filter: (pod, { name }) => `${name} is not the one` };');
  const { table, decide } = placerOf(opened.profiles[0] ?? {});
  for (let index = 0; index < 500; index++) table.setNode(node(`n${index}`));
  const decision = decide(web());
  const message = decision.do === 'refuse' ? decision.failure.message : '';
  assert.match(message, /^0\/500 nodes are available: 1 n0 is not the one, .*480 plugin "Mine": other reasons\./);
  assert.equal(message.match(/is not the one/g)?.length, 20);
});

/** The same plugin twice: in its thread, and in this one. */
const threaded = `export default {
  reads: 'use',
  filter: (pod, { pods }) => pods.filter(({ labels }) => labels.app === 'a').length < 2 || 'node(s) had enough of a',
  score: (pod, { pods }) => 100 - Math.min(100, 10 * pods.length),
};`;
const there = ({ occupants }: NodeView) => occupants.filter(({ counts, state }) => counts && state !== 'reserved');
const filter: FilterPlugin = {
  name: 'Mine',
  reads: 'use',
  preFilter: () => true,
  filter: (_, view) => there(view).filter(({ labels }) => labels['app'] === 'a').length < 2,
  refusals: (_, view) =>
    filter.filter(_, view) ? [] : [{ plugin: 'Mine', reason: 'node(s) had enough of a', curable: true }],
};
const score: ScorePlugin = {
  name: 'Mine',
  reads: 'use',
  normalize: 'none',
  preScore: () => true,
  score: (_, view) => 100 - Math.min(100, 10 * there(view).length),
};

test('a plugin in its thread decides as one in this thread would, with preemption, on random clusters', async () => {
  await using opened = await open(threaded);
  const own = opened.profiles[0] ?? {};
  const inside = { plugins: { filters: [filter], scores: [{ plugin: score, weight: 3 }] } };
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const both = [placerOf(own, seed), placerOf(inside, seed)];
    const nodeCount = 1 + random.below(8);
    const setNode = (name: string) => {
      const made = randomNode(random, name);
      for (const { table } of both) table.setNode(made);
    };
    for (let index = 0; index < nodeCount; index++) setNode(`node-${index}`);
    const specs = Array.from({ length: 3 }, () => randomPodSpec(random));
    const placed: Pod[] = [];
    for (let step = 0; step < 40; step++) {
      if (random.chance(8)) setNode(`node-${random.below(nodeCount + 1)}`);
      if (random.chance(5) && placed.length > 0) {
        const [gone] = placed.splice(random.below(placed.length), 1);
        for (const { table } of both) table.removePod(gone?.metadata?.uid ?? '');
      }
      const pod = podOf(random.pick(specs), undefined, { app: random.pick(['a', 'b']) });
      const [one, other] = both.map(({ decide }) => outcomeOf(decide(pod)));
      assert.deepEqual(one, other, `seed ${seed}, step ${step}`);
      seen.add(one?.do ?? '');
      if (one?.do === 'place') placed.push(pod);
    }
  }
  assert.ok(seen.has('place') && seen.has('preempt') && seen.has('refuse'), [...seen].join());
});

function outcomeOf(decision: Decision) {
  if (decision.do === 'place') return { do: decision.do, node: decision.nodeName, score: decision.score };
  if (decision.do === 'preempt') {
    return { do: decision.do, node: decision.nodeName, victims: decision.victims.map(({ uid }) => uid).toSorted() };
  }
  return { do: decision.do, ...(decision.do === 'refuse' ? { message: decision.failure.message } : {}) };
}
