import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podOf, spec } from '../testing/pod-facts.ts';
import { qosClassOf, type QosClass } from './qos.ts';

test('The class follows from requests and limits of all containers', () => {
  const both = { cpu: '1', memory: '1Gi' };
  const cases: [QosClass, Record<string, unknown>[]][] = [
    ['BestEffort', [{}]],
    ['BestEffort', [{ requests: { 'ephemeral-storage': '1Gi' } }]],
    ['Guaranteed', [{ limits: both }]],
    ['Guaranteed', [{ limits: both, requests: { cpu: '1000m', memory: '1024Mi' } }]],
    ['Burstable', [{ limits: both, requests: { cpu: '500m' } }]],
    ['Burstable', [{ limits: both }, {}]],
    ['Burstable', [{ requests: { cpu: '1m' } }]],
    ['Burstable', [{ limits: { memory: '1Gi' } }]],
  ];
  for (const [expected, resources] of cases) {
    const containers = resources.map((found, index) => spec(`c${index}`, { resources: found }));
    assert.equal(qosClassOf(podOf({ containers })), expected, JSON.stringify(resources));
  }
});
