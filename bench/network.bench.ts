import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { encode } from 'dns-packet';
import { silentLog } from '#lib/log.ts';
import { systemClock } from '#lib/clock.ts';
import { parseBlock } from '#network/ipv4.ts';
import { responder } from '#network/dns/responder.ts';
import { DnsServer } from '#network/dns/server.ts';
import { Zone } from '#network/dns/zone.ts';
import { FakeInformers, service, slice } from '#network/lab/fixtures.ts';
import { runChecked, runCommand, type RunCommand } from '#network/command.ts';
import { ServiceIndex } from '#network/service-index.ts';
import { NftTable } from '#network/service-proxy/nft.ts';
import { ServiceProxy } from '#network/service-proxy/proxy.ts';
import { percentile, type Benchmark, type Row } from './row.ts';

const services = 1_000;
const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
const slicePorts = [{ name: 'http', port: 8080, protocol: 'TCP' }];
const clusterIp = (i: number) => `10.96.${1 + (i >> 8)}.${i & 255}`;
const podIp = (i: number) => `10.244.${(i >> 8) & 255}.${i & 255}`;

function addService(informers: FakeInformers, i: number, endpoints = 3): void {
  informers.set(service(`s${i}`, { clusterIP: clusterIp(i), ports }));
  const targets = Array.from({ length: endpoints }, (_, j) => ({ ip: podIp(i * 3 + j + 2) }));
  informers.set(slice(`s${i}`, slicePorts, targets));
}

/** Kernel writes, from a change in the caches to nft's acknowledgement, in a network namespace of their own. */
async function applyTimes(): Promise<readonly Row[]> {
  const signal = AbortSignal.timeout(120_000);
  const namespace = `tutti-bench-${process.pid}`;
  await runChecked(runCommand, 'ip', ['netns', 'add', namespace], { signal });
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  const awake = setInterval(() => {}, 1_000); // Tutti's own timers keep no process alive
  try {
    const inside: RunCommand = (program, args, options) =>
      runCommand('nsenter', [`--net=/run/netns/${namespace}`, program, ...args], options);
    const informers = new FakeInformers();
    const index = new ServiceIndex(informers);
    const tableFacts = {
      table: 'tutti-bench',
      bridge: 'tutti0',
      podCidr: '10.244.0.0/24',
      clusterCidr: '10.244.0.0/16',
      serviceCidr: '10.96.0.0/12',
      ownAddresses: ['10.96.0.10'],
      bridgeNetfilter: true,
    };
    const proxy = new ServiceProxy({
      facts: { nodeName: 'n1', zone: undefined, ownAddresses: tableFacts.ownAddresses },
      tableFacts,
      index,
      kernel: new NftTable(tableFacts, inside),
      flows: { forget: async () => {} },
      clock: systemClock,
      log: silentLog,
    });
    running = proxy.run(stop.signal);
    index.start();
    const timed = async (change: () => void) => {
      const start = performance.now();
      change();
      await proxy.flushed(signal);
      return performance.now() - start;
    };
    const all = Array.from({ length: services }, (_, i) => i);
    for (const i of all) addService(informers, i);
    await proxy.flushed(signal);
    const whole: number[] = [];
    const added: number[] = [];
    const changed: number[] = [];
    for (let i = 0; i < 5; i++) whole.push(await timed(() => proxy.rewrite()));
    for (let i = 0; i < 20; i++) added.push(await timed(() => addService(informers, services + i)));
    for (let i = 0; i < 200; i++) changed.push(await timed(() => addService(informers, i, 2)));
    const row = (name: string, values: readonly number[], share: number, budget: number): Row => {
      return { name, value: percentile(values, share), unit: 'ms', budget, samples: values.length };
    };
    return [
      row('network.rewrite-1000', whole, 0.5, 100),
      row('network.add-service', added, 0.5, 50),
      row('network.change-endpoint-p99', changed, 0.99, 50),
    ];
  } finally {
    stop.abort(new Error('done'));
    await running;
    clearInterval(awake);
    await runCommand('ip', ['netns', 'del', namespace], { signal: AbortSignal.timeout(5_000) });
  }
}

/** Questions a second over one socket, client and server sharing this thread, and how long one waits among them. */
async function askMany(): Promise<readonly Row[]> {
  const informers = new FakeInformers();
  const index = new ServiceIndex(informers);
  using zone = new Zone(index);
  index.start();
  for (let i = 0; i < services; i++) addService(informers, i);
  const facts = { domain: 'cluster.local', dnsIp: '127.0.0.1', ownBlocks: [parseBlock('10.0.0.0/8')] };
  const forwarder = { ask: async () => undefined };
  const respond = responder({ zone, facts, forwarder, random: Math.random });
  const address = '127.0.0.1';
  await using server = await DnsServer.listen({ address, port: 0, respond, isAllowed: () => true, log: silentLog });
  const client = createSocket({ type: 'udp4', recvBufferSize: 1024 * 1024 });
  const questions = 50_000;
  const underWayMax = 64;
  const sentAt = new Float64Array(65_536);
  const waits: number[] = [];
  const done = Promise.withResolvers<void>();
  let sent = 0;
  const ask = () => {
    const id = sent++ & 0xffff;
    const name = `s${(id * 7) % services}.default.svc.cluster.local`;
    sentAt[id] = performance.now();
    client.send(encode({ type: 'query', id, flags: 0x0100, questions: [{ name, type: 'A' }] }), server.port, address);
  };
  client.on('message', (reply) => {
    waits.push(performance.now() - (sentAt[reply.readUInt16BE(0)] ?? 0));
    if (waits.length === questions) done.resolve();
    else if (sent < questions) ask();
  });
  client.bind(0, address);
  await once(client, 'listening');
  const start = performance.now();
  for (let i = 0; i < underWayMax; i++) ask();
  await done.promise;
  const seconds = (performance.now() - start) / 1000;
  client.close();
  return [
    { name: 'dns.queries', value: questions / seconds, unit: 'per second', budget: 20_000, samples: questions },
    { name: 'dns.p99', value: percentile(waits, 0.99), unit: 'ms', budget: 10, samples: questions },
  ];
}

export const benchmarks: readonly Benchmark[] = [
  {
    names: ['network.rewrite-1000', 'network.add-service', 'network.change-endpoint-p99'],
    run: async () => (process.getuid?.() === 0 ? applyTimes() : []),
  },
  { names: ['dns.queries', 'dns.p99'], run: askMany },
];
