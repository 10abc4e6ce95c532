import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { check } from '../rules/testing/check.ts';
import { created } from '../rules/samples.ts';
import { Reservation } from './reservation.ts';

const sample = {
  metadata: { name: 'offer', namespace: 'default' },
  spec: {
    nodeName: 'n1',
    holder: 'mesos/fw-1',
    resources: { cpu: '2', pods: '4' },
    hostPorts: [{ port: 31000, endPort: 32000 }],
  },
};

check('a bad reservation is named', Reservation, sample, [
  [{ spec: { nodeName: null } }, 'spec.nodeName Required'],
  [{ spec: { holder: '' } }, 'spec.holder Required'],
  [{ spec: { resources: { cpu: '-1' } } }, 'spec.resources[cpu] Invalid'],
  [{ spec: { resources: { pods: '1.5' } } }, 'spec.resources[pods] Invalid'],
  [{ spec: { hostPorts: [{ port: 0 }] } }, 'spec.hostPorts[0].port Invalid'],
  [{ spec: { hostPorts: [{ port: 80, endPort: 79 }] } }, 'spec.hostPorts[0].endPort Invalid'],
  [{ spec: { hostPorts: [{ port: 80, protocol: 'ICMP' }] } }, 'spec.hostPorts[0].protocol NotSupported'],
  [{ spec: { hostPorts: [{ port: 1, endPort: 60000 }] } }, 'spec.hostPorts Invalid'],
  [{ spec: { priority: 2_000_000_000 } }, 'spec.priority Invalid'],
  [{ spec: { timeoutSeconds: 0 } }, 'spec.timeoutSeconds Invalid'],
  [{ spec: { pods: ['Task'] } }, 'spec.pods[0] Invalid'],
  [{ spec: { tolerations: [{ operator: 'Equal' }] } }, 'spec.tolerations[0].operator Invalid'],
]);

test('what was asked for stays, and once it has ended nothing changes', () => {
  const changing = (stored: object, change: object, subresource?: string) => {
    const before = { ...created(Reservation, stored), ...stored };
    return (Reservation.validateUpdate?.(applyMergePatch(before, change), before, subresource) ?? []).map(
      ({ field, message }) => `${field} ${message}`,
    );
  };
  const held = { ...sample, status: { phase: 'Held' } };
  assert.deepEqual(changing(held, { spec: { pods: ['task-1'], priority: 5, timeoutSeconds: 60 } }), []);
  assert.match(changing(held, { spec: { resources: { cpu: '3' } } })[0] ?? '', /^spec\.resources .*immutable/);
  const over = { ...sample, status: { phase: 'Expired', message: 'its time was over' } };
  assert.deepEqual(changing(over, { spec: { pods: ['task-1'] } }), [
    'spec Forbidden: the reservation is Expired (its time was over): create another one',
  ]);
  assert.deepEqual(changing(over, { metadata: { labels: { a: 'b' } } }), []);
  assert.equal(changing(over, { status: { phase: 'Held' } }, 'status').length, 1);
});
