import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyStrategicMergePatch } from '#machinery/patch/strategic-merge-patch.ts';
import { Deployment } from '../apps/deployment.ts';
import { Node } from '../core/node.ts';
import { Pod } from '../core/pod.ts';
import { Service } from '../core/service.ts';
import { defaulted, samples } from './samples.ts';

const deployment = defaulted(Deployment, {
  metadata: { name: 'web', namespace: 'default', finalizers: ['a.b/one'] },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [
          {
            name: 'web',
            image: 'web:1',
            env: [
              { name: 'A', value: '1' },
              { name: 'B', value: '2' },
            ],
            ports: [{ containerPort: 80 }],
          },
          { name: 'log', image: 'log:1' },
        ],
        volumes: [{ name: 'data', configMap: { name: 'c' } }],
        tolerations: [{ key: 'a', operator: 'Exists' }],
      },
    },
  },
});

test('kubectl set image changes the image of one container', () => {
  const patch = { spec: { template: { spec: { containers: [{ name: 'web', image: 'web:2' }] } } } };
  const { containers } = applyStrategicMergePatch(deployment, patch, Deployment.schema).spec.template.spec;
  assert.deepEqual(
    containers.map(({ name, image }) => `${name}=${image}`),
    ['web=web:2', 'log=log:1'],
  );
  assert.deepEqual(containers[0]?.env, deployment.spec.template.spec.containers[0]?.env);
});

test('kubectl apply adds, changes and orders what it sends', () => {
  const patch = {
    spec: {
      strategy: { $retainKeys: ['type'], type: 'Recreate' },
      template: {
        spec: {
          '$setElementOrder/containers': [{ name: 'log' }, { name: 'web' }],
          containers: [
            {
              name: 'web',
              '$setElementOrder/env': [{ name: 'C' }, { name: 'A' }],
              env: [
                { name: 'C', value: '3' },
                { name: 'B', $patch: 'delete' },
              ],
            },
          ],
          volumes: [{ name: 'data', $retainKeys: ['name', 'emptyDir'], emptyDir: {} }],
        },
      },
    },
  };
  const { strategy, template } = applyStrategicMergePatch(deployment, patch, Deployment.schema).spec;
  assert.deepEqual(strategy, { type: 'Recreate' });
  assert.deepEqual(
    template.spec.containers.map(({ name }) => name),
    ['log', 'web'],
  );
  assert.deepEqual(template.spec.containers[1]?.env, [
    { name: 'C', value: '3' },
    { name: 'A', value: '1' },
  ]);
  assert.deepEqual(template.spec.volumes, [{ name: 'data', emptyDir: {} }]);
});

test('lists without a merge strategy are replaced, sets of words merge', () => {
  const patch = {
    metadata: { finalizers: ['a.b/two'], labels: { x: 'y' } },
    spec: { template: { spec: { tolerations: [{ key: 'b', operator: 'Exists' }] } } },
  };
  const patched = applyStrategicMergePatch(deployment, patch, Deployment.schema);
  assert.deepEqual(patched.spec.template.spec.tolerations, [{ key: 'b', operator: 'Exists' }]);
  assert.deepEqual(patched.metadata?.finalizers, ['a.b/two', 'a.b/one']);
  assert.deepEqual(patched.metadata?.labels, { x: 'y' });
});

test('kubectl cordon and taint change a node', () => {
  const node = defaulted(Node, { ...samples.node, spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } });
  assert.equal(applyStrategicMergePatch(node, { spec: { unschedulable: true } }, Node.schema).spec.unschedulable, true);
  const taints = [{ key: 'b', effect: 'NoExecute' }];
  assert.deepEqual(applyStrategicMergePatch(node, { spec: { taints } }, Node.schema).spec.taints, taints);
  const conditions = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  const ready = applyStrategicMergePatch(node, conditions, Node.schema);
  const pressed = { status: { conditions: [{ type: 'DiskPressure', status: 'False' }] } };
  assert.deepEqual(
    applyStrategicMergePatch(ready, pressed, Node.schema).status?.conditions?.map(({ type }) => type),
    ['DiskPressure', 'Ready'],
  );
});

test('ports of a service merge by number, containers for debugging by name', () => {
  const service = defaulted(Service, samples.service);
  const named = applyStrategicMergePatch(service, { spec: { ports: [{ port: 80, name: 'http' }] } }, Service.schema);
  assert.deepEqual(named.spec.ports, [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 80 }]);
  const pod = defaulted(Pod, samples.pod);
  const debug = { spec: { ephemeralContainers: [{ name: 'debug', image: 'busybox' }] } };
  assert.equal(applyStrategicMergePatch(pod, debug, Pod.schema).spec.ephemeralContainers?.length, 1);
});
