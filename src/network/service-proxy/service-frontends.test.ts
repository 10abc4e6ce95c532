import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service, slice, type EndpointFixture } from '../lab/fixtures.ts';
import type { ProxyFacts } from './frontend.ts';
import { frontendsOf } from './service-frontends.ts';

const facts: ProxyFacts = { nodeName: 'n1', zone: 'z1', ownAddresses: ['10.96.0.10'] };
const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
const slicePorts = [{ name: 'http', port: 8080, protocol: 'TCP' }];
const terminating = { ready: false, serving: true, terminating: true };
const down = { ready: false, serving: false, terminating: false };

const compile = (spec: object, endpoints: readonly EndpointFixture[], ownFacts = facts) =>
  frontendsOf(
    { service: service('s', { clusterIP: '10.96.1.1', ports, ...spec }), slices: [slice('s', slicePorts, endpoints)] },
    ownFacts,
  );
const targetsOf = (spec: object, endpoints: readonly EndpointFixture[], ownFacts = facts) =>
  compile(spec, endpoints, ownFacts).frontends[0]?.backends.targets.map(({ ip }) => ip);

test('ready endpoints serve, in a fixed order and each once', () => {
  const endpoints = [
    { ip: '10.244.0.9' },
    { ip: '10.244.0.10' },
    { ip: '10.244.0.9' },
    { ip: '10.244.0.8', conditions: down },
  ];
  assert.deepEqual(targetsOf({}, endpoints), ['10.244.0.9', '10.244.0.10']);
});

test('endpoints that are being stopped serve only when nobody else does', () => {
  const stopping = { ip: '10.244.0.8', conditions: terminating };
  assert.deepEqual(targetsOf({}, [stopping, { ip: '10.244.0.9' }]), ['10.244.0.9']);
  assert.deepEqual(targetsOf({}, [stopping, { ip: '10.244.0.9', conditions: down }]), ['10.244.0.8']);
});

test('endpoints that no traffic may go to are left out', () => {
  assert.deepEqual(
    targetsOf(
      {},
      ['127.0.0.1', '169.254.169.254', '224.0.0.1', 'fd00::1'].map((ip) => ({ ip })),
    ),
    [],
  );
});

test('the Local policies keep to this node, and drop where only others have endpoints', () => {
  const endpoints = [{ ip: '10.244.0.9' }, { ip: '10.244.1.9', node: 'n2' }];
  assert.deepEqual(targetsOf({ internalTrafficPolicy: 'Local' }, endpoints), ['10.244.0.9']);
  const away = compile({ internalTrafficPolicy: 'Local' }, [{ ip: '10.244.1.9', node: 'n2' }]);
  assert.deepEqual(away.frontends[0]?.backends, { targets: [], whenEmpty: 'ignore' });
  assert.equal(compile({ internalTrafficPolicy: 'Local' }, []).frontends[0]?.backends.whenEmpty, 'refuse');
  const nodePort = compile(
    { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ ...ports[0], nodePort: 30080 }] },
    endpoints,
  ).frontends[1];
  assert.equal(nodePort?.address, undefined);
  assert.equal(nodePort?.backends.targets.length, 2);
  assert.deepEqual(nodePort?.outside?.targets, [{ ip: '10.244.0.9', port: 8080 }]);
});

test('hints count only if every endpoint has them and one of them is for this node or its zone', () => {
  const hinted = (zones: readonly (string | undefined)[]) => {
    const base = slice(
      's',
      slicePorts,
      zones.map((_, i) => ({ ip: `10.244.0.${i + 1}` })),
    );
    const endpoints = base.endpoints.map((endpoint, i) => {
      const zone = zones[i];
      return zone === undefined ? endpoint : { ...endpoint, hints: { forZones: [{ name: zone }] } };
    });
    const view = { service: service('s', { clusterIP: '10.96.1.1', ports }), slices: [{ ...base, endpoints }] };
    return frontendsOf(view, facts).frontends[0]?.backends.targets.length;
  };
  assert.deepEqual([hinted(['z1', 'z2']), hinted(['z1', undefined]), hinted(['z2', 'z3'])], [1, 2, 2]);
});

test('external IPs and guarded load balancers are not opened, open ones are', () => {
  const addresses = (spec: object, status = {}) =>
    frontendsOf(
      { service: { ...service('s', { clusterIP: '10.96.1.1', ports, ...spec }), status }, slices: [] },
      facts,
    ).frontends.map(({ address }) => address);
  const status = {
    loadBalancer: { ingress: [{ ip: '203.0.113.7' }, { ip: '203.0.113.8', ipMode: 'Proxy' }, { hostname: 'x' }] },
  };
  assert.deepEqual(addresses({ externalIPs: ['8.8.8.8'] }), ['10.96.1.1']);
  assert.deepEqual(addresses({ type: 'LoadBalancer' }, status), ['10.96.1.1', '203.0.113.7']);
  assert.deepEqual(addresses({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] }, status), [
    '10.96.1.1',
  ]);
});

test('headless services, aliases and our own addresses have no frontends', () => {
  assert.deepEqual(compile({ clusterIP: 'None' }, [{ ip: '10.244.0.9' }]).frontends, []);
  assert.deepEqual(compile({ type: 'ExternalName', externalName: 'example.com' }, []).frontends, []);
  assert.deepEqual(compile({ clusterIP: '10.96.0.10' }, []).frontends, []);
  assert.deepEqual(frontendsOf({ service: undefined, slices: [] }, facts).frontends, []);
});

test('session affinity lasts three hours unless told otherwise, a day at most', () => {
  const seconds = (spec: object) => compile(spec, []).frontends[0]?.affinitySeconds;
  const of = (timeoutSeconds: number) => ({
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds } },
  });
  assert.deepEqual(
    [seconds({}), seconds({ sessionAffinity: 'ClientIP' }), seconds(of(60)), seconds(of(1e9))],
    [undefined, 10_800, 60, 86_400],
  );
});
