import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { RawApi } from '#test/support/api.ts';
import { percentile, type Benchmark, type Row } from './row.ts';
import { Server } from './server.ts';

const measuredMs = 5_000;
const configMap = '/api/v1/namespaces/default/configmaps/kube-root-ca.crt';

/** p99 of one client that asks again and again, in milliseconds. */
async function goodClient(api: RawApi): Promise<{ readonly p99: number; readonly samples: number }> {
  const ms: number[] = [];
  const end = performance.now() + measuredMs;
  while (performance.now() < end) {
    const start = performance.now();
    const { code } = await api.send('GET', configMap);
    if (code >= 500) throw new Error(`the good client was answered with ${code}`);
    ms.push(performance.now() - start);
  }
  return { p99: percentile(ms, 0.99), samples: ms.length };
}

/** 2,000 idle and 500 slow connections and 100,000 cancelled streams beside one good client. */
async function flood(): Promise<readonly Row[]> {
  await using server = await Server.up(['--sim', '--nodes', '0']);
  const kubeconfig = path.join(server.dataDir, 'kubeconfig');
  using api = await RawApi.open(kubeconfig);
  await goodClient(api); // warm
  const alone = await goodClient(api);
  const attackers = spawn(process.execPath, [path.join(import.meta.dirname, 'flood-load.ts'), kubeconfig], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await once(attackers.stdout, 'data');
    const flooded = await goodClient(api);
    return [
      { name: 'flood.good-p99', value: flooded.p99, unit: 'ms', samples: flooded.samples },
      {
        name: 'flood.good-p99-ratio',
        value: flooded.p99 / alone.p99,
        unit: 'times that alone',
        budget: 2,
        samples: flooded.samples,
      },
    ];
  } finally {
    attackers.stdin.end();
    if (attackers.exitCode === null) await once(attackers, 'exit');
  }
}

export const benchmarks: readonly Benchmark[] = [{ names: ['flood.good-p99', 'flood.good-p99-ratio'], run: flood }];
