import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Event } from '#api/events/event.ts';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { openScheduling } from './scheduler-configuration.ts';
import { startCluster, type TestCluster, type TestClusterOptions } from './test-cluster.ts';
import { silentLog } from '#lib/log.ts';
import { Metrics } from '#lib/metrics.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tutti-plugins-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

let serial = 0;

/** Writes a plugin's module and a configuration with a profile `own` that enables it everywhere; gives the file. */
function configure(module: string, entry: Record<string, unknown> = {}, plugins?: unknown): string {
  const name = `plugin-${serial++}`;
  writeFileSync(path.join(folder, `${name}.ts`), module);
  const file = path.join(folder, `${name}.yaml`);
  const configuration = {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    tuttiPlugins: [{ name: 'Mine', module: `./${name}.ts`, callTimeoutMilliseconds: 400, ...entry }],
    profiles: [
      { schedulerName: 'default-scheduler' },
      { schedulerName: 'own', plugins: plugins ?? { multiPoint: { enabled: [{ name: 'Mine', weight: 50 }] } } },
    ],
  };
  writeFileSync(file, JSON.stringify(configuration)); // which is YAML, too
  return file;
}

/** In the machine's time: plugins live in threads of their own. */
const start = (schedulerConfig: string, options: TestClusterOptions = {}) =>
  startCluster({ nodes: 2, clock: 'system', schedulerConfig, ...options });

const ref = (name: string) => ({ namespace: 'default', name });

async function create(
  { client, signal }: TestCluster,
  name: string,
  spec: Partial<NonNullable<Pod['spec']>> = { schedulerName: 'own' },
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const containers = [{ name: 'main', image: 'web:1' }];
  await client.create(Pod, { metadata: { ...ref(name), labels }, spec: { containers, ...spec } }, { signal });
}

const podOf = ({ cache }: TestCluster, name: string) => cache.get(Pod, ref(name));
const nodeOf = (cluster: TestCluster, name: string) => podOf(cluster, name)?.spec.nodeName;
const waiting = (cluster: TestCluster, name: string) =>
  podOf(cluster, name)?.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
const untilPlaced = (cluster: TestCluster, name: string) =>
  cluster.until(() => nodeOf(cluster, name) !== undefined, { what: `a node for ${name}` });

/** Waits until the pod's reason matches, and tells whether an event says the same. */
async function untilReason(cluster: TestCluster, name: string, reason: RegExp, what = name): Promise<void> {
  try {
    await cluster.until(() => reason.test(waiting(cluster, name)?.message ?? ''), { withinMs: 30_000 });
  } catch {
    assert.match(waiting(cluster, name)?.message ?? '', reason, `${what}: ${waiting(cluster, name)?.message}`);
  }
  const { client, signal } = cluster;
  await cluster.until(async () => {
    const { items } = await client.list(Event, { namespace: 'default', signal });
    return items.some(
      ({ regarding, reason: kind, note = '', reportingController }) =>
        regarding?.name === name &&
        kind === 'FailedScheduling' &&
        reportingController === podOf(cluster, name)?.spec.schedulerName &&
        reason.test(note),
    );
  });
}

test('the example: power budgets of racks filter, score, hold back and are noted on pods; other pods are not asked', async () => {
  const example = path.join(import.meta.dirname, '..', '..', 'examples', 'scheduler-plugin', 'scheduler.yaml');
  await using cluster = await start(example, { nodes: 3 });
  const { client, signal } = cluster;
  for (const [name, labels] of Object.entries({
    'sim-00001': { rack: 'a', watts: '100' },
    'sim-00002': { rack: 'a', watts: '1000' },
    'sim-00003': { rack: 'b', watts: '700' },
  })) {
    await client.patch(Node, { name }, { type: 'merge', patch: { metadata: { labels } } }, { signal });
  }
  await cluster.until(() =>
    cluster.cache.list(Node).every(({ metadata }) => metadata?.labels?.['watts'] !== undefined),
  );
  const byPower = { schedulerName: 'by-power' };
  for (const name of ['p1', 'p2', 'p3', 'p4']) {
    await create(cluster, name, byPower, { watts: '400' });
    if (name !== 'p4') await untilPlaced(cluster, name);
  }
  // 60 % left on the second, 43 % on the third; then 20 % against 43 %; then only the second has enough.
  assert.deepEqual(
    ['p1', 'p2', 'p3'].map((name) => [
      nodeOf(cluster, name),
      podOf(cluster, name)?.metadata?.annotations?.['example.com/rack'],
    ]),
    [
      ['sim-00002', 'a'],
      ['sim-00003', 'b'],
      ['sim-00002', 'a'],
    ],
  );
  await untilReason(
    cluster,
    'p4',
    /^0\/3 nodes are available: 1 node\(s\) had too few watts left in rack b, 2 node\(s\) had too few watts left in rack a\./,
  );
  assert.deepEqual(
    cluster.why(ref('p4'))?.nodes.map(({ refusals = [] }) => refusals[0]?.plugin),
    ['RackBudget', 'RackBudget', 'RackBudget'],
  );
  await create(cluster, 'usual', {}, { watts: '5000' });
  await untilPlaced(cluster, 'usual');
  await client.delete(Pod, ref('p2'), { signal, gracePeriodSeconds: 0 });
  await cluster.until(() => nodeOf(cluster, 'p4') === 'sim-00003', { what: 'the room that p2 left' });
});

test('reserve() and permit() may refuse, and unreserve() gives back what was reserved', async () => {
  const file = configure(`
    const holders = new Map<string, string>();
    class OnePerNode {
      reserve({ metadata }: any, node: string) {
        if (holders.has(node)) throw new Error(\`\${node} is held by \${holders.get(node)}\`);
        holders.set(node, metadata.name);
      }
      async unreserve({ metadata }: any, node: string) {
        if (holders.get(node) === metadata.name) holders.delete(node);
      }
      async permit({ metadata }: any) {
        if (metadata.name === 'bad') throw new Error('bad pods do not start');
      }
    }
    export default () => new OnePerNode();
  `);
  await using cluster = await start(file, { nodes: 1 });
  await create(cluster, 'bad');
  await untilReason(cluster, 'bad', /^plugin "Mine": permit: Error: bad pods do not start$/);
  const told =
    '1 of 1 nodes would take it; it waits for its turn. The last try failed: plugin "Mine": permit: Error: bad pods do not start.';
  await cluster.until(() => cluster.why(ref('bad'))?.summary === told, { what: 'why bad waits' });
  await create(cluster, 'good');
  await untilPlaced(cluster, 'good');
  await create(cluster, 'late');
  await untilReason(cluster, 'late', /^plugin "Mine": reserve: Error: sim-00001 is held by good$/);
  assert.equal(nodeOf(cluster, 'bad'), undefined);
});

const forever = 'for (;;);';
const never = 'await new Promise(() => undefined);';

/** What a plugin may do wrong, and what its pods are told. */
const faults: readonly (readonly [string, string, RegExp, Record<string, unknown>?])[] = [
  [
    'filter() throws',
    'filter() { throw new TypeError("no such rack"); }',
    /2 plugin "p\d+": filter: TypeError: no such rack[.,]/,
  ],
  [
    'filter() says a number',
    'filter() { return 3; }',
    /2 plugin "p\d+": filter says 3; it must say true, or in a text why not[.,]/,
  ],
  ['filter() says nothing', 'filter() {}', /2 plugin "p\d+": filter says undefined; it must say true/],
  ['filter() says false', 'filter: () => false', /2 plugin "p\d+": filter says false; it must say true/],
  [
    'filter() is asynchronous',
    'async filter() { return true; }',
    /2 plugin "p\d+": filter says a promise; it must say true/,
  ],
  ['filter() never returns', `filter() { ${forever} }`, /2 plugin "p\d+": it (did not answer within 400 ms|is)/],
  ['filter() ends its process', 'filter() { process.exit(3); }', /2 plugin "p\d+": it/],
  [
    'filter() takes all memory',
    'filter() { const all = []; for (;;) all.push(new Array(1e6).fill(all.length)); }',
    /2 plugin "p\d+": it/,
    { callTimeoutMilliseconds: 2000 },
  ],
  ['score() throws', 'score() { throw "nothing to say"; }', /2 plugin "p\d+": score: nothing to say[.,]/],
  ['score() says NaN', 'score: () => NaN', /2 plugin "p\d+": score says NaN; it must be a number from 0 to 100[.,]/],
  ['score() says too much', 'score: () => 101', /2 plugin "p\d+": score says 101; it must be/],
  ['score() says a text', 'score: () => "50"', /2 plugin "p\d+": score says "50"; it must be/],
  ['reserve() throws', 'reserve() { throw new Error("full"); }', /^plugin "p\d+": reserve: Error: full$/],
  [
    'reserve() never returns',
    `reserve() { ${forever} }`,
    /^plugin "p\d+": reserve: it did not return from reserve\(\) within 400 ms; it is started again$/,
  ],
  ['permit() rejects', 'async permit() { throw new Error("not today"); }', /^plugin "p\d+": permit: Error: not today$/],
  [
    'permit() never settles',
    `async permit() { ${never} }`,
    /^plugin "p\d+": permit: it was not done within 1 s$/,
    { waitTimeoutSeconds: 1 },
  ],
  [
    'permit() never returns',
    `permit() { ${forever} }`,
    /^plugin "p\d+": permit: it did not return from permit\(\) within 400 ms; it is started again$/,
  ],
  [
    'permit() leaves an error behind',
    `async permit() { setTimeout(() => { throw new Error("late"); }); ${never} }`,
    /^plugin "p\d+": permit: its thread has died: late/,
  ],
  [
    'unreserve() never settles after that',
    `async permit() { throw new Error("no way"); }, async unreserve() { ${never} }`,
    /^plugin "p\d+": permit: Error: no way$/,
    { waitTimeoutSeconds: 1 },
  ],
  ['bind() throws', 'bind() { throw new Error("no"); }', /^plugin "p\d+": bind: Error: no$/],
  [
    'bind() never settles',
    `async bind() { ${never} }`,
    /^plugin "p\d+": bind: it was not done within 1 s$/,
    { waitTimeoutSeconds: 1 },
  ],
  [
    'bind() binds nothing',
    'bind() {}',
    /^plugin "p\d+": bind: it says that it is done, but the pod is bound to no node$/,
  ],
];

test('whatever plugins do wrong, their pods wait and are told why, and others go on', async () => {
  const named = faults.map(([what, body, reason, entry], index) => ({ name: `p${index}`, what, body, reason, entry }));
  for (const { name, body } of named) writeFileSync(path.join(folder, `${name}.ts`), `export default { ${body} };`);
  const file = path.join(folder, 'faults.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      tuttiPlugins: named.map(({ name, entry }) => ({
        name,
        module: `./${name}.ts`,
        callTimeoutMilliseconds: 400,
        ...entry,
      })),
      profiles: [
        { schedulerName: 'default-scheduler' },
        ...named.map(({ name }) => ({
          schedulerName: name,
          plugins: { multiPoint: { enabled: [{ name }] } },
        })),
      ],
    }),
  );
  await using cluster = await start(file);
  for (const { name } of named) await create(cluster, name, { schedulerName: name });
  await create(cluster, 'other', {});
  await untilPlaced(cluster, 'other');
  for (const { name, reason, what } of named) {
    await untilReason(cluster, name, reason, what);
    assert.equal(nodeOf(cluster, name), undefined, what);
  }
  await create(cluster, 'another', {});
  await untilPlaced(cluster, 'another');
});

test('a plugin that hangs is started again, and its pods are placed once it works', async () => {
  const sign = path.join(folder, 'works');
  const file = configure(
    `
    import { existsSync } from 'node:fs';
    export default ({ sign }: any) => ({
      filter() { while (!existsSync(sign)); return true; },
    });
  `,
    { args: { sign } },
  );
  await using cluster = await start(file);
  await create(cluster, 'mine');
  await untilReason(cluster, 'mine', /plugin "Mine": it did not answer within 400 ms/);
  writeFileSync(sign, '');
  await untilPlaced(cluster, 'mine');
});

test('a plugin that fails for reasons of its own is asked again', async () => {
  const file = configure(`
    let calls = 0;
    export default { filter() { if (calls++ < 2) throw new Error('not ready'); return true; } };
  `);
  await using cluster = await start(file);
  await create(cluster, 'mine');
  await untilReason(cluster, 'mine', /2 plugin "Mine": filter: Error: not ready/);
  await untilPlaced(cluster, 'mine');
});

test('pods that a plugin holds back keep no others from being bound', async () => {
  await using cluster = await start(configure(`export default { async permit() { ${never} } };`), {
    nodes: [{ count: 4, pods: 500 }],
  });
  const { client, signal } = cluster;
  const containers = [{ name: 'main', image: 'web:1' }];
  for (let index = 0; index < 300; index++) {
    const pod = { metadata: ref(`held-${index}`), spec: { containers, schedulerName: 'own' } };
    await client.create(Pod, pod, { signal });
  }
  await create(cluster, 'other', {});
  await untilPlaced(cluster, 'other');
  assert.equal(cluster.cache.list(Pod).filter(({ spec }) => spec.nodeName !== undefined).length, 1);
  assert.match(cluster.why(ref('held-7'))?.summary ?? '', /^It goes to sim-0000\d: .* held back by a plugin\.$/);
});

test('in virtual time plugins judge nodes, too', async () => {
  const file = configure(`export default { filter: (pod, { name }) => name === 'sim-00002' || 'the other one' };`);
  await using cluster = await start(file, { clock: 'virtual' });
  await create(cluster, 'mine');
  await untilPlaced(cluster, 'mine');
  assert.equal(nodeOf(cluster, 'mine'), 'sim-00002');
});

test('what a plugin is asked is counted', async () => {
  const metrics = new Metrics();
  const file = configure('export default { filter: () => true, score: () => 7.9 };');
  await using scheduling = (await openScheduling(file, { log: silentLog, metrics })) ?? assert.fail();
  await using cluster = await startCluster({ nodes: 3, clock: 'system', profiles: scheduling.profiles });
  await create(cluster, 'mine');
  await untilPlaced(cluster, 'mine');
  const [verdict] = cluster.why(ref('mine'))?.nodes ?? [];
  assert.equal(verdict?.scores?.['Mine'], 7 * 50);
  const text = await metrics.text();
  assert.match(text, /^scheduler_plugin_evaluation_total{plugin="Mine",extension_point="Filter",profile="own"} 3$/m);
  assert.match(text, /^scheduler_plugin_evaluation_total{plugin="Mine",extension_point="Score",profile="own"} 3$/m);
  assert.match(
    text,
    /^scheduler_plugin_execution_duration_seconds_count{plugin="Mine",extension_point="Filter",status="Success"} 1$/m,
  );
});

/** Modules and configurations that cannot be used, and what is said of them. */
const unusable: readonly (readonly [string, string, Record<string, unknown>, unknown, RegExp])[] = [
  [
    'a module that is not there',
    '',
    { module: './nowhere.ts' },
    undefined,
    /: tuttiPlugins\[0\]\.module: there is no file .*\/nowhere\.ts$/,
  ],
  [
    'a module that throws',
    'throw new Error("boom");',
    {},
    undefined,
    /: tuttiPlugins\[0\]\.module: plugin "Mine": its module cannot be used: Error: boom \(.*\.ts\)$/,
  ],
  [
    'a module that is no TypeScript',
    'export default {',
    {},
    undefined,
    /tuttiPlugins\[0\]\.module: plugin "Mine": its module cannot be used: SyntaxError/,
  ],
  [
    'a module without a default export',
    'export const filter = 1;',
    {},
    undefined,
    /its module cannot be used: Error: it has no default export/,
  ],
  [
    'a plugin that is none',
    'export default () => 3;',
    {},
    undefined,
    /its default export must be a plugin, or a function that returns one; it is 3/,
  ],
  ['a filter that is none', 'export default { filter: true };', {}, undefined, /filter must be a function; it is true/],
  [
    'a plugin that reads what there is not',
    'export default { reads: "all" };',
    {},
    undefined,
    /reads must be "node" or "use"; it is "all"/,
  ],
  [
    'a point where the plugin has no say',
    'export default { filter: () => true };',
    {},
    { score: { enabled: [{ name: 'Mine' }] } },
    /: profiles\[1\]\.plugins\.score\.enabled\[0\]\.name: plugin "Mine" has no score; it has filter$/,
  ],
  [
    'a module that is no path',
    'export default {};',
    { module: 'rack-budget' },
    undefined,
    /: tuttiPlugins\[0\]\.module: Required value: "rack-budget" is no path of a file: write ".\/rack-budget.ts"$/,
  ],
];

for (const [what, module, entry, plugins, message] of unusable) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(openScheduling(configure(module, entry, plugins), { log: silentLog }), { message });
  });
}
