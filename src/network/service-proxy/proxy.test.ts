import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, asyncProperty, constantFrom, integer, oneof, record, subarray } from 'fast-check';
import { VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { FakeInformers, service, slice } from '../lab/fixtures.ts';
import { ServiceIndex } from '../service-index.ts';
import { expectedShape, type KernelTable } from './nft.ts';
import { ServiceProxy } from './proxy.ts';
import type { Element } from './ruleset.ts';
import type { TableFacts } from './table.ts';

const tableFacts: TableFacts = {
  table: 't',
  bridge: 'br',
  podCidr: '10.244.0.0/24',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/12',
  ownAddresses: ['10.96.0.10'],
  bridgeNetfilter: true,
};

/** A table in memory that reads the commands as nft would, and refuses what the kernel would refuse. */
class MemoryTable implements KernelTable {
  elements = new Map<string, string>();
  contents: ReadonlyMap<string, number> | undefined = undefined;
  rebuilds = 0;
  failures = 0;

  async rebuild(elements: readonly Element[]): Promise<void> {
    if (this.failures-- > 0) throw new Error('the kernel does not want to');
    this.rebuilds++;
    this.elements = new Map(
      elements.filter(({ object }) => object !== 'chain').map(({ object, key, value }) => [`${object} ${key}`, value]),
    );
    this.contents = expectedShape(tableFacts, elements);
  }

  async apply(commands: Iterable<string>): Promise<void> {
    if (this.failures-- > 0) throw new Error('the kernel does not want to');
    const next = new Map(this.elements);
    for (const command of commands) {
      const [, verb, object, list = ''] = /^(add|delete) element ip t (\S+) \{ (.*) \}\n$/.exec(command) ?? [];
      for (const item of list.split(', ')) {
        const [key = '', value = ''] = item.split(' : ');
        const id = `${object} ${key}`;
        assert.equal(next.has(id), verb === 'delete', `${verb} ${id}`);
        if (verb === 'delete') next.delete(id);
        else next.set(id, value);
        const [, chain] = /^(?:goto|jump) (.+)$/.exec(value) ?? [];
        if (chain !== undefined) assert.ok(this.contents?.has(chain), `no chain ${chain}`);
      }
    }
    this.elements = next;
  }

  async chains(): Promise<ReadonlySet<string>> {
    return new Set(this.contents?.keys());
  }

  async shape(): Promise<ReadonlyMap<string, number> | undefined> {
    return this.contents;
  }

  async remembered(): Promise<readonly never[]> {
    return [];
  }

  async forget(): Promise<void> {}
}

function start() {
  const informers = new FakeInformers();
  const clock = new VirtualClock();
  const index = new ServiceIndex(informers);
  const kernel = new MemoryTable();
  const stop = new AbortController();
  const facts = { nodeName: 'n1', zone: undefined, ownAddresses: tableFacts.ownAddresses };
  const proxy = new ServiceProxy({
    facts,
    tableFacts,
    index,
    kernel,
    flows: { forget: async () => {} },
    clock,
    log: silentLog,
  });
  const running = proxy.run(stop.signal);
  index.start();
  const end = async () => {
    stop.abort(new Error('the test is over'));
    await running;
  };
  return { informers, clock, kernel, proxy, index, [Symbol.asyncDispose]: end };
}

/** Compiling many services gives way to other work of this process, which takes time that no virtual clock has. */
async function written({ clock, proxy }: Pick<ReturnType<typeof start>, 'clock' | 'proxy'>): Promise<void> {
  await clock.advance(20);
  await proxy.flushed(AbortSignal.timeout(10_000));
}

const http = [{ name: 'http', port: 80, protocol: 'TCP' }];
const backend = [{ name: 'http', port: 8080, protocol: 'TCP' }];

test('the table after any sequence of changes is the table written from nothing', async () => {
  const names = ['a', 'b', 'c'];
  const ips = Array.from({ length: 12 }, (_, i) => `10.244.0.${i + 2}`);
  const change = oneof(
    record({
      do: constantFrom('service' as const),
      name: constantFrom(...names),
      ip: integer({ min: 1, max: 3 }),
      local: constantFrom(true, false),
      sticky: constantFrom(true, false),
    }),
    record({
      do: constantFrom('slice' as const),
      name: constantFrom(...names),
      ips: subarray(ips),
      part: constantFrom('1', '2'),
    }),
    record({ do: constantFrom('delete' as const), name: constantFrom(...names) }),
  );
  await holds(
    asyncProperty(array(array(change, { maxLength: 4 }), { maxLength: 8 }), async (rounds) => {
      await using net = start();
      for (const round of rounds) {
        for (const one of round) {
          if (one.do === 'slice') {
            net.informers.set(
              slice(
                one.name,
                backend,
                one.ips.map((ip) => ({ ip, node: ip.endsWith('2') ? 'n2' : 'n1' })),
                `${one.name}-${one.part}`,
              ),
            );
          } else if (one.do === 'delete') net.informers.delete(service(one.name, {}));
          else {
            // Addresses clash on purpose: what then holds must not depend on the order of events.
            const policy = one.local ? { externalTrafficPolicy: 'Local' } : {};
            const affinity = one.sticky ? { sessionAffinity: 'ClientIP' } : {};
            const ports = [{ ...http[0]!, nodePort: 30_000 + one.ip }];
            net.informers.set(
              service(one.name, { type: 'NodePort', clusterIP: `10.96.1.${one.ip}`, ports, ...policy, ...affinity }),
            );
          }
        }
        await written(net);
      }
      const viaDeltas = new Map(net.kernel.elements);
      net.proxy.rewrite();
      await written(net);
      assert.deepEqual(viaDeltas, net.kernel.elements);
    }),
    { numRuns: 150 },
  );
});

test('a change of endpoints is in the kernel within 50 ms, without a rebuild', async () => {
  await using net = start();
  net.informers.set(service('web', { clusterIP: '10.96.1.1', ports: http }));
  net.informers.set(slice('web', backend, [{ ip: '10.244.0.2' }]));
  await net.clock.advance(50);
  net.informers.set(slice('web', backend, [{ ip: '10.244.0.2' }, { ip: '10.244.0.3' }]));
  await net.clock.advance(50);
  assert.equal(net.kernel.elements.get('services 10.96.1.1 . tcp . 80'), 'goto endpoints-2');
  assert.equal(net.kernel.elements.get('endpoints 1 . 10.96.1.1 . tcp . 80'), '10.244.0.3 . 8080');
  assert.equal(net.kernel.rebuilds, 1);
});

test('a table that somebody deleted or cut is written anew within 5 s, one with emptied chains within a minute', async () => {
  await using net = start();
  await net.clock.advance(50);
  for (const damage of [undefined, new Map([['prerouting', 1]])]) {
    net.kernel.contents = damage;
    const before = net.kernel.rebuilds;
    await net.clock.advance(5_000);
    assert.equal(net.kernel.rebuilds, before + 1);
  }
  const before = net.kernel.rebuilds;
  net.kernel.contents = new Map([...(net.kernel.contents ?? [])].map(([name]) => [name, 0]));
  await net.clock.advance(65_000);
  assert.equal(net.kernel.rebuilds, before + 1);
  await net.clock.advance(120_000);
  assert.equal(net.kernel.rebuilds, before + 1, 'an undisturbed table is left alone');
});

test('a write that fails is repeated until it works, and nothing is acknowledged before', async () => {
  await using net = start();
  net.kernel.failures = 3;
  net.informers.set(service('web', { clusterIP: '10.96.1.1', ports: http }));
  let flushed = false;
  const waiting = net.proxy.flushed(AbortSignal.timeout(10_000)).then(() => (flushed = true));
  await net.clock.advance(150);
  assert.equal(flushed, false);
  await net.clock.advance(10_000);
  await waiting;
  assert.equal(net.kernel.elements.get('services 10.96.1.1 . tcp . 80'), 'goto refuse');
});

test('a pod that is about to stop is taken out at once, and stays in if it is the last that serves', async () => {
  await using net = start();
  net.informers.set(service('web', { clusterIP: '10.96.1.1', ports: http }));
  const ready = [
    { ip: '10.244.0.2', pod: 'a' },
    { ip: '10.244.0.3', pod: 'b' },
  ];
  net.informers.set(slice('web', backend, ready));
  await net.clock.advance(50);
  assert.equal(net.index.stop('a'), true);
  await net.clock.advance(50);
  assert.equal(net.kernel.elements.get('endpoints 0 . 10.96.1.1 . tcp . 80'), '10.244.0.3 . 8080');
  assert.equal(net.kernel.elements.get('services 10.96.1.1 . tcp . 80'), 'goto endpoints-1');
  net.index.stop('b');
  await net.clock.advance(50);
  assert.equal(net.kernel.elements.get('services 10.96.1.1 . tcp . 80'), 'goto endpoints-2');
  assert.equal(net.index.stop('c'), false);
});
