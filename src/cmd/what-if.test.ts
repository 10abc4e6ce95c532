import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcomeText } from './what-if.ts';

test('an outcome is told by workload, with what finds no node and what a budget kept', () => {
  const dimensions = { 'Insufficient cpu': 2, "node(s) didn't match Pod's node affinity/selector": 1 };
  const waiting = {
    summary: '0/3 nodes are available',
    dimensions,
    wouldFit: ['2 nodes would if 1 of cpu were freed'],
  };
  assert.equal(
    outcomeText({
      workloads: [
        {
          workload: 'Deployment default/web',
          created: [{ pod: 'default/b', node: 'n2' }, { pod: 'default/c', node: 'n2' }, { pod: 'default/d' }],
          removed: [{ pod: 'default/a', node: 'n1' }],
        },
      ],
      placed: [{ pod: 'default/w', node: 'n3' }],
      unplaced: [
        { pod: 'default/d', ...waiting },
        { pod: 'default/e', ...waiting },
      ],
      kept: [{ pod: 'default/k', node: 'n1', reason: 'the budget' }],
    }),
    `WORKLOAD                 GOES         COMES
Deployment default/web   -1  (n1 1)   +3  (n2 2, no node 1)

1 waiting pod would find a node:
  default/w gets n3

2 pods would find no node:
  default/d and 1 more
    2 nodes: Insufficient cpu
    1 node: node(s) didn't match Pod's node affinity/selector
    → 2 nodes would if 1 of cpu were freed

Not evicted:
  default/k stays on n1: the budget
`,
  );
});
