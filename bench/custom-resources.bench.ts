import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RawApi } from '#test/support/api.ts';
import { definitionOf, definitions } from '#test/support/definitions.ts';
import { until } from '#test/support/until.ts';
import type { Benchmark, Row } from './row.ts';
import { Server } from './server.ts';

const count = 1_000;
const atOnce = 16;
const settleMs = 5_000;
const args = ['--sim', '--nodes', '0'];

/** Some 8 KB, as a small operator's definition has. */
function schema(): object {
  const field = (index: number) => ({
    type: 'object',
    description: `What part ${index} of it is for, said in a sentence as generated definitions do.`,
    properties: {
      name: { type: 'string', description: 'How it is called.', maxLength: 63, pattern: '^[a-z0-9-]+$' },
      replicas: { type: 'integer', minimum: 0, default: 1 },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      ports: {
        type: 'array',
        items: { type: 'object', properties: { port: { type: 'integer' }, name: { type: 'string' } } },
      },
    },
  });
  const properties = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`part${index}`, field(index)]));
  return { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } };
}

async function createAll(api: RawApi): Promise<void> {
  const shared = schema() as Readonly<Record<string, unknown>>;
  const indexes = Array.from({ length: count }, (_, index) => index).values();
  const work = async () => {
    for (const index of indexes) {
      const names = { plural: `things${index}`, kind: `Thing${index}`, group: `group${index % 50}.example.com` };
      await api.json('POST', definitions, definitionOf(shared, names));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** A thousand idle definitions: creating them, starting with them, holding them. */
async function thousand(): Promise<readonly Row[]> {
  const last = `/apis/group${(count - 1) % 50}.example.com/v1/namespaces/default/things${count - 1}`;
  const first = await Server.up(args);
  const start = performance.now();
  {
    using api = await RawApi.open(path.join(first.dataDir, 'kubeconfig'));
    await createAll(api);
    await until('the last is served', async () => (await api.send('GET', last)).code === 200);
  }
  const createMs = performance.now() - start;
  await using server = await first.restarted(args);
  using api = await RawApi.open(path.join(server.dataDir, 'kubeconfig'));
  await api.json('POST', last, {
    apiVersion: last.split('/').slice(2, 4).join('/'),
    kind: `Thing${count - 1}`,
    metadata: { name: 'x' },
  });
  await setTimeout(settleMs);
  return [
    { name: 'crd.create', value: count / (createMs / 1000), unit: 'per second', samples: count },
    { name: 'crd.boot-1000', value: server.readyzMs, unit: 'ms', budget: 3000, samples: 1 },
    { name: 'crd.rss-1000', value: server.residentMegabytes(), unit: 'MB', budget: 400, samples: 1 },
  ];
}

export const benchmarks: readonly Benchmark[] = [
  { names: ['crd.create', 'crd.boot-1000', 'crd.rss-1000'], run: thousand },
];
