import { setTimeout } from 'node:timers/promises';
import type { Benchmark, Row } from './row.ts';
import { realNodeMissing, Server, skipped } from './server.ts';

const names = ['idle.rss', 'idle.cpu'];
const settleMs = 10_000;
const watchedMs = 20_000;

/** An all-in-one server with one real node and no pods, left alone. */
async function idle(): Promise<readonly Row[]> {
  const missing = realNodeMissing();
  if (missing !== false) return skipped(names, missing);
  await using server = await Server.up();
  await setTimeout(settleMs);
  const [before, start] = [server.cpuSeconds(), performance.now()];
  await setTimeout(watchedMs);
  const cpu = (server.cpuSeconds() - before) / ((performance.now() - start) / 1000);
  return [
    { name: 'idle.rss', value: server.residentMegabytes(), unit: 'MB', budget: 150, samples: 1 },
    { name: 'idle.cpu', value: cpu * 100, unit: '% of a core', budget: 1, samples: 1 },
  ];
}

export const benchmarks: readonly Benchmark[] = [{ names, run: idle }];
