import path from 'node:path';
import { run } from '#test/support/command.ts';
import { percentile, type Benchmark, type Row } from './row.ts';
import { Server } from './server.ts';

const loadMsMax = 90_000;

/** Runs one kind of load from a process of its own. */
async function measure<T>(server: Server, what: string): Promise<T> {
  const program = path.join(import.meta.dirname, 'api-load.ts');
  const kubeconfig = path.join(server.dataDir, 'kubeconfig');
  const args = ['--disable-warning=ExperimentalWarning', program, kubeconfig, what];
  return JSON.parse(await run(process.execPath, args, { timeoutMs: loadMsMax })) as T;
}

interface Load {
  readonly perSecond: number;
  readonly p99: number;
  readonly requests: number;
}

/** A whole server in a process of its own, with its SQLite file on disk, controllers and scheduler, but no nodes. */
const empty = () => Server.up(['--sim', '--nodes', '0']);

async function requests(): Promise<readonly Row[]> {
  await using server = await empty();
  const creates = await measure<Load>(server, 'create');
  const gets = await measure<Load>(server, 'get');
  const paced = await measure<Load>(server, 'get-paced');
  return [
    { name: 'api.create', value: creates.perSecond, unit: 'per second', budget: 3000, samples: creates.requests },
    { name: 'api.create-p99', value: creates.p99, unit: 'ms', budget: 100, samples: creates.requests },
    { name: 'api.get', value: gets.perSecond, unit: 'per second', budget: 5000, samples: gets.requests },
    { name: 'api.get-p99', value: gets.p99, unit: 'ms', budget: 50, samples: gets.requests },
    { name: 'api.get-p99-2000', value: paced.p99, unit: 'ms', budget: 5, samples: paced.requests },
  ];
}

async function list(): Promise<readonly Row[]> {
  await using server = await empty();
  const { ms } = await measure<{ ms: readonly number[] }>(server, 'list');
  return [{ name: 'api.list-10k', value: percentile(ms, 0.5), unit: 'ms', budget: 150, samples: ms.length }];
}

async function fanOut(): Promise<readonly Row[]> {
  await using server = await empty();
  const { perSecond, delivered } = await measure<{ perSecond: number; delivered: number }>(server, 'watch');
  return [
    { name: 'api.watch-fanout', value: perSecond, unit: 'events per second', budget: 200_000, samples: delivered },
  ];
}

/** A thousand watchers of the same, 200 events a second: from sending the write to hearing of it. */
async function delay(): Promise<readonly Row[]> {
  await using server = await empty();
  const { p50, p99, events } = await measure<{ p50: number; p99: number; events: number }>(server, 'watch-delay');
  return [
    { name: 'api.watch-delay-p50', value: p50, unit: 'ms', samples: events },
    { name: 'api.watch-delay-p99', value: p99, unit: 'ms', budget: 50, samples: events },
  ];
}

/** Five hundred objects applied anew, none of which is written. */
async function applyUnchanged(): Promise<readonly Row[]> {
  await using server = await empty();
  const { ms, written } = await measure<{ ms: number; written: number }>(server, 'apply-unchanged');
  return [
    { name: 'api.apply-unchanged-500', value: ms, unit: 'ms', budget: 2000, samples: 1 },
    { name: 'api.apply-unchanged-writes', value: written, unit: 'objects written', budget: 0, samples: 500 },
  ];
}

export const benchmarks: readonly Benchmark[] = [
  { names: ['api.create', 'api.create-p99', 'api.get', 'api.get-p99', 'api.get-p99-2000'], run: requests },
  { names: ['api.list-10k'], run: list },
  { names: ['api.watch-fanout'], run: fanOut },
  { names: ['api.apply-unchanged-500', 'api.apply-unchanged-writes'], run: applyUnchanged },
  { names: ['api.watch-delay-p50', 'api.watch-delay-p99'], run: delay },
];
