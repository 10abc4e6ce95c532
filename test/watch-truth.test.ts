import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { RawApi } from './support/api.ts';
import { Tutti } from './support/tutti.ts';
import { WatchTruth } from './support/watch-truth.ts';

/** How many events to deliver; `WATCH_TRUTH_EVENTS=10000000 node --test test/watch-truth.test.ts` takes minutes. */
const wanted = Number(process.env['WATCH_TRUTH_EVENTS'] ?? 100_000);
const watchers = 100;
const writesPerSecond = 500;
/** Revisions whose lists are compared with the replay. */
const lists = 40;
/** Delivered events between two restarts, at most. */
const restartEveryMax = 1_000_000;
const namespace = 'truth';

test('watchers are told every change once, in order, across restarts, and it adds up to what lists say', async () => {
  await using cluster = await Tutti.up(['--sim', '--nodes', '0']);
  {
    using api = await RawApi.open(cluster.kubeconfig);
    await api.json('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  }
  using truth = await WatchTruth.open({ kubeconfig: cluster.kubeconfig, namespace, watchers, writesPerSecond });
  const start = performance.now();
  await truth.begin();
  const restartEvery = Math.min(wanted / 3, restartEveryMax);
  let restarts = 0;
  while (truth.delivered < wanted && truth.problems.length === 0) {
    if (truth.delivered > restartEvery * (restarts + 1)) {
      await cluster.kill(restarts % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
      await cluster.start();
      restarts++;
    }
    await setTimeout(50);
  }
  const seconds = (performance.now() - start) / 1000;
  await truth.finish(60_000);
  const { writes, unanswered } = truth.checkHistory();
  const told = truth.told.slice(-20_000);
  for (let i = 0; i < lists; i++) {
    await truth.checkList(told[Math.floor((i / lists) * told.length)]!.version);
  }
  truth.close();
  console.log(
    JSON.stringify({ delivered: truth.delivered, events: truth.told.length, writes, unanswered, restarts, seconds }),
  );
  assert.deepEqual(truth.problems, []);
  assert.ok(restarts >= 1 && truth.delivered >= wanted);
});
