import { percentile, type Benchmark, type Row } from './row.ts';
import { realNodeMissing, Server, skipped } from './server.ts';

const samples = 5;

/** From spawning `bin/tutti up` on an empty data directory, its compiled code being there from an earlier start. */
async function boot(): Promise<readonly Row[]> {
  const missing = realNodeMissing();
  const args = missing === false ? [] : ['--sim', '--nodes', '1'];
  const readyz: number[] = [];
  const nodeReady: number[] = [];
  let first: number | undefined;
  for (let sample = 0; sample <= samples; sample++) {
    await using server = await Server.up(args);
    if (first === undefined) {
      first = server.readyzMs; // nothing is compiled yet
      continue;
    }
    readyz.push(server.readyzMs);
    nodeReady.push(server.nodesReadyMs);
  }
  const rows: Row[] = [{ name: 'boot.readyz', value: percentile(readyz, 0.5), unit: 'ms', budget: 700, samples }];
  if (first !== undefined) rows.push({ name: 'boot.readyz-first-ever', value: first, unit: 'ms', samples: 1 });
  if (missing !== false) return [...rows, ...skipped(['boot.node-ready'], missing)];
  rows.push({ name: 'boot.node-ready', value: percentile(nodeReady, 0.5), unit: 'ms', budget: 2000, samples });
  return rows;
}

/** From spawning it to `/readyz`, on the data of a server that was killed. */
async function afterKill(): Promise<readonly Row[]> {
  const args = ['--sim', '--nodes', '10'];
  const readyz: number[] = [];
  await using resources = new AsyncDisposableStack();
  let server = await Server.up(args);
  resources.defer(() => server[Symbol.asyncDispose]());
  for (let sample = 0; sample < samples; sample++) {
    server = await server.restarted(args, 'SIGKILL');
    readyz.push(server.readyzMs);
  }
  return [{ name: 'boot.readyz-after-kill', value: percentile(readyz, 0.5), unit: 'ms', budget: 3000, samples }];
}

export const benchmarks: readonly Benchmark[] = [
  { names: ['boot.readyz', 'boot.readyz-first-ever', 'boot.node-ready'], run: boot },
  { names: ['boot.readyz-after-kill'], run: afterKill },
];
