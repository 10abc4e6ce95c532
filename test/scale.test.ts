import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawApi } from './support/api.ts';
import { unless } from './support/needs.ts';
import { Tutti } from './support/tutti.ts';
import { until } from './support/until.ts';

const nodes = 1_000;
const pods = 10_000;
const boundMsMax = 60_000;
/** Far beyond what it takes (bench: `api.get-while-binding`, 100 ms): a server that does not answer at all is what this finds. */
const getMsMax = 2_000;
const getsMin = 100;
const getEveryMs = 10;

let cluster: Tutti;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', `${nodes}`]);
});
after(() => cluster[Symbol.asyncDispose]());

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'wide' },
  spec: {
    replicas: pods,
    selector: { matchLabels: { app: 'wide' } },
    template: {
      metadata: { labels: { app: 'wide' } },
      spec: {
        containers: [{ name: 'main', image: 'web:1', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
      },
    },
  },
};

/** The value below which `share` of `values` lie. */
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;

interface PodList {
  readonly metadata: { readonly continue?: string; readonly remainingItemCount?: number };
  readonly items: readonly { readonly spec: { readonly nodeName?: string } }[];
}

test(`${pods} pods of one Deployment are bound to ${nodes} nodes, and the API answers meanwhile`, async (t) => {
  using api = await RawApi.open(cluster.kubeconfig);
  const object = '/api/v1/namespaces/default/configmaps/kube-root-ca.crt';
  await until('the object to get', async () => (await api.send('GET', object)).code === 200);
  const started = performance.now();
  await api.json('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);

  const took: number[] = [];
  const bound = new AbortController();
  const gets = (async () => {
    while (!bound.signal.aborted) {
      const asked = performance.now();
      await api.json('GET', object);
      took.push(performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, getEveryMs));
    }
  })();
  const isUnbound = async () => (await page(api, '?limit=1&fieldSelector=spec.nodeName=')).items.length > 0;
  try {
    await until('all pods bound', async () => (await countOf(api)) === pods && !(await isUnbound()), boundMsMax);
  } finally {
    bound.abort();
    await gets;
  }
  const boundMs = performance.now() - started;
  const p99 = quantile(took, 0.99);
  t.diagnostic(
    `bound in ${(boundMs / 1000).toFixed(1)} s; ${took.length} gets meanwhile: p50 ${quantile(took, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, worst ${quantile(took, 1).toFixed(1)} ms`,
  );
  assert.ok(took.length >= getsMin, `only ${took.length} gets were made`);
  assert.ok(quantile(took, 1) <= getMsMax, `a get took ${quantile(took, 1)} ms`);

  const spread = new Map<string, number>();
  let next: string | undefined = '';
  while (next !== undefined) {
    const list: PodList = await page(api, `?limit=2000${next}`);
    for (const { spec } of list.items) spread.set(spec.nodeName ?? '', (spread.get(spec.nodeName ?? '') ?? 0) + 1);
    next = list.metadata.continue === undefined ? undefined : `&continue=${list.metadata.continue}`;
  }
  assert.equal(
    [...spread.values()].reduce((sum, count) => sum + count, 0),
    pods,
  );
  assert.equal(spread.size, nodes);
  assert.ok(Math.max(...spread.values()) <= 2 * (pods / nodes), 'the pods are not spread');
});

const page = (api: RawApi, query: string): Promise<PodList> =>
  api.json('GET', `/api/v1/namespaces/default/pods${query}`);

/** How many pods there are, from a page of one. */
async function countOf(api: RawApi): Promise<number> {
  const { metadata, items } = await page(api, '?limit=1');
  return items.length + (metadata.remainingItemCount ?? 0);
}

test('kubectl reads a busy cluster: one pod, a page, a count', { skip: unless('kubectl') }, async () => {
  const names = await cluster.kubectl(['get', 'pods', '-l', 'app=wide', '-o', 'name', '--chunk-size=500']);
  assert.equal(names.trim().split('\n').length, pods);
  const [first] = names.split('\n');
  assert.match(await cluster.kubectl(['get', first!]), /Running|Pending|ContainerCreating/);
  assert.match(await cluster.kubectl(['get', 'deployment', 'wide']), /\/10000/);
});
