import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as core from '#api/core/types.generated.ts';
import { podOf, spec } from '../testing/pod-facts.ts';
import { environmentObjects, environmentOf, type EnvironmentSources } from './environment.ts';
import { serviceVariables } from './service-env.ts';

const sources: EnvironmentSources = {
  services: new Map([['DB_SERVICE_HOST', '10.0.0.1']]),
  configMap: (name) => (name === 'conf' ? { data: { color: 'blue', 'bad key': 'kept' } } : undefined),
  secret: (name) => (name === 'sec' ? { data: { pw: Buffer.from('x').toString('base64') } } : undefined),
  podIps: ['10.1.0.2'],
  hostIps: ['192.0.2.1'],
  allocatable: { memory: '1Gi', cpu: '1900m' },
};
const resolve = (container: Partial<core.Container>) => {
  const whole = spec('a', container);
  return Object.fromEntries(environmentOf(podOf({ containers: [whole] }), whole, sources));
};

test('Later sources win, values see earlier variables, and missing optional ones leave nothing', () => {
  const found = resolve({
    envFrom: [{ prefix: 'P_', configMapRef: { name: 'conf' } }, { secretRef: { name: 'none', optional: true } }],
    env: [
      { name: 'HOST', value: '$(DB_SERVICE_HOST):$(P_color)' },
      { name: 'DB_SERVICE_HOST', value: 'mine' },
      { name: 'AGAIN', value: '$(DB_SERVICE_HOST)$(LATER)' },
      { name: 'LATER', value: 'x' },
      { name: 'GONE', valueFrom: { configMapKeyRef: { name: 'none', key: 'k', optional: true } } },
    ],
  });
  assert.deepEqual(found, {
    P_color: 'blue',
    'P_bad key': 'kept',
    HOST: '10.0.0.1:blue',
    DB_SERVICE_HOST: 'mine',
    AGAIN: 'mine$(LATER)',
    LATER: 'x',
  });
});

test('Fields and resources of the pod are offered, with the node standing in for missing limits', () => {
  const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
  const resource = (name: string, divisor: string) => ({
    valueFrom: { resourceFieldRef: { resource: name, divisor } },
  });
  const found = resolve({
    resources: { requests: { cpu: '250m' } },
    env: [
      { name: 'UID', ...field('metadata.uid') },
      { name: 'IP', ...field('status.podIP') },
      { name: 'MEM', ...resource('limits.memory', '1Mi') },
      { name: 'CPU', ...resource('requests.cpu', '1') },
      { name: 'MILLI', ...resource('requests.cpu', '1m') },
    ],
  });
  assert.deepEqual(
    { uid: found['UID'], ip: found['IP'], mem: found['MEM'], cpu: found['CPU'], milli: found['MILLI'] },
    { uid: 'u', ip: '10.1.0.2', mem: '1024', cpu: '1', milli: '250' },
  );
});

test('What is missing and not optional is named', () => {
  const from = (valueFrom: core.EnvVarSource) => () => resolve({ env: [{ name: 'X', valueFrom }] });
  assert.throws(from({ configMapKeyRef: { name: 'none', key: 'k' } }), { message: 'configmap "none" not found' });
  assert.throws(from({ secretKeyRef: { name: 'sec', key: 'k' } }), { message: "couldn't find key k in Secret ns/sec" });
  assert.throws(from({ fieldRef: { fieldPath: 'spec.x' } }), { message: 'unsupported fieldPath: spec.x' });
});

test('environmentObjects() names every object that will be asked for', () => {
  const { configMaps, secrets } = environmentObjects(
    spec('a', {
      envFrom: [{ configMapRef: { name: 'a' } }, { secretRef: { name: 'b' } }],
      env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'c', key: 'k' } } }],
    }),
  );
  assert.deepEqual([[...configMaps], [...secrets]], [['a'], ['b', 'c']]);
});

test('Services of the namespace and the API server become variables; headless ones do not', () => {
  const service = (namespace: string, name: string, clusterIP: string, ports: core.ServicePort[]) => ({
    metadata: { namespace, name },
    spec: { clusterIP, ports },
  });
  const found = serviceVariables(
    [
      service('ns', 'my-db', '10.0.0.2', [
        { port: 5432, name: 'sql' },
        { port: 53, protocol: 'UDP' },
      ]),
      service('ns', 'headless', 'None', [{ port: 1 }]),
      service('default', 'kubernetes', '10.0.0.1', [{ port: 443 }]),
      service('other', 'x', '10.0.0.3', [{ port: 1 }]),
    ],
    'ns',
    true,
  );
  assert.equal(found.get('MY_DB_SERVICE_PORT_SQL'), '5432');
  assert.equal(found.get('MY_DB_PORT'), 'tcp://10.0.0.2:5432');
  assert.equal(found.get('MY_DB_PORT_53_UDP_ADDR'), '10.0.0.2');
  assert.equal(found.get('KUBERNETES_SERVICE_HOST'), '10.0.0.1');
  assert.ok(![...found.keys()].some((name) => name.startsWith('HEADLESS') || name.startsWith('X_')));
});
