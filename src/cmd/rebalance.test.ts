import assert from 'node:assert/strict';
import { test } from 'node:test';
import { movesText } from './rebalance.ts';

test('moves are listed with what they gain, and what stays with the reason', () => {
  const move = {
    pod: { namespace: 'default', name: 'web-1' },
    uid: 'u',
    from: 'n1',
    to: 'n2',
    rule: 'hot-node' as const,
    gain: 0.3,
    because: 'node n1 is 90 % full',
  };
  assert.equal(
    movesText({
      moves: [move],
      passedOver: [{ pod: 'default/db', rule: 'hot-node', reason: 'it keeps data on its node' }],
    }),
    `POD             FROM   TO   RULE       GAIN   BECAUSE
default/web-1   n1     n2   hot-node   0.3    node n1 is 90 % full

Not moved:
  default/db (hot-node): it keeps data on its node
`,
  );
  assert.equal(movesText({ moves: [], passedOver: [] }), 'Nothing is worth moving.\n');
});
