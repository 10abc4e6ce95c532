import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importFaults } from './check-imports.ts';

test('an area may import what comes before it, and nothing after it', () => {
  assert.deepEqual(importFaults('client/a.ts', `import { x } from '#lib/x.ts';`), []);
  assert.equal(importFaults('lib/a.ts', `import { x } from '#client/x.ts';`).length, 1);
});

test('the loops meet in the client alone', () => {
  assert.equal(importFaults('agent/a.ts', `import type { x } from '#scheduler/x.ts';`).length, 1);
  assert.equal(importFaults('controllers/a.ts', `import { x } from '#store/x.ts';`).length, 1);
  assert.deepEqual(importFaults('cluster/a.ts', `import { x } from '#agent/x.ts';`), []);
});

test('a relative path stays inside its area and a # path leaves it', () => {
  assert.equal(importFaults('agent/probes/a.ts', `import { x } from '../../lib/x.ts';`).length, 1);
  assert.equal(importFaults('agent/a.ts', `import { x } from '#agent/x.ts';`).length, 1);
  assert.deepEqual(importFaults('agent/probes/a.ts', `import { x } from '../x.ts';`), []);
});
