import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as assertProperty, boolean, nat, property, record } from 'fast-check';
import { Endpoints } from '#api/core/endpoints.ts';
import { Pod } from '#api/core/pod.ts';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { endpointSliceController } from './endpoint-slice.ts';
import { planSlices } from './endpoint-slice-plan.ts';
import { endpointsController } from './endpoints.ts';
import { TestCluster } from './testing/test-cluster.ts';

interface Facts {
  ready?: boolean;
  deleting?: boolean;
  ip?: string;
  phase?: string;
  port?: number;
  hostname?: string;
}

function pod(name: string, facts: Facts = {}): Pod {
  const {
    ready = true,
    deleting = false,
    ip = `10.0.0.${name.length}`,
    phase = 'Running',
    port = 8080,
    hostname,
  } = facts;
  return {
    metadata: {
      name,
      namespace: 'ns',
      uid: `uid-${name}`,
      labels: { app: 'web' },
      ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port, protocol: 'TCP' }] }],
      ...(hostname === undefined ? {} : { hostname, subdomain: 'web' }),
    },
    status: {
      phase,
      ...(ip === '' ? {} : { podIP: ip, podIPs: [{ ip }] }),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  };
}

function service(more: Partial<NonNullable<Service['spec']>> = {}): Service {
  return {
    metadata: { name: 'web', namespace: 'ns', uid: 'svc', labels: { team: 'a' } },
    spec: {
      selector: { app: 'web' },
      clusterIP: '10.96.0.5',
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }],
      ...more,
    },
  };
}

const zoneOf = () => undefined;
const plan = (pods: readonly Pod[], slices: readonly EndpointSlice[] = [], svc = service()) =>
  planSlices({ service: svc, pods, slices, zoneOf });

test('planSlices() describes pods as endpoints with their conditions, ports and origin', () => {
  const { create, update, remove } = plan([pod('a'), pod('bb', { ready: false }), pod('ccc', { deleting: true })]);
  assert.deepEqual([update, remove], [[], []]);
  assert.deepEqual(create, [
    {
      metadata: {
        generateName: 'web-',
        namespace: 'ns',
        labels: {
          team: 'a',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'svc', controller: true, blockOwnerDeletion: true },
        ],
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [
        ['a', '10.0.0.1', true, true, false] as const,
        ['bb', '10.0.0.2', false, false, false] as const,
        ['ccc', '10.0.0.3', false, true, true] as const,
      ].map(([name, ip, ready, serving, terminating]) => ({
        addresses: [ip],
        conditions: { ready, serving, terminating },
        nodeName: 'n1',
        targetRef: { kind: 'Pod', name, namespace: 'ns', uid: `uid-${name}` },
      })),
    },
  ]);
});

test('planSlices() is content with what it asked for once the server has filled in defaults', () => {
  const pods = [pod('a'), pod('bb')];
  for (const ports of [[{ name: 'http', port: 80, targetPort: 'http' }], [{ port: 80, targetPort: 8080 }], []]) {
    const svc = service({ ports, ...(ports.length === 0 ? { clusterIP: 'None' } : {}) });
    const stored = plan(pods, [], svc).create.map((slice) => EndpointSlice.defaults?.(slice) ?? slice);
    assert.equal(stored.length, 1);
    assert.deepEqual(plan(pods, stored, svc), { create: [], update: [], remove: [] });
  }
});

test('planSlices() leaves out pods that ended, have no address, or lack the port', () => {
  const pods = [pod('a', { phase: 'Succeeded' }), pod('b', { ip: '' }), { ...pod('c'), spec: { containers: [] } }];
  const { create } = plan(pods);
  assert.deepEqual(
    create.map(({ endpoints, ports }) => [endpoints, ports]),
    [[[], []]],
  );
});

test('planSlices() publishes pods that are not ready where the service says so, and names of headless services', () => {
  const headless = service({ clusterIP: 'None', publishNotReadyAddresses: true });
  const [slice] = plan([pod('a', { ready: false, hostname: 'first' })], [], headless).create;
  assert.deepEqual(slice?.endpoints[0]?.conditions, { ready: true, serving: false, terminating: false });
  assert.equal(slice?.endpoints[0]?.hostname, 'first');
  assert.equal(slice?.metadata?.labels?.['service.kubernetes.io/headless'], '');
});

test('planSlices() keeps pods apart that offer the named port under different numbers', () => {
  const { create } = plan([pod('a'), pod('bb', { port: 9090 })]);
  assert.deepEqual(
    create.map(({ ports }) => ports?.[0]?.port),
    [8080, 9090],
  );
});

/** Applies a plan to a set of slices, as the controller would. */
function applied(
  slices: readonly EndpointSlice[],
  { create, update, remove }: ReturnType<typeof plan>,
): EndpointSlice[] {
  const name = (slice: EndpointSlice) => slice.metadata?.name;
  const rest = slices
    .filter((slice) => !remove.includes(slice))
    .map((slice) => update.find((each) => name(each) === name(slice)) ?? slice);
  return [...rest, ...create.map((slice) => ({ ...slice, metadata: { ...slice.metadata, name: `s${serial++}` } }))];
}
let serial = 0;

test('whatever pods come and go, slices say exactly what they are, hold at most 100, and rest when nothing changes', () => {
  const change = array(record({ id: nat(400), ready: boolean(), deleting: boolean() }), { maxLength: 300 });
  assertProperty(
    property(array(change, { maxLength: 5 }), (rounds) => {
      let slices: EndpointSlice[] = [];
      for (const facts of rounds) {
        const pods = [...new Map(facts.map((each) => [each.id, each])).values()].map(({ id, ...more }) =>
          pod(`p${id}`, { ...more, ip: `10.1.${id >> 8}.${id & 255}` }),
        );
        slices = applied(slices, plan(pods, slices));
        assert.ok(slices.every(({ endpoints }) => endpoints.length <= 100));
        const said = slices.flatMap(({ endpoints }) =>
          endpoints.map((each) => `${each.targetRef?.name} ${each.conditions?.ready}`),
        );
        const truth = pods.map(
          ({ metadata, status }) =>
            `${metadata?.name} ${status?.conditions?.[0]?.status === 'True' && metadata?.deletionTimestamp === undefined}`,
        );
        assert.deepEqual(said.toSorted(), truth.toSorted());
        assert.deepEqual(plan(pods, slices), { create: [], update: [], remove: [] });
        assert.ok(slices.length >= 1);
      }
    }),
    { numRuns: 50 },
  );
});

test('one pod that changes among many costs one write', () => {
  const pods = Array.from({ length: 350 }, (_, i) => pod(`p${i}`, { ip: `10.1.${i >> 8}.${i & 255}` }));
  const slices = applied([], plan(pods));
  assert.equal(slices.length, 4);
  const changed = pods.map((each, i) => (i === 120 ? pod('p120', { ip: '10.1.0.120', ready: false }) : each));
  const { create, update, remove } = plan(changed, slices);
  assert.deepEqual([create.length, update.length, remove.length], [0, 1, 0]);
});

test('services with selectors get slices and Endpoints that follow their pods, and lose them when they go', async () => {
  await using cluster = new TestCluster();
  await cluster.create(Service, { ...service(), metadata: { name: 'web', namespace: 'ns' } });
  await cluster.create(Service, { metadata: { name: 'by-hand', namespace: 'ns' }, spec: { ports: [{ port: 80 }] } });
  await cluster.run([endpointSliceController, endpointsController]);
  assert.equal(cluster.client.all(EndpointSlice).length, 1);
  const { status, ...bare } = pod('a');
  const created = await cluster.create(Pod, bare);
  await cluster.setStatus(Pod, created, status);
  await cluster.settle();
  const ready = () =>
    cluster.client.all(EndpointSlice).flatMap(({ endpoints }) => endpoints.map((each) => each.conditions?.ready));
  assert.deepEqual(ready(), [true]);
  assert.deepEqual(cluster.get(Endpoints, 'web')?.subsets, [
    {
      addresses: [
        {
          ip: '10.0.0.1',
          nodeName: 'n1',
          targetRef: { kind: 'Pod', name: 'a', namespace: 'ns', uid: created.metadata?.uid },
        },
      ],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    },
  ]);
  await cluster.client.delete(Pod, { namespace: 'ns', name: 'a' }, { signal: cluster.signal });
  await cluster.settle();
  assert.deepEqual(ready(), [false]);
  assert.deepEqual(cluster.get(Endpoints, 'web')?.subsets, []);
  cluster.finishDeletions();
  await cluster.settle();
  assert.deepEqual(ready(), []);
  cluster.client.remove(Service, { namespace: 'ns', name: 'web' });
  await cluster.settle();
  assert.deepEqual([cluster.client.all(EndpointSlice), cluster.client.all(Endpoints)], [[], []]);
});
