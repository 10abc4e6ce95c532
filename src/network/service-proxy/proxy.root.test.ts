import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { FakeInformers, service, slice } from '../lab/fixtures.ts';
import { Lab } from '../lab/lab.ts';
import { ServiceIndex } from '../service-index.ts';
import { elementsOf, hostPortElements } from './elements.ts';
import { NftTable } from './nft.ts';
import { ServiceProxy } from './proxy.ts';
import { frontendsOf } from './service-frontends.ts';
import { FlowCleaner } from './stale-flows.ts';
import type { TableFacts } from './table.ts';

const tableFacts: TableFacts = {
  table: 'tutti-proxy-test',
  bridge: 'tutti0',
  podCidr: '10.244.0.0/24',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/12',
  ownAddresses: ['10.96.0.10'],
  bridgeNetfilter: true,
};
const http = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }];
const httpSlice = [{ name: 'http', port: 8080, protocol: 'TCP' }];

describe('the service proxy, with real packets', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  const stop = new AbortController();
  const soon = () => AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]);
  const informers = new FakeInformers();
  let lab: Lab;
  let proxy: ServiceProxy;
  let running: Promise<void>;

  before(async () => {
    lab = await Lab.open(AbortSignal.timeout(60_000));
    for (const [name, ip] of [
      ['a', '10.244.0.11'],
      ['b', '10.244.0.12'],
      ['c', '10.244.0.13'],
    ] as const) {
      await lab.addPod(name, ip);
      await lab.listen(name, 'tcp', 8080);
      await lab.listen(name, 'udp', 8080);
    }
    await lab.addPod('client', '10.244.0.21');
    const index = new ServiceIndex(informers);
    const kernel = new NftTable(tableFacts, lab.runIn('node'));
    proxy = new ServiceProxy({
      facts: { nodeName: 'n1', zone: undefined, ownAddresses: tableFacts.ownAddresses },
      tableFacts,
      index,
      kernel,
      flows: new FlowCleaner(lab.runIn('node'), silentLog),
      clock: systemClock,
      log: silentLog,
    });
    running = proxy.run(stop.signal);
    index.start();
    await proxy.flushed(soon());
  });

  after(async () => {
    stop.abort();
    await running;
    await lab[Symbol.asyncDispose]();
  });

  const all = [{ ip: '10.244.0.11' }, { ip: '10.244.0.12' }, { ip: '10.244.0.13' }];
  const names = (replies: readonly string[]) => new Set(replies.map((reply) => reply.split(' ')[0]));
  const tcp = (host: string, port: number, times = 1) => ({ protocol: 'tcp' as const, host, port, times });

  test('a cluster IP reaches every endpoint from a pod, from the node and from outside', async () => {
    informers.set(service('web', { clusterIP: '10.96.1.1', ports: http }));
    informers.set(slice('web', httpSlice, all));
    await proxy.flushed(soon());
    assert.deepEqual(names(await lab.ask('client', tcp('10.96.1.1', 80, 40))), new Set(['a', 'b', 'c']));
    assert.deepEqual(names(await lab.ask('node', tcp('10.96.1.1', 80, 40))), new Set(['a', 'b', 'c']));
    await lab.ip('outside', 'route add 10.96.0.0/12 via 192.0.2.2');
    assert.deepEqual(names(await lab.ask('outside', tcp('10.96.1.1', 80, 40))), new Set(['a', 'b', 'c']));
    assert.equal((await lab.ask('client', tcp('10.96.1.1', 80)))[0]?.split(' ')[1], '10.244.0.21');
  });

  test('a pod reaches itself through its own service', async () => {
    informers.set(service('self', { clusterIP: '10.96.1.2', ports: http }));
    informers.set(slice('self', httpSlice, [{ ip: '10.244.0.11' }]));
    await proxy.flushed(soon());
    assert.deepEqual(await lab.ask('a', tcp('10.96.1.2', 80, 3)), Array(3).fill('a 10.244.0.1'));
  });

  test('a service without endpoints, an undeclared port and an unknown cluster IP refuse at once', async () => {
    informers.set(
      service('empty', { clusterIP: '10.96.1.3', ports: [...http, { name: 'u', port: 53, protocol: 'UDP' }] }),
    );
    await proxy.flushed(soon());
    for (const place of ['client', 'node', 'outside']) {
      for (const [host, port] of [
        ['10.96.1.3', 80],
        ['10.96.1.1', 81],
        ['10.96.9.9', 80],
      ] as const) {
        assert.deepEqual(await lab.ask(place, tcp(host, port)), ['ECONNREFUSED'], `${place} → ${host}:${port}`);
      }
      assert.deepEqual(await lab.ask(place, { protocol: 'udp', host: '10.96.1.3', port: 53 }), ['ECONNREFUSED'], place);
    }
  });

  test('one port serves TCP and UDP side by side', async () => {
    const ports = [
      { name: 't', port: 53, protocol: 'TCP' },
      { name: 'u', port: 53, protocol: 'UDP' },
    ];
    informers.set(service('both', { clusterIP: '10.96.1.4', ports }));
    informers.set(slice('both', [{ name: 't', port: 8080, protocol: 'TCP' }], [{ ip: '10.244.0.11' }], 'both-t'));
    informers.set(slice('both', [{ name: 'u', port: 8080, protocol: 'UDP' }], [{ ip: '10.244.0.12' }], 'both-u'));
    await proxy.flushed(soon());
    assert.deepEqual(await lab.ask('client', tcp('10.96.1.4', 53)), ['a 10.244.0.21']);
    assert.deepEqual(await lab.ask('client', { protocol: 'udp', host: '10.96.1.4', port: 53 }), ['b 10.244.0.21']);
    assert.deepEqual(
      await lab.ask('node', { protocol: 'udp', host: '10.96.1.4', port: 53 }).then((r) => names(r)),
      new Set(['b']),
    );
  });

  test('a node port answers on every address of the node but loopback, and leaves routed traffic alone', async () => {
    informers.set(
      service('np', { type: 'NodePort', clusterIP: '10.96.1.5', ports: [{ ...http[0]!, nodePort: 30080 }] }),
    );
    informers.set(slice('np', httpSlice, all));
    await proxy.flushed(soon());
    assert.deepEqual(names(await lab.ask('outside', tcp('192.0.2.2', 30080, 40))), new Set(['a', 'b', 'c']));
    assert.equal((await lab.ask('outside', tcp('192.0.2.2', 30080)))[0]?.endsWith('192.0.2.1'), true);
    assert.deepEqual(names(await lab.ask('client', tcp('10.244.0.1', 30080, 40))), new Set(['a', 'b', 'c']));
    assert.deepEqual(names(await lab.ask('node', tcp('192.0.2.2', 30080, 40))), new Set(['a', 'b', 'c']));
    assert.deepEqual(await lab.ask('node', tcp('127.0.0.1', 30080)), ['ECONNREFUSED']);
    await lab.listen('outside', 'tcp', 30080);
    assert.deepEqual(await lab.ask('client', tcp('192.0.2.1', 30080)), ['outside 192.0.2.2']);
  });

  test('externalTrafficPolicy Local keeps strangers on this node, and drops them where there is nobody', async () => {
    const spec = {
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      clusterIP: '10.96.1.6',
      ports: [{ ...http[0]!, nodePort: 30081 }],
    };
    informers.set(service('local', spec));
    informers.set(slice('local', httpSlice, [{ ip: '10.244.0.11' }, { ip: '10.244.0.12', node: 'n2' }]));
    await proxy.flushed(soon());
    assert.deepEqual(new Set(await lab.ask('outside', tcp('192.0.2.2', 30081, 20))), new Set(['a 192.0.2.1']));
    assert.deepEqual(names(await lab.ask('client', tcp('10.244.0.1', 30081, 40))), new Set(['a', 'b']));
    informers.set(slice('local', httpSlice, [{ ip: '10.244.0.12', node: 'n2' }]));
    await proxy.flushed(soon());
    assert.deepEqual(await lab.ask('outside', tcp('192.0.2.2', 30081)), ['timeout']);
    assert.deepEqual(names(await lab.ask('node', tcp('192.0.2.2', 30081, 2))), new Set(['b']));
  });

  test('with session affinity a client stays where it was, until that endpoint goes', async () => {
    const spec = {
      type: 'NodePort',
      sessionAffinity: 'ClientIP',
      clusterIP: '10.96.1.7',
      ports: [{ ...http[0]!, nodePort: 30082 }],
    };
    informers.set(service('sticky', spec));
    informers.set(slice('sticky', httpSlice, all));
    await proxy.flushed(soon());
    for (const [place, host, port] of [
      ['client', '10.96.1.7', 80],
      ['outside', '192.0.2.2', 30082],
      ['node', '10.96.1.7', 80],
    ] as const) {
      const first = names(await lab.ask(place, tcp(host, port, 30)));
      assert.equal(first.size, 1, `${place} was sent to ${[...first].join(', ')}`);
    }
    const [mine = ''] = names(await lab.ask('client', tcp('10.96.1.7', 80)));
    const others = all.filter((_, i) => ['a', 'b', 'c'][i] !== mine);
    informers.set(slice('sticky', httpSlice, others));
    await proxy.flushed(soon());
    const next = names(await lab.ask('client', tcp('10.96.1.7', 80, 20)));
    assert.equal(next.size, 1);
    assert.equal(next.has(mine), false);
  });

  test('a host port leads to its pod', async () => {
    const target = { ip: '10.244.0.13', port: 8080 };
    proxy.setHostPorts('default/c', hostPortElements([{ hostIp: undefined, protocol: 'tcp', hostPort: 8088, target }]));
    await proxy.flushed(soon());
    assert.deepEqual(await lab.ask('outside', tcp('192.0.2.2', 8088)), ['c 192.0.2.1']);
    assert.deepEqual(names(await lab.ask('c', tcp('192.0.2.2', 8088))), new Set(['c']));
    proxy.setHostPorts('default/c', []);
    await proxy.flushed(soon());
    assert.deepEqual(await lab.ask('outside', tcp('192.0.2.2', 8088)), ['ECONNREFUSED']);
  });

  test('a steady UDP client is moved when its endpoint goes', async () => {
    const udp = [{ name: 'u', port: 8080, protocol: 'UDP' }];
    informers.set(service('udp', { clusterIP: '10.96.1.8', ports: [{ name: 'u', port: 99, protocol: 'UDP' }] }));
    informers.set(slice('udp', udp, [{ ip: '10.244.0.11' }]));
    await proxy.flushed(soon());
    const ask = { protocol: 'udp' as const, host: '10.96.1.8', port: 99, localPort: 5555 };
    assert.deepEqual(await lab.ask('client', ask), ['a 10.244.0.21']);
    informers.set(slice('udp', udp, [{ ip: '10.244.0.12' }]));
    await proxy.flushed(soon());
    assert.deepEqual(await lab.ask('client', ask), ['b 10.244.0.21']);
  });

  test('no connection fails while endpoints come and go', async () => {
    const [a, b, c] = all;
    assert.ok(a && b && c);
    const over = new AbortController();
    const loads = ['client', 'node', 'outside'].map(async (place) => {
      const replies: string[] = [];
      while (!over.signal.aborted) replies.push(...(await lab.ask(place, tcp('10.96.1.1', 80, 25))));
      return replies;
    });
    for (let i = 0; i < 40; i++) {
      informers.set(slice('web', httpSlice, [[a, b], [b, c], [c], [c, a], [a, b, c]][i % 5] ?? all));
      await proxy.flushed(soon());
    }
    over.abort();
    const replies = (await Promise.all(loads)).flat();
    assert.deepEqual(
      replies.filter((reply) => !/^[abc] /.test(reply)),
      [],
    );
    informers.set(slice('web', httpSlice, all));
    await proxy.flushed(soon());
  });

  test('a flushed ruleset is noticed and repaired within 5 s', async () => {
    const signal = AbortSignal.timeout(5_500);
    await lab.runIn('node')('nft', ['flush', 'ruleset'], { signal });
    const startedAt = Date.now();
    for (;;) {
      const { stdout } = await lab.runIn('node')('nft', ['list', 'tables'], { signal });
      if (stdout.includes(tableFacts.table)) break;
      await systemClock.sleep(50, signal);
    }
    assert.ok(Date.now() - startedAt <= 5_000);
    assert.deepEqual(names(await lab.ask('client', tcp('10.96.1.1', 80, 40))), new Set(['a', 'b', 'c']));
  });

  test('what deltas left in the kernel is what a full write would leave', async () => {
    const list = () =>
      lab.runIn('node')('nft', ['-s', 'list', 'table', 'ip', tableFacts.table], { signal: stop.signal });
    for (const name of ['web', 'np', 'local', 'sticky', 'both']) informers.delete(service(name, {}));
    informers.set(slice('self', httpSlice, all));
    await proxy.flushed(soon());
    const viaDeltas = (await list()).stdout;
    const nft = lab.runIn('node');
    await nft('nft', ['delete', 'table', 'ip', tableFacts.table], { signal: stop.signal });
    proxy.rewrite();
    await proxy.flushed(soon());
    // Chains may stay in stock, so only elements are compared.
    const sorted = (text: string) =>
      text
        .replace(/[{}]|elements =/g, '')
        .split(/[\n,]/)
        .map((line) => line.trim())
        .filter((line) => /^\d/.test(line))
        .sort();
    const whole = (await list()).stdout;
    assert.deepEqual(sorted(viaDeltas), sorted(whole));
  });
});

test(
  'where bridged frames skip the IP hooks, neighbours still reach each other through services',
  { skip: process.getuid?.() === 0 ? false : 'needs root' },
  async () => {
    const signal = AbortSignal.timeout(30_000);
    await using lab = await Lab.open(signal);
    await lab.runIn('node')('sysctl', ['-qw', 'net.bridge.bridge-nf-call-iptables=0'], { signal });
    await lab.addPod('a', '10.244.0.11');
    await lab.addPod('client', '10.244.0.21');
    await lab.listen('a', 'tcp', 8080);
    const facts = { ...tableFacts, bridgeNetfilter: false };
    const view = {
      service: service('web', { clusterIP: '10.96.1.1', ports: http }),
      slices: [slice('web', httpSlice, [{ ip: '10.244.0.11' }])],
    };
    const elements = elementsOf(frontendsOf(view, { nodeName: 'n1', zone: undefined, ownAddresses: [] }));
    await new NftTable(facts, lab.runIn('node')).rebuild(elements, signal);
    const order = { protocol: 'tcp' as const, host: '10.96.1.1', port: 80 };
    assert.deepEqual(await lab.ask('client', order), ['a 10.244.0.1']);
    assert.deepEqual(await lab.ask('a', order), ['a 10.244.0.1']);
  },
);
