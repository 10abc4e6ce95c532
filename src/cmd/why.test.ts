import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Explanation } from '#scheduler/explain.ts';
import { explanationText } from './why.ts';

const explanation = (rest: Partial<Explanation>): Explanation =>
  ({ summary: 'web-1 waits.', nodes: [], nodesOmitted: 0, wouldFit: [], ...rest }) as Explanation;

test('explanationText() gives a line a node: what refuses the pod there, or how well it fits', () => {
  const text = explanationText(
    explanation({
      nodes: [
        { node: 'a', fits: true, score: 12.34 },
        {
          node: 'b',
          fits: false,
          refusals: [
            { plugin: 'NodeResourcesFit', reason: 'Insufficient cpu' },
            { plugin: 'TaintToleration', reason: 'node(s) had untolerated taint {a: b}' },
          ],
        },
      ] as unknown as Explanation['nodes'],
    }),
  );
  assert.equal(
    text,
    'web-1 waits.\n\nNODE   VERDICT\na      fits, score 12.3\n' +
      'b      NodeResourcesFit: Insufficient cpu; TaintToleration: node(s) had untolerated taint {a: b}\n',
  );
});

test('explanationText() counts the nodes it leaves out and tells what would help', () => {
  const nodes = Array.from({ length: 35 }, (_, i) => ({ node: `n${i}`, fits: false, refusals: [] }));
  const text = explanationText(explanation({ nodes, nodesOmitted: 965, wouldFit: ['with 2 cpu less'] }));
  assert.match(text, /n29 .*\n… and 970 more nodes\n\nIt would fit:\n {2}with 2 cpu less\n$/);
  assert.equal(explanationText(explanation({})), 'web-1 waits.\n');
});
