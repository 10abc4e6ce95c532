import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '#api/core/node.ts';
import { NodeTable, resource } from './node-table.ts';
import { Signatures } from './signature.ts';
import { boundTo, podOf } from './testing/random-cluster.ts';

const node = (name: string, cpu = '4', labels: Record<string, string> = {}): Node => ({
  metadata: { name, labels },
  spec: {},
  status: { allocatable: { cpu, memory: '8Gi', pods: '10', 'example.com/gpu': '2' } },
});
const spec = {
  containers: [{ name: 'main', image: 'web', resources: { requests: { cpu: '1', 'example.com/gpu': '1' } } }],
};

function setUp() {
  const signatures = new Signatures();
  const table = new NodeTable(signatures);
  const used = (name: string) => table.used[resource.cpu]?.[table.rowOf(name)];
  return { signatures, table, used };
}

test('an assumed pod takes room once, whether it is confirmed, moved or forgotten', () => {
  const { signatures, table, used } = setUp();
  table.setNode(node('n1'));
  table.setNode(node('n2'));
  const pod = podOf(spec);
  table.assume(pod, signatures.of(pod), table.rowOf('n1'));
  assert.equal(used('n1'), 1000);
  table.setPod(pod); // an older state of the pod, without a node
  assert.equal(used('n1'), 1000);
  table.setPod(boundTo(pod, 'n1'));
  assert.equal(used('n1'), 1000);
  assert.equal(table.occupant(pod.metadata?.uid ?? '')?.state, 'bound');
  table.setPod(boundTo(pod, 'n2'));
  assert.deepEqual([used('n1'), used('n2')], [0, 1000]);
  table.setPod({ ...boundTo(pod, 'n2'), status: { phase: 'Succeeded' } });
  assert.deepEqual([used('n2'), table.occupantCount], [0, 0]);
});

test('pods are counted before their node is known and after it has gone', () => {
  const { table, used } = setUp();
  const pod = podOf(spec);
  table.setPod(boundTo(pod, 'n1'));
  assert.equal(table.nodeCount, 0);
  table.setNode(node('n1'));
  assert.equal(used('n1'), 1000);
  table.removeNode('n1');
  assert.equal(table.rowOf('n1'), -1);
  table.setNode(node('n1'));
  assert.equal(used('n1'), 1000);
  table.removePod(pod.metadata?.uid ?? '');
  assert.equal(used('n1'), 0);
});

test('rows are used again, and grow beyond what was foreseen', () => {
  const { table } = setUp();
  for (let index = 0; index < 500; index++) table.setNode(node(`n${index}`, '1', { zone: `z${index % 3}` }));
  assert.equal(table.rowEnd, 500);
  for (let index = 0; index < 500; index++) table.removeNode(`n${index}`);
  assert.equal(table.nodeCount, 0);
  for (let index = 500; index < 1000; index++) table.setNode(node(`n${index}`, '2'));
  assert.equal(table.rowEnd, 500);
  assert.equal(table.labels.column('zone'), undefined);
  assert.equal(table.free(resource.cpu, table.rowOf('n777')), 2000);
});

test('a reservation takes room until it is given back, before its node is known too, and is replaced as a whole', () => {
  const { table, used } = setUp();
  const reserved = (uid: string) => ({ uid, namespace: 'default', name: uid, priority: 0 });
  const room = (cpu: number, pods: number) => ({
    amounts: new Map([
      ['cpu', cpu],
      ['pods', pods],
    ]),
    hostPorts: [{ protocol: 'TCP', ip: '0.0.0.0', port: 80 }],
  });
  table.reserve(reserved('offer-1'), 'n1', room(2000, 3));
  table.setNode(node('n1'));
  const row = table.rowOf('n1');
  assert.deepEqual([used('n1'), table.used[resource.pods]?.[row]], [2000, 3]);
  assert.equal(table.ports.conflict(row, room(0, 0).hostPorts)?.port, 80);
  table.reserve(reserved('offer-1'), 'n1', room(500, 0));
  assert.deepEqual([used('n1'), table.used[resource.pods]?.[row]], [500, 0]);
  table.removePod('offer-1');
  assert.deepEqual([used('n1'), table.ports.conflict(row, room(0, 0).hostPorts)], [0, undefined]);
});

test('a heartbeat of a node changes nothing, and a new label does', () => {
  const { table } = setUp();
  table.setNode(node('n1'));
  const { end } = table.log;
  table.setNode({ ...node('n1'), metadata: { name: 'n1', labels: {}, resourceVersion: '2' } });
  assert.equal(table.log.end, end);
  table.setNode(node('n1', '4', { disk: 'ssd' }));
  assert.equal(table.log.end, end + 1);
});

test('label values are numbered anew when too many have gone, and readers are told', () => {
  const { table } = setUp();
  const { epoch } = table;
  for (let index = 0; index < 3000; index++) table.setNode(node('n1', '4', { version: `v${index}` }));
  assert.ok((table.labels.column('version')?.values.length ?? 0) < 2000);
  assert.equal(table.labels.get(table.rowOf('n1'), 'version'), 'v2999');
  assert.ok(table.epoch > epoch);
});
