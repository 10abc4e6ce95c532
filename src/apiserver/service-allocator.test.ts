import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Service } from '#api/core/service.ts';
import { silentLog } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import { memoryStore } from '#store/memory.ts';
import { InProcessClient } from './in-process-client.ts';
import { ServiceAllocator } from './service-allocator.ts';
import { admin, testApi } from './testing.ts';

async function open(options: { store?: ReturnType<typeof memoryStore>; clusterCidr?: string } = {}) {
  const { store = memoryStore(), clusterCidr = '10.96.0.0/28' } = options;
  const nodePorts = { first: 30_000, last: 30_003 };
  const api = await testApi({
    store,
    hooks: (registry) => [new ServiceAllocator(registry, { clusterCidr, nodePorts, random: () => 0, log: silentLog })],
  });
  const client = new InProcessClient(api, { user: admin });
  return {
    client,
    create: (name: string, spec: object = {}, also: { dryRun?: boolean } = {}) =>
      client.create(
        Service,
        { metadata: { name, namespace: 'a' }, spec: { ports: [{ port: 80 }], ...spec } },
        { signal: AbortSignal.timeout(5_000), ...also },
      ),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

test('each Service gets an address of its own, also when many are made at once', async () => {
  await using cluster = await open({ clusterCidr: '10.96.0.0/24' });
  const services = await Promise.all(Array.from({ length: 100 }, (_, i) => cluster.create(`s${i}`)));
  assert.equal(new Set(services.map(({ spec }) => spec?.clusterIP)).size, 100);
  assert.deepEqual(services[0]?.spec?.clusterIPs, [services[0]?.spec?.clusterIP]);
  assert.deepEqual(services[0]?.spec?.ipFamilies, ['IPv4']);
});

test('an address that is asked for is refused if it is taken or out of range', async () => {
  await using cluster = await open();
  await cluster.create('one', { clusterIP: '10.96.0.5' });
  await assert.rejects(
    cluster.create('two', { clusterIP: '10.96.0.5' }),
    /failed to allocate IP 10.96.0.5: provided IP is already allocated/,
  );
  await assert.rejects(cluster.create('two', { clusterIP: '192.168.0.1' }), /The range of valid IPs is 10.96.0.0\/28/);
});

test('an address is free again after a deletion, a failed create and a dry run', async ({ signal }) => {
  await using cluster = await open();
  const wish = { clusterIP: '10.96.0.5' };
  await cluster.create('dry', wish, { dryRun: true });
  await cluster.create('one', wish);
  await assert.rejects(cluster.create('one', { clusterIP: '10.96.0.6' }), (error) => hasReason(error, 'AlreadyExists'));
  await cluster.client.delete(Service, { namespace: 'a', name: 'one' }, { signal });
  await cluster.create('two', wish);
  await cluster.create('three', { clusterIP: '10.96.0.6' });
});

test('headless and external Services get no address', async () => {
  await using cluster = await open();
  assert.equal((await cluster.create('headless', { clusterIP: 'None' })).spec?.clusterIP, 'None');
  const external = await cluster.create('external', { type: 'ExternalName', externalName: 'example.com', ports: [] });
  assert.equal(external.spec?.clusterIP, undefined);
});

test('node ports are handed out, shared by TCP and UDP of one port, kept by updates and refused when taken', async ({
  signal,
}) => {
  await using cluster = await open();
  const ports = [
    { name: 'tcp', port: 53, protocol: 'TCP' },
    { name: 'udp', port: 53, protocol: 'UDP' },
  ];
  const dns = await cluster.create('dns', { type: 'NodePort', ports });
  assert.deepEqual(
    dns.spec?.ports?.map(({ nodePort }) => nodePort),
    [30_000, 30_000],
  );
  await assert.rejects(
    cluster.create('other', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_000 }] }),
    /spec.ports\[0\].nodePort: Invalid value: 30000: provided port is already allocated/,
  );
  await assert.rejects(
    cluster.create('other', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
    /The range of valid ports is 30000-30003/,
  );
  const { metadata, spec } = dns;
  const put = { metadata: { name: 'dns', namespace: 'a' }, spec: { type: 'NodePort', ports } } as Service;
  const updated = await cluster.client.update(Service, put, { signal });
  assert.equal(updated.metadata?.resourceVersion, metadata?.resourceVersion);
  assert.deepEqual(updated.spec, spec);
});

test('a new server takes up what is stored', async () => {
  const store = memoryStore();
  const first = await open({ store });
  const { spec } = await first.create('one', { type: 'NodePort' });
  await first[Symbol.asyncDispose]();
  await using second = await open({ store });
  await assert.rejects(second.create('two', { clusterIP: spec?.clusterIP }), /already allocated/);
  const port = spec?.ports?.[0]?.nodePort;
  await assert.rejects(
    second.create('two', { type: 'NodePort', ports: [{ port: 80, nodePort: port }] }),
    /already allocated/,
  );
});
