import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lease } from '#api/coordination/lease.ts';
import { VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { unavailable } from '#machinery/status-error.ts';
import { FakeClient } from './testing/fake-client.ts';
import { lead, type Term } from './leader-election.ts';

const lease = { namespace: 'kube-system', name: 'controllers' };

/** Candidates on one lease, each with its own wire to the cluster that can be cut. */
function setup() {
  const clock = new VirtualClock();
  const cluster = new FakeClient(clock);
  const leading = new Set<string>();
  let most = 0;
  const terms: Term[] = [];
  const candidate = (identity: string) => {
    const stop = new AbortController();
    const state = { cut: false };
    const client = Object.assign(Object.create(cluster) as FakeClient, {
      async get(...args: Parameters<FakeClient['get']>) {
        if (state.cut) throw unavailable('cut');
        return cluster.get(...args);
      },
      async update(...args: Parameters<FakeClient['update']>) {
        if (state.cut) throw unavailable('cut');
        return cluster.update(...args);
      },
      create: (...args: Parameters<FakeClient['create']>) => cluster.create(...args),
    });
    const work = async (term: Term) => {
      leading.add(identity);
      most = Math.max(most, leading.size);
      terms.push(term);
      await new Promise<void>((resolve) => term.signal.addEventListener('abort', () => resolve()));
      leading.delete(identity);
    };
    const options = { client, clock, log: silentLog, lease, identity, random: () => 0.5 };
    return { stop, state, running: lead(options, work, stop.signal) };
  };
  return { clock, cluster, candidate, leading, terms, most: () => most };
}

test('of two candidates one leads, and the other follows at once when it is let go', async () => {
  const { clock, cluster, candidate, leading, terms, most } = setup();
  const a = candidate('a');
  await clock.advance(100);
  const b = candidate('b');
  await clock.advance(60_000);
  assert.deepEqual([...leading], ['a']);
  a.stop.abort();
  await clock.advance(5_000);
  assert.deepEqual([...leading], ['b']);
  assert.deepEqual(
    terms.map(({ transitions }) => transitions),
    [0, 1],
  );
  b.stop.abort();
  await Promise.all([a.running, b.running]);
  assert.equal(most(), 1);
  assert.equal(cluster.all(Lease)[0]?.spec?.holderIdentity, undefined);
});

test('a leader that is cut off stops before another may lead', async () => {
  const { clock, candidate, leading, terms, most } = setup();
  const a = candidate('a');
  await clock.advance(100);
  const b = candidate('b');
  await clock.advance(30_000);
  a.state.cut = true;
  await clock.advance(9_000);
  assert.deepEqual([...leading], ['a']);
  await clock.advance(3_000);
  assert.deepEqual([...leading], []);
  assert.equal(terms[0]?.isCertain(), false);
  await clock.advance(8_000);
  assert.deepEqual([...leading], ['b']);
  assert.equal(most(), 1);
  a.stop.abort();
  b.stop.abort();
  await clock.advance(20_000);
  await Promise.all([a.running, b.running]);
});

test('someone else touching the lease does not end a term', async () => {
  const { clock, cluster, candidate, leading, terms } = setup();
  const a = candidate('a');
  const signal = new AbortController().signal;
  await clock.advance(5_000);
  await cluster.patch(Lease, lease, { type: 'merge', patch: { metadata: { labels: { x: 'y' } } } }, { signal });
  await clock.advance(60_000);
  assert.deepEqual([...leading], ['a']);
  assert.equal(terms.length, 1);
  a.stop.abort();
  await a.running;
});
