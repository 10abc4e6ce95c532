import { hash32, mix32 } from '../hash.ts';
import { resource } from '../node-table.ts';
import { scoreMax, type ScorePlugin } from '../plugin.ts';

/** Swarm's `random` strategy: each node draws a new score from the seed whenever the number of its pods changes. */
export function randomScore(seed: number): ScorePlugin<true> {
  return {
    name: 'Random',
    reads: 'use',
    normalize: 'none',
    preScore: () => true,
    score: (_, node) => mix32(hash32(seed, node.name) + node.used(resource.pods)) % (scoreMax + 1),
  };
}
