import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchPlacer } from '../batch.ts';
import { NodeTable } from '../node-table.ts';
import { profileOf } from '../profile.ts';
import { Signatures } from '../signature.ts';
import { podOf } from '../testing/random-cluster.ts';

const megabyte = 2 ** 20;

/** The score of node `a` for a pod with these images, where the nodes `a` and `b` hold images of these sizes in MB. */
function scoreOf(images: readonly string[], a: Record<string, number>, b: Record<string, number>): number {
  const signatures = new Signatures();
  const table = new NodeTable(signatures);
  for (const [name, held] of Object.entries({ a, b })) {
    const status = {
      allocatable: { cpu: '4', memory: '8Gi', pods: '10' },
      images: Object.entries(held).map(([image, size]) => ({ names: [image], sizeBytes: size * megabyte })),
    };
    table.setNode({ metadata: { name }, spec: {}, status });
  }
  const [first = '', ...rest] = images;
  const pod = podOf({
    initContainers: [{ name: 'init', image: first }],
    containers: rest.map((image, index) => ({ name: `c${index}`, image })),
  });
  const evaluation = new BatchPlacer(table, [profileOf()]).evaluationOf(signatures.of(pod));
  evaluation.best();
  return evaluation.scoresOf(table.rowOf('a'))['ImageLocality'] ?? 0;
}

// Upstream: (sum of sizes times the share of nodes - 23 MB) of (1000 MB for each container - 23 MB), in percent.
for (const [what, images, a, b, score] of [
  ['half of the nodes have half of the images', ['web:1', 'db:1'], { 'web:1': 1000 }, {}, 24],
  ['all nodes have all images', ['web:1', 'db:1'], { 'web:1': 1000, 'db:1': 1000 }, { 'web:1': 1, 'db:1': 1 }, 100],
  ['a small image counts for nothing', ['web:1', 'db:1'], { 'web:1': 22 }, { 'web:1': 22 }, 0],
  ['more than the most counts for no more', ['web:1'], { 'web:1': 9000 }, { 'web:1': 9000 }, 100],
  ['no tag is the latest', ['reg:5000/web'], { 'reg:5000/web:latest': 500 }, { 'reg:5000/web:latest': 500 }, 48],
  ['a digest is a name', ['web@sha256:1'], { 'web@sha256:1': 500 }, { 'web@sha256:1': 500 }, 48],
  ['another tag is another image', ['web:1'], { 'web:2': 500 }, { 'web:2': 500 }, 0],
] as const) {
  test(`images: ${what}`, () => assert.equal(scoreOf(images, a, b), score));
}
